package render

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	commit  = "0123456789abcdef0123456789abcdef01234567"
	another = "fedcba9876543210fedcba9876543210fedcba98"
)

func TestParseBase(t *testing.T) {
	long := strings.Repeat(commit[:32], 2)
	for entry, want := range map[string]Base{
		"https://github.com/acme/base//deploy?ref=" + commit:               {"https://github.com/acme/base", commit, "deploy"},
		"github.com/acme/base/deploy/eu?ref=" + commit:                     {"https://github.com/acme/base", commit, "deploy/eu"},
		"github.com/acme/base?ref=" + commit:                               {"https://github.com/acme/base", commit, "."},
		"GitHub.com/acme/base.git/deploy/?version=" + commit:               {"https://github.com/acme/base.git", commit, "deploy"},
		"git::https://git.example.com/a/b/c//d?ref=" + commit:              {"https://git.example.com/a/b/c", commit, "d"},
		"https://git.example.com:8443/a/b/c.git?ref=" + commit:             {"https://git.example.com:8443/a/b/c.git", commit, "."},
		"HTTPS://git.example.com/a?ref=" + strings.ToUpper(commit):         {"https://git.example.com/a", commit, "."},
		"http://git.example.com/a?ref=" + commit:                           {"http://git.example.com/a", commit, "."},
		"https://git.example.com/a?timeout=9s&ref=" + long:                 {"https://git.example.com/a", long, "."},
		"https://dev.azure.com/acme/shop/_git/base//deploy?ref=" + commit:  {"https://dev.azure.com/acme/shop/_git/base", commit, "deploy"},
		"https://git.example.com/~ann/base//./deploy/../x?ref=" + commit:   {"https://git.example.com/~ann/base", commit, "x"},
		"https://github.com/acme/base//deploy?submodules=0&ref=" + commit:  {"https://github.com/acme/base", commit, "deploy"},
		"https://github.com/acme/base//deploy/k.yaml?ref=" + commit:        {"https://github.com/acme/base", commit, "deploy/k.yaml"}, // no directory
		"https://git.example.com/a?ref=" + commit + "&version=" + "v1.0.0": {"https://git.example.com/a", commit, "."},
	} {
		if got, err := parseBase(entry); err != nil || got != want {
			t.Errorf("%s: %+v %v", entry, got, err)
		}
	}
	for entry, want := range map[string]string{
		"github.com/acme/base//deploy?ref=v1.0.0":                 `names "v1.0.0", a tag or a branch`,
		"github.com/acme/base?ref=main":                           "a tag or a branch",
		"github.com/acme/base?ref=" + commit[:12]:                 "names a part of a commit's hash",
		"github.com/acme/base?ref=" + commit + "0":                "a part of a commit's hash",
		"github.com/acme/base?ref=refs/heads/" + commit:           "a tag or a branch",
		"github.com/acme/base?ref=--upload-pack=x":                "a tag or a branch",
		"github.com/acme/base":                                    "names no commit",
		"https://github.com/acme/base//deploy?ref=":               "names no commit",
		"https://raw.githubusercontent.com/acme/base/main/a.yaml": "is a file of a server",
		"https://example.com/install.yml?token=x":                 "is a file of a server",
		"git@github.com:acme/base.git?ref=" + commit:              "is fetched over ssh",
		"github.com:acme/base?ref=" + commit:                      "is fetched over ssh",
		"ssh://git@github.com/acme/base?ref=" + commit:            "is fetched over ssh",
		"git+ssh://github.com/acme/base?ref=" + commit:            "is fetched over ssh",
		"git::ssh://github.com/acme/base?ref=" + commit:           "is fetched over ssh",
		"file:///etc?ref=" + commit:                               "neither over https",
		"git://github.com/acme/base?ref=" + commit:                "neither over https",
		"ext::sh -c x?ref=" + commit:                              "neither over https",
		"https://ann:secret@github.com/a/b?ref=" + commit:         "has a login in it",
		"https://github.com/acme/../b?ref=" + commit:              "neither over https",
		"https://github.com/acme/-x//y?ref=" + commit:             "neither over https",
		"https://github.com/acme/%2e%2e/b?ref=" + commit:          "neither over https",
		"https://github.com/a b/c?ref=" + commit:                  "neither over https",
		"https://github.com/a/.git/c?ref=" + commit:               "neither over https",
		"https://github.com?ref=" + commit:                        "neither over https",
		"https://-x/a?ref=" + commit:                              "neither over https",
		"https://[::1]/a?ref=" + commit:                           "neither over https",
		"https://a..b/a?ref=" + commit:                            "neither over https",
		"https://github.com/a/b?ref=" + commit + "#x":             "neither over https",
		"https://github.com/a/b\x1b?ref=" + commit:                "neither over https",
		"github.com/acme/base//../../x?ref=" + commit:             "names a directory outside of its repository",
	} {
		b, err := parseBase(entry)
		if err == nil || !strings.Contains(err.Error(), want) || strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("%s: %+v %v", entry, b, err)
		}
	}
}

