package render

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"slipway/helpers/internal/object"
)

// What Offline starts here is this very program, which then does one of these.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case OfflineCommand:
			fmt.Println(Offline(os.Args[2:]))
			os.Exit(9)
		case "dial":
			_, err := net.DialTimeout("tcp", os.Args[2], time.Second)
			fmt.Println("dialled:", err)
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// listen counts who connects.
func listen(t *testing.T) (address string, connections *atomic.Int32) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	connections = new(atomic.Int32)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			_ = conn.Close()
		}
	}()
	return listener.Addr().String(), connections
}

func TestOfflineOpensNoSocket(t *testing.T) {
	address, connections := listen(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		out, err := exec.Command(self, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	if out := run("dial", address); !strings.Contains(out, "dialled: <nil>") {
		t.Fatalf("nobody can connect at all: %s", out)
	}
	for connections.Load() == 0 { // It is counted once it is accepted, which may be later.
		time.Sleep(time.Millisecond)
	}
	if out := run(OfflineCommand, self, "dial", address); !strings.Contains(out, "permission denied") || connections.Load() != 1 {
		t.Errorf("offline, %d connections: %s", connections.Load()-1, out)
	}
}

// TestKustomizeFetchesNothing shows the second wall alone: what the check of the paths
// might let through.
func TestKustomizeFetchesNothing(t *testing.T) {
	needsKubectl(t)
	address, connections := listen(t)
	for _, resource := range []string{"http://" + address + "/x.yaml", "https://" + address + "/x.yaml", "git::http://" + address + "/x",
		"http://" + address + "/x//y?ref=v1", "file:///tmp//x", "ssh://git@" + address + "/x", "git@" + address + ":x/y"} {
		dir, err := os.MkdirTemp(os.Getenv("HOME"), "tree")
		if err != nil {
			t.Fatal(err)
		}
		if err := writeYAML(filepath.Join(dir, "kustomization.yaml"), map[string]any{"resources": []string{resource}}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := kustomize(t.Context(), dir, "."); err == nil {
			t.Errorf("%s was rendered", resource)
		}
	}
	if n := connections.Load(); n > 0 {
		t.Errorf("%d connections", n)
	}
}

// A few lines may come to more than any machine holds.
func TestKustomizeEnds(t *testing.T) {
	needsKubectl(t)
	files := map[string]string{
		"manifests/base/kustomization.yaml": "resources: [many]\n",
		"manifests/base/many/cm.yaml":       "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {k: " + strings.Repeat("v", 3<<20) + "}\n",
	}
	dir := "manifests/base/many"
	for range 5 {
		files[dir+"/kustomization.yaml"] = "resources: [a, b]\n"
		files[dir+"/b/kustomization.yaml"] = "namePrefix: b\nresources: [../a/next]\n"
		files[dir+"/a/kustomization.yaml"] = "namePrefix: a\nresources: [next]\n"
		dir += "/a/next"
	}
	files[dir+"/kustomization.yaml"] = "resources: [cm.yaml]\n"
	files[dir+"/cm.yaml"] = files["manifests/base/many/cm.yaml"]
	delete(files, "manifests/base/many/cm.yaml")
	_, err := Manifests(t.Context(), Input{Dir: makeTree(t, files), Overlay: "base"})
	if err == nil || !strings.Contains(err.Error(), "they come to more than") {
		t.Errorf("%.500v", err)
	}
}

func needsKubectl(t *testing.T) {
	if _, err := exec.LookPath("kubectl"); err != nil {
		t.Skip("there is no kubectl")
	}
	t.Setenv("HOME", t.TempDir())
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// It is nobody who looks into these.
	for _, dir := range []string{os.Getenv("HOME"), filepath.Dir(self)} {
		for ; strings.HasPrefix(dir, os.TempDir()+"/"); dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// tree writes files; a text that begins with "-> " is a link.
func makeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(to, file)
		} else {
			err = os.WriteFile(file, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "manifests")
}

const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: s}\nspec: {containers: [{name: s, image: app}]}\n"

func TestRefuses(t *testing.T) {
	const (
		elsewhere = "is fetched from elsewhere"
		outside   = "leads out of the manifests directory"
		missing   = "is not there"
		program   = "is a program that would run while rendering"
	)
	for _, c := range []struct{ kustomization, want string }{
		{"resources: [http://127.0.0.1:9/x.yaml]", elsewhere},
		{"RESOURCES: [HTTPS://example.com/x.yaml]", elsewhere},
		{"resources: [github.com/acme/app]", elsewhere},
		{"resources: ['github.com/acme/app//deploy?ref=v1.0.0']", elsewhere},
		{"resources: ['git::https://example.com/acme/app']", elsewhere},
		{"resources: ['git@github.com:acme/app.git']", elsewhere},
		{"resources: ['example.com:acme/app.git']", elsewhere},
		{"resources: [ssh://git@example.com/acme/app]", elsewhere},
		{"resources: [file:///etc/slipway]", elsewhere},
		{"resources: [example.com/acme/_git/app]", elsewhere},
		{"resources: ['http:x.yaml']", elsewhere},
		{"resources: [https://example.com/there.yaml]", elsewhere}, // though a file is called so
		{"bases: [github.com/acme/app]", elsewhere},
		{"components: [https://example.com/app]", elsewhere},
		{"crds: [https://example.com/crd.json]", elsewhere},
		{"configurations: [https://example.com/c.yaml]", elsewhere},
		{"openapi: {path: https://example.com/c.json}", elsewhere},
		{"transformers: [https://example.com/c.yaml]", elsewhere},
		{"generators: [github.com/acme/generators]", elsewhere},
		{"validators: [github.com/acme/validators]", elsewhere},
		{"replacements: [{path: https://example.com/c.yaml}]", elsewhere},
		{"patches: [{path: https://example.com/c.yaml}]", elsewhere},
		{"patchesJson6902: [{path: https://example.com/c.yaml, target: {kind: Pod, name: s}}]", elsewhere},
		{"patchesStrategicMerge: [https://example.com/c.yaml]", elsewhere},
		{"configMapGenerator: [{name: c, files: [https://example.com/c]}]", elsewhere},
		{"configMapGenerator: [{name: c, files: ['key=https://example.com/c']}]", elsewhere},
		{"configMapGenerator: [{name: c, envs: [https://example.com/c]}]", elsewhere},
		{"secretGenerator: [{name: c, env: https://example.com/c}]", elsewhere},
		{"helmCharts: [{name: c, repo: https://example.com}]", "helmCharts: Helm would fetch"},
		{"helmChartInflationGenerator: [{chartName: c}]", "helmCharts: Helm would fetch"},
		{"generators: [exec.yaml]", program},
		{"transformers: [plugins]", program},
		{"generators: [\"apiVersion: builtin\\nkind: HelmChartInflationGenerator\\nname: x\\n\"]", program},
		{"generators: ['{apiVersion: builtin, kind: ConfigMapGenerator, files: [\"https://example.com/c\"]}']", elsewhere},
		{"transformers: [patch.yaml]", elsewhere},
		{"transformers: [\"apiVersion: builtin\\nkind: [PatchTransformer]\\npath: patch.yaml\\n\"]", "transformers: cannot be read"},
		{"generators: [\"apiVersion: \\\"x\\\\nrelease 9 serves\\\"\\nkind: G\\n\"]", `x\nrelease 9 serves G is a program`},
		{"resources: [\"a\\nb\"]", `a\nb/kustomization.yaml: resources: "gone" is not there`},

		{"resources: [../../../secret]", outside},
		{"resources: [/etc/passwd]", outside},
		{"resources: [link]", outside},
		{"resources: [absolute]", outside},
		{"resources: [there/secret]", outside},
		{"resources: [../chain]", outside},
		{"resources: [below/../../../secret]", outside},
		{"configMapGenerator: [{name: c, files: [link]}]", outside},
		{"secretGenerator: [{name: c, files: ['key=/run/slipway/x']}]", outside},
		{"patches: [{path: ../../secret}]", outside},
		{"transformers: [\"apiVersion: builtin\\nkind: PatchTransformer\\nmetadata: {name: x}\\npath: ../../secret\\n\"]", outside},
		{"resources: [mistyped.yaml]", missing},
		{"resources: [loop]", missing},
	} {
		dir := makeTree(t, map[string]string{
			"secret":                                       pod,
			"manifests/base/kustomization.yaml":            c.kustomization + "\n",
			"manifests/base/exec.yaml":                     "apiVersion: acme/v1\nkind: Generator\nmetadata: {name: x}\n",
			"manifests/base/plugins/Kustomization":         "resources: [exec.yaml]\n",
			"manifests/base/plugins/exec.yaml":             "apiVersion: acme/v1\nkind: Generator\nmetadata: {name: x}\n",
			"manifests/base/patch.yaml":                    "{apiVersion: builtin, kind: PatchTransformer, path: https://example.com/p}",
			"manifests/base/link":                          "-> ../../secret",
			"manifests/base/absolute":                      "-> /etc/passwd",
			"manifests/base/there":                         "-> ../..",
			"manifests/chain":                              "-> base/link",
			"manifests/base/loop":                          "-> loop",
			"manifests/base/https:/example.com/there.yaml": pod,
			"manifests/base/below/x":                       "",
			"manifests/base/a\nb/kustomization.yaml":       "resources: [gone]",
		})
		t.Setenv("HOME", t.TempDir())
		_, err := Manifests(t.Context(), Input{Dir: dir, Overlay: "base"})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", c.kustomization, err)
		}
	}
}

func TestRenders(t *testing.T) {
	needsKubectl(t)
	dir := makeTree(t, map[string]string{
		"manifests/base/kustomization.yaml": `
resources: [pod.yaml, linked.yaml, "odd:name.yaml"]
configMapGenerator: [{name: c, files: [a=data/a], envs: [data/env]}]
secretGenerator: [{name: c, literals: [password=x]}]
patches: [{path: patch.yaml}, {target: {kind: Pod}, patch: "- {op: add, path: /metadata/labels, value: {a: b}}"}]
patchesStrategicMerge: ["{apiVersion: v1, kind: Pod, metadata: {name: s, annotations: {c: d}}}"]
generators: [more.yaml]
transformers: ["{apiVersion: builtin, kind: PatchTransformer, metadata: {name: x}, path: last.yaml, target: {kind: Pod}}"]
`,
		"manifests/base/pod.yaml":            pod,
		"manifests/base/linked.yaml":         "-> ../shared/../base/other.yaml",
		"manifests/base/other.yaml":          strings.ReplaceAll(pod, "name: s", "name: other"),
		"manifests/base/odd:name.yaml":       strings.ReplaceAll(pod, "name: s", "name: odd"),
		"manifests/base/data/a":              "x",
		"manifests/base/data/env":            "y=z",
		"manifests/base/patch.yaml":          "{apiVersion: v1, kind: Pod, metadata: {name: other, annotations: {a: b}}}",
		"manifests/base/more.yaml":           "{apiVersion: builtin, kind: SecretGenerator, metadata: {name: more}, files: [data/a]}",
		"manifests/base/last.yaml":           "- {op: add, path: /metadata/labels/last, value: 'yes'}",
		"manifests/shared/x":                 "",
		"manifests/overlays/o/up":            "-> ../../base",
		"manifests/overlays/o/Kustomization": "resources: [up]\nnamePrefix: o-\n",
	})
	out, err := Manifests(t.Context(), Input{Dir: dir, Overlay: "o", Namespace: "ns", Image: "r/app:1@sha256:00", ImageName: "app"})
	if err != nil {
		t.Fatal(err)
	}
	pods := map[string]object.Object{}
	for _, o := range out.Objects {
		pods[o.String()] = o
		if o.Namespace() != "ns" {
			t.Errorf("%s is in namespace %q", o, o.Namespace())
		}
	}
	for _, name := range []string{"Pod/o-s", "Pod/o-other", "Pod/o-odd"} {
		o := pods[name]
		if o.Text("metadata", "labels", "last") != "yes" || o.List("spec", "containers")[0].Text("image") != "r/app:1@sha256:00" {
			t.Errorf("%s: %v", name, o)
		}
	}
	if got := out.Files["Pod/o-s"]; got != "overlays/o/up/pod.yaml" {
		t.Errorf("Pod/o-s is of %q", got)
	}
	if len(out.Objects) != 6 {
		t.Errorf("%d objects: %v", len(out.Objects), out.Objects)
	}
}

func TestSecretsOfErrors(t *testing.T) {
	for _, kustomization := range []string{
		"secretGenerator: [{name: c, literals: [password=hunter22]}]",
		"secretGenerator: [{name: c, envs: [env]}]",
		"resources: [secret.yaml]",
		"resources: [broken.yaml]",
		"patches: [{target: {kind: Secret}, patch: \"- {op: add, path: /stringData/x, value: hunter22}\"}]",
		"patches: [{target: {kind: Secret}, patch: \"stringData: {x: hunter22}\\nmetadata: {name: s}\"}]",
		"patches: [{path: ops.yaml}]",
	} {
		dir := makeTree(t, map[string]string{
			"manifests/base/kustomization.yaml": kustomization,
			"manifests/base/env":                "password=hunter22",
			"manifests/base/secret.yaml":        "kind: Secret\nmetadata: {name: s}\nstringData: {password: hunter22}\n",
			"manifests/base/broken.yaml":        "kind: Secret\nmetadata: {name: s\nstringData:\n  password: hunter22\n",
			"manifests/base/ops.yaml":           "- {op: add, path: /data/x, value: aHVudGVyMjI=}\n- {op: add, path: /data/x, value: hunter22}",
		})
		t.Setenv("HOME", t.TempDir())
		out, _ := Manifests(t.Context(), Input{Dir: dir, Overlay: "nowhere/../base"})
		if !strings.Contains(strings.Join(out.Secrets, " "), "hunter22") {
			t.Errorf("%s: %q", kustomization, out.Secrets)
		}
	}
}