func TestAllowed(t *testing.T) {
	all, err := ParseAllowed([]string{"github.com/acme", " https://git.example.com:8443/x/base.git/", "http://10.0.0.1:3000/a", "gitlab.com"})
	if err != nil {
		t.Fatal(err)
	}
	for repository, want := range map[string]bool{
		"https://github.com/acme/base":            true,
		"https://github.com/acme/base.git":        true,
		"https://github.com/acmes/base":           false,
		"https://github.com/acme-evil/base":       false,
		"http://github.com/acme/base":             false,
		"https://git.example.com:8443/x/base":     true,
		"https://git.example.com:8443/x/base.git": true,
		"https://git.example.com:8443/x/other":    false,
		"https://git.example.com/x/base":          false,
		"http://10.0.0.1:3000/a/b":                true,
		"https://10.0.0.1:3000/a/b":               false,
		"https://gitlab.com/any":                  true,
		"https://gitlab.com.evil.example/any":     false,
	} {
		if all.has(Base{Repository: repository}) != want {
			t.Errorf("%s: want %v", repository, want)
		}
	}
	for _, wrong := range []string{"", "*", "acme", "https://", "ssh://git@github.com/acme", "git@github.com:acme/x", "github.com/..",
		"https://ann:x@github.com/a", "github.com/a?ref=b", "github.com/a b", "github.com//a", "-x.y/a"} {
		if all, err := ParseAllowed([]string{wrong}); err == nil {
			t.Errorf("%q: %v", wrong, all)
		}
	}
}

// A repository that others have fetched, as it lies there.
func withBases(t *testing.T, kustomization string, files map[string]string) Input {
	t.Helper()
	all := map[string]string{"manifests/base/kustomization.yaml": kustomization, "bases/x": ""}
	for name, text := range files {
		if !strings.HasPrefix(name, "manifests/") {
			name = "bases/github.com/acme/" + name
		}
		all[name] = text
	}
	dir := makeTree(t, all)
	return Input{
		Dir: dir, Bases: filepath.Join(filepath.Dir(dir), "bases"), Overlay: "base", Allowed: Allowed{"https://github.com/acme"},
	}
}

func TestBases(t *testing.T) {
	needsKubectl(t)
	in := withBases(t, `
Resources: ["github.com/acme/one//deploy?ref=`+commit+`", own.yaml]
components: ["https://github.com/acme/two?ref=`+commit+`"]
namePrefix: x-
`, map[string]string{
		"manifests/base/own.yaml":                     strings.ReplaceAll(pod, "name: s", "name: own"),
		"one@" + commit + "/deploy/kustomization.yml": "-> ../k.yaml",
		"one@" + commit + "/k.yaml":                   "resources: [pod.yaml, \"https://github.com/acme/one.git//lib?ref=" + another + "\"]\n",
		"one@" + commit + "/deploy/pod.yaml":          pod,
		"one@" + another + "/lib/Kustomization":       "resources: [../eu]\nnameSuffix: -lib\n",
		"one@" + another + "/eu/kustomization.yaml":   "resources: [pod.yaml]\n",
		"one@" + another + "/eu/pod.yaml":             pod,
		"two@" + commit + "/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n" +
			"patches: [{target: {kind: Pod}, patch: \"- {op: add, path: /metadata/labels, value: {a: b}}\"}]\n",
	})
	out, err := Manifests(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Pod/x-own":   "base/own.yaml",
		"Pod/x-s":     "github.com/acme/one@" + commit + "/deploy/pod.yaml",
		"Pod/x-s-lib": "github.com/acme/one@" + another + "/eu/pod.yaml",
	} {
		if out.Files[name] != want {
			t.Errorf("%s is of %q", name, out.Files[name])
		}
	}
	for _, o := range out.Objects {
		if o.Label("a") != "b" {
			t.Errorf("%s has no label", o)
		}
	}
	if len(out.Objects) != 3 || len(out.Bases) != 3 {
		t.Errorf("%d objects, bases %q", len(out.Objects), out.Bases)
	}
}

func TestBasesAreRefused(t *testing.T) {
	const deep = "resources: [\"github.com/acme/next?ref="
	for name, c := range map[string]struct {
		kustomization string
		files         map[string]string
		want          string
	}{
		"not allowed": {"resources: [\"github.com/other/x?ref=" + commit + "\"]", nil,
			`base/kustomization.yaml: resources: "github.com/other/x?ref=` + commit + `" is of a repository that is not allowed: ` +
				"allow github.com/other/x with --remote-bases"},
		"branch":      {"resources: [\"github.com/acme/x?ref=main\"]", nil, "a tag or a branch"},
		"other field": {"transformers: [\"github.com/acme/x?ref=" + commit + "\"]", nil, "is fetched from elsewhere"},
		"patch":       {"patches: [{path: \"github.com/acme/x?ref=" + commit + "\"}]", nil, "is fetched from elsewhere"},
		"no directory": {"resources: [\"github.com/acme/x//y?ref=" + commit + "\"]", map[string]string{"x@" + commit + "/z": ""},
			"is no directory of that repository"},
		"a file": {"resources: [\"github.com/acme/x//y?ref=" + commit + "\"]", map[string]string{"x@" + commit + "/y": ""},
			"is no directory of that repository"},
		"outside": {"resources: [\"github.com/acme/x//y?ref=" + commit + "\"]",
			map[string]string{"x@" + commit + "/y/kustomization.yaml": "resources: [../../other@" + commit + "]", "other@" + commit + "/a": ""},
			"github.com/acme/x@" + commit + `/y/kustomization.yaml: resources: "../../other@` + commit + `" leads out of the base's repository`},
		"link outside": {"resources: [\"github.com/acme/x?ref=" + commit + "\"]",
			map[string]string{"x@" + commit + "/kustomization.yaml": "resources: [l.yaml]", "x@" + commit + "/l.yaml": "-> ../../../../manifests/base/kustomization.yaml"},
			"leads out of the base's repository"},
		"nested branch": {"resources: [\"github.com/acme/x?ref=" + commit + "\"]",
			map[string]string{"x@" + commit + "/kustomization.yaml": "resources: [\"github.com/acme/y?ref=v1\"]"},
			"github.com/acme/x@" + commit + `/kustomization.yaml: resources: "github.com/acme/y?ref=v1" names "v1", a tag`},
		"nested elsewhere": {"resources: [\"github.com/acme/x?ref=" + commit + "\"]",
			map[string]string{"x@" + commit + "/kustomization.yaml": "resources: [\"github.com/evil/y?ref=" + commit + "\"]"},
			"not allowed: allow github.com/evil/y"},
		"program": {"resources: [\"github.com/acme/x?ref=" + commit + "\"]",
			map[string]string{"x@" + commit + "/kustomization.yaml": "helmCharts: [{name: c}]"}, "helmCharts: Helm would fetch"},
		"deep": {deep + strings.Repeat("0", 40) + "\"]", map[string]string{
			"next@" + strings.Repeat("0", 40) + "/kustomization.yaml": deep + strings.Repeat("1", 40) + "\"]",
			"next@" + strings.Repeat("1", 40) + "/kustomization.yaml": deep + strings.Repeat("2", 40) + "\"]",
			"next@" + strings.Repeat("2", 40) + "/kustomization.yaml": deep + strings.Repeat("3", 40) + "\"]",
			"next@" + strings.Repeat("3", 40) + "/kustomization.yaml": deep + strings.Repeat("4", 40) + "\"]",
			"next@" + strings.Repeat("4", 40) + "/kustomization.yaml": deep + strings.Repeat("5", 40) + "\"]",
		}, "is a base of bases, more than 5 deep"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("HOME", t.TempDir())
			_, err := Manifests(t.Context(), withBases(t, c.kustomization+"\n", c.files))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
		})
	}
}

// What is not there is said, so that it can be fetched: all at once, each once.
func TestBasesToFetch(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	in := withBases(t, `
resources:
- "github.com/acme/one//a?ref=`+commit+`"
- "github.com/acme/one.git//b?ref=`+commit+`"
- "https://github.com/acme/one?ref=`+another+`"
- "github.com/acme/there?ref=`+commit+`"
`, map[string]string{"there@" + commit + "/kustomization.yaml": "resources: [\"github.com/acme/two?ref=" + commit + "\"]"})
	missing, err := Unfetched(in)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, b := range missing {
		names = append(names, b.Name())
	}
	want := []string{"github.com/acme/one@" + commit, "github.com/acme/one@" + another, "github.com/acme/two@" + commit}
	if !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
	if _, err := Manifests(t.Context(), in); err == nil || !strings.Contains(err.Error(), "was not fetched") {
		t.Error(err)
	}
}

func TestBasesAreCounted(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	var entries []string
	for i := range maxBases + 1 {
		entries = append(entries, "\"github.com/acme/one"+strings.Repeat("x", i)+"?ref="+commit+"\"")
	}
	_, err := Manifests(t.Context(), withBases(t, "resources: ["+strings.Join(entries, ", ")+"]", nil))
	if err == nil || !strings.Contains(err.Error(), "is one base too many, there may be 20") {
		t.Error(err)
	}
}
