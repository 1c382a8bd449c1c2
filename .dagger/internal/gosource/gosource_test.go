package gosource

import (
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// tree makes a tree of texts; one that begins with "->" is a symbolic link.
func tree(t *testing.T, texts map[string]string) (*Tree, error) {
	t.Helper()
	files := fstest.MapFS{}
	for name, text := range texts {
		file := &fstest.MapFile{Data: []byte(text)}
		if to, ok := strings.CutPrefix(text, "->"); ok {
			file = &fstest.MapFile{Data: []byte(to), Mode: fs.ModeSymlink}
		}
		files[name] = file
	}
	return New(files, slices.Collect(maps.Keys(texts)))
}

const gomod = "module example.com/m\n\ngo 1.26\n"

func TestProgram(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		dir   string
		want  string // those of files that are used
	}{
		{"what is beside it is not used", map[string]string{
			"go.mod": gomod, "go.sum": "", "README.md": "", "main.go": "package main\n", "main_test.go": "package main\n",
			"lib/lib.go": "package lib\n", "openapi.yaml": "", ".git/HEAD": "",
		}, ".", "go.mod go.sum main.go"},
		{"packages of any name", map[string]string{
			"go.mod":       gomod,
			"main.go":      "package main\n\nimport (\n\t_ \"example.com/m/docs\"\n\t\"example.com/m/e2e/x\"\n)\n",
			"docs/docs.go": "package docs\n\nimport _ \"example.com/m/lab\"\n", "lab/lab.go": "package lab\n", "e2e/x/x.go": "package x\n",
			"e2e/x/x_test.go": "package x\n", "e2e/y.go": "package e2e\n",
		}, ".", "docs/docs.go e2e/x/x.go go.mod lab/lab.go main.go"},
		{"what is embedded", map[string]string{
			"go.mod":  gomod,
			"main.go": "package main\n\n//go:embed all:.well-known help.md \"a b.txt\"\n//go:embed `web` v?/*.json\nvar _ int\n",
			"help.md": "", "other.md": "", "a b.txt": "", ".well-known/x": "", ".well-known/.y": "",
			"web/index.html": "", "web/deep/_no": "", "web/.no/yes": "", "web/deep/yes": "", "v1/a.json": "", "v1/a.yaml": "", "v10/a.json": "",
		}, ".", ".well-known/.y .well-known/x a b.txt go.mod help.md main.go v1/a.json web/deep/yes web/index.html"},
		{"what the tests embed is not", map[string]string{
			"go.mod": gomod, "main.go": "package main\n", "main_test.go": "package main\n\n//go:embed testdata\n", "testdata/in.md": "",
		}, ".", "go.mod main.go"},
		{"the platform's files", map[string]string{
			"go.mod": gomod, "main.go": "package main\n", "a_windows.go": "package main\n", "a_arm64.go": "package main\n", "a_linux_amd64.go": "package main\n",
			"a_unix.go": "//go:build unix && !arm64\n\npackage main\n", "gen.go": "//go:build ignore\n\npackage main\n",
			"old.go": "// +build ignore\n\npackage main\n", "old2.go": "// +build linux,amd64\n\npackage main\n",
			"mine.go": "//go:build mine\n\npackage main\n", "not.go": "//go:build !mine\n\npackage main\n",
		}, ".", "a_linux_amd64.go a_unix.go go.mod main.go mine.go old2.go"},
		{"releases of Go are not known", map[string]string{
			"go.mod": gomod, "main.go": "package main\n",
			"a.go": "//go:build go1.20 && !go1.21\n\npackage main\n", "b.go": "//go:build !go1.20\n\npackage main\n", "c.go": "//go:build go1.99 && windows\n\npackage main\n",
		}, ".", "a.go b.go go.mod main.go"},
		{"what is compiled beside Go", map[string]string{
			"go.mod": gomod, "main.go": "package main\n", "add_amd64.s": "", "default.pgo": "", "x.h": "", "x.syso": "", "x.txt": "",
		}, ".", "add_amd64.s default.pgo go.mod main.go x.h x.syso"},
		{"all that is vendored", map[string]string{
			"go.mod": gomod, "main.go": "package main\n\nimport _ \"example.invalid/priv\"\n",
			"vendor/modules.txt": "", "vendor/example.invalid/priv/p.go": "package priv\n", "vendor/example.invalid/priv/LICENSE": "",
		}, ".", "go.mod main.go vendor/example.invalid/priv/LICENSE vendor/example.invalid/priv/p.go vendor/modules.txt"},
		{"a replacement and what it replaces", map[string]string{
			"services/api/go.mod":  "module example.com/api\n\nrequire example.com/lib v0.0.0\n\nreplace (\n\texample.com/lib v0.0.0 => ../../lib // beside\n\texample.com/far => example.com/near v1.0.0\n)\n",
			"services/api/main.go": "package main\n\nimport _ \"example.com/lib/sub\"\n",
			"lib/go.mod":           "module other\n\nreplace deep => ./deep\n", "lib/sub/sub.go": "package sub\n\nimport _ \"deep\"\n", "lib/lib.go": "package lib\n",
			"lib/deep/go.mod": "module deep\n", "lib/deep/deep.go": "package deep\n", "services/web/go.mod": "module web\n",
		}, "services/api", "lib/deep/deep.go lib/deep/go.mod lib/go.mod lib/sub/sub.go services/api/go.mod services/api/main.go"},
		{"a workspace", map[string]string{
			"go.work": "go 1.26\n\nuse (\n\t./api\n\t\"./lib\"\n)\nuse ./e2e\n", "go.work.sum": "",
			"api/go.mod": "module api\n", "api/go.sum": "", "api/main.go": "package main\n\nimport _ \"lib\"\n",
			"lib/go.mod": "module lib\n", "lib/lib.go": "package lib\n", "e2e/go.mod": "module e2e\n", "e2e/x.go": "package e2e\n",
		}, "api", "api/go.mod api/go.sum api/main.go e2e/go.mod go.work go.work.sum lib/go.mod lib/lib.go"},
		{"a link and what it stands for", map[string]string{
			"go.mod": gomod, "main.go": "package main\n", "link.go": "->shared/x.go", "shared/x.go": "package main\n", "shared/y.go": "package main\n",
		}, ".", "go.mod link.go main.go shared/x.go"},
		{"a link to a file of another name", map[string]string{
			"go.mod": gomod, "main.go": "package main\n", "add_amd64.s": "->shared/add.s", "shared/add.s": "", "x.h": "->shared/x.h", "shared/x.h": "",
		}, ".", "add_amd64.s go.mod main.go shared/add.s shared/x.h x.h"},
		{"links that nothing uses", map[string]string{
			"go.mod": gomod, "main.go": "package main\n", "bazel-out/x.go": "->/private/x.go", "testdata/go.mod": "->../go.mod", "main_test.go": "->../out_test.go",
		}, ".", "go.mod main.go"},
		{"what assembly includes", map[string]string{
			"go.mod": gomod, "main.go": "package main\n", "README.md": "",
			"a_amd64.s": "#include \"textflag.h\"\n  # include \"inc/macros.h\"\n", "inc/macros.h": "#include \"../more.inc\"\n", "more.inc": "",
		}, ".", "a_amd64.s go.mod inc/macros.h main.go more.inc"},
		{"replacements that go does not read", map[string]string{
			"go.mod":  gomod + "require example.com/lib v0.0.0\nreplace (\n\texample.com/lib => ./lib\n\texample.com/unused => ../unused\n)\n",
			"main.go": "package main\n\nimport _ \"example.com/lib\"\n", "lib/lib.go": "package lib\n",
			"lib/go.mod": "module example.com/lib\nrequire example.com/far v1.0.0\nreplace example.com/far => ../../far\n",
		}, ".", "go.mod lib/go.mod lib/lib.go main.go"},
		{"a replacement outside whose packages are vendored", map[string]string{
			"go.mod": gomod + "require example.com/lib v0.0.0\nreplace example.com/lib => ../lib\n", "main.go": "package main\n",
			"vendor/modules.txt": "", "vendor/example.com/lib/lib.go": "package lib\n",
		}, ".", "go.mod main.go vendor/example.com/lib/lib.go vendor/modules.txt"},
		{"for a workspace, what is vendored for its module alone is not", map[string]string{
			"go.work": "use (\n\t.\n\t./lib\n)\n", "go.mod": gomod + "require example.com/lib v0.0.0\n", "main.go": "package main\n\nimport _ \"example.com/lib\"\n",
			"lib/go.mod": "module example.com/lib\n", "lib/lib.go": "package lib\n",
			"vendor/modules.txt": "# example.com/lib v0.0.0\n", "vendor/example.com/lib/lib.go": "package lib\n",
		}, ".", "go.mod go.work lib/go.mod lib/lib.go main.go"},
		{"what is vendored for a workspace", map[string]string{
			"go.work": "use ./a\n", "a/go.mod": gomod, "a/main.go": "package main\n\nimport _ \"example.com/lib\"\n",
			"vendor/modules.txt": "## workspace\n# example.com/lib v0.0.0\n", "vendor/example.com/lib/lib.go": "package lib\n",
		}, "a", "a/go.mod a/main.go go.work vendor/example.com/lib/lib.go vendor/modules.txt"},
		{"a workspace of others", map[string]string{
			"go.work": "use ./a\n", "a/go.mod": "module a\n", "a/a.go": "package a\n", "vendor/modules.txt": "## workspace\n", "vendor/x/x.go": "package x\n",
			"b/go.mod": gomod + "require a v0.0.0\nreplace a => ../a\n", "b/main.go": "package main\n\nimport _ \"a\"\n",
		}, "b", "a/a.go a/go.mod b/go.mod b/main.go"},
		{"what a comment says of constraints", map[string]string{
			"go.mod": gomod, "main.go": "/*\nPackage main:\n\n//go:build windows\n\n*/ // +build windows\n\npackage main\n",
			"a.go": "/* one */ /* two\n*/\n\n// +build windows\n\npackage main\n", "b.go": "// +build windows\npackage main\n",
			"c.go": "/* ours */\n\n//go:build windows\n\npackage main\n", "d.go": "\ufeff//go:build windows\n\npackage main\n",
			"e.go": "// +build windows\r\n\r\n// Package main is it.\r\npackage main\r\n", "doc.go": "package documentation\n",
			"f.go": "/*////\n// Ours\n////*/\n\n//go:build windows\n\npackage main\n",
		}, ".", "a.go b.go go.mod main.go"},
		{"a file that does not parse", map[string]string{
			"go.mod": gomod, "main.go": "package main\n\nimport _ \"example.com/m/lib\"\n\nfunc {", "lib/lib.go": "pakage", "lib/ok.go": "package lib\n",
		}, ".", "go.mod lib/lib.go lib/ok.go main.go"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			source, err := tree(t, tt.files)
			if err != nil {
				t.Fatal(err)
			}
			used, err := source.Program(tt.dir, Target{Arch: "amd64", Tags: []string{"mine"}})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(used.Files, " "); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestPackages(t *testing.T) {
	source, err := tree(t, map[string]string{
		"go.mod": gomod, "main.go": "package main\n", "main_test.go": "package main\n\n//go:embed testdata/in.md\n", "testdata/in.md": "", "testdata/x/x.go": "package x\n",
		"lib/lib.go": "package lib\n", "lib/lib_test.go": "package lib_test\n", "e2e/go.mod": "module e2e\n", "e2e/x_test.go": "package e2e\n",
		"_old/old.go": "package old\n", ".hidden/x.go": "package x\n", "README.md": "",
	})
	if err != nil {
		t.Fatal(err)
	}
	used, err := source.Packages([]string{"."}, Target{Arch: "amd64", Cgo: true})
	if want := "go.mod lib/lib.go lib/lib_test.go main.go main_test.go testdata/in.md"; err != nil || strings.Join(used.Files, " ") != want {
		t.Errorf("got  %s, %v\nwant %s", strings.Join(used.Files, " "), err, want)
	}
}

func TestCgo(t *testing.T) {
	source, err := tree(t, map[string]string{
		"go.mod": gomod, "main.go": "package main\n\nimport (\n\t_ \"example.com/m/bare\"\n\t_ \"example.com/m/both\"\n\t_ \"example.com/m/pure\"\n" +
			"\t_ \"example.com/m/stub\"\n\t_ \"example.com/m/part\"\n\t_ \"example.org/x/y\"\n)\n",
		"bare/bare.go": "package bare\n\nimport \"C\"\n", "pure/pure.go": "package pure\n", "pure/c_windows.go": "package pure\n\nimport \"C\"\n",
		"stub/c.go": "package stub\n\nimport \"C\"\n", "stub/no.go": "//go:build !cgo\n\npackage stub\n\nimport _ \"runtime/cgo\"\n\nvar why = `CGO_ENABLED=0`\n",
		"part/c.go": "package part\n\nimport \"C\"\n", "part/doc.go": "package part\n",
		"both/c.go": "//go:build cgo\n\npackage both\n\n// #include \"x/x.h\"\nimport \"C\"\n", "both/no.go": "//go:build !cgo\n\npackage both\n", "both/x/x.h": "",
	})
	if err != nil {
		t.Fatal(err)
	}
	used, err := source.Program(".", Target{Arch: "amd64"})
	if err != nil || strings.Join(used.Cgo, " ") != "bare both part stub" {
		t.Errorf("got %v, %v", used.Cgo, err)
	}
	if got := strings.Join(used.OnlyCgo, " "); got != "bare part stub" {
		t.Errorf("only with cgo: got %s", got)
	}
	if got := strings.Join(used.Imports, " "); got != "example.org/x/y" {
		t.Errorf("of other modules: got %s", got)
	}
	used, err = source.Program(".", Target{Arch: "amd64", Cgo: true})
	if err != nil || len(used.Cgo) > 0 || !slices.Contains(used.Files, "both/x/x.h") {
		t.Errorf("with cgo: got %+v, %v", used, err)
	}
}

func TestNamesCgo(t *testing.T) {
	for text, want := range map[string]bool{
		"package p\n\nvar err = errors.New(\"Binary was compiled with 'CGO_ENABLED=0', this is a stub\")\n":   true,
		"package p\n\nfunc f() error { return fmt.Errorf(`needs cgo`) }\n":                                    true,
		"package p\n\n// Without cgo it is slower.\n\nimport _ \"runtime/cgo\"\n\nvar name = \"_cgo_init\"\n": false,
		"package p\n\nfunc f() int { return 1 }\n":                                                            false,
		"no Go": false,
	} {
		if got := NamesCgo(text); got != want {
			t.Errorf("%v of\n%s", got, text)
		}
	}
}

func TestAlike(t *testing.T) {
	source, err := tree(t, map[string]string{"go.mod": gomod, "Lib/DB/x.go": "package db\n"})
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{"lib/db": "Lib/DB", "Lib/DB": "", "other": ""} {
		if got := source.Alike(dir); got != want {
			t.Errorf("%s: got %q, want %q", dir, got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"a replacement outside", map[string]string{"go.mod": gomod + "require example.com/lib v0.0.0\nreplace example.com/lib => ../lib\n", "main.go": "package main\n"},
			"go.mod replaces example.com/lib by ../lib, which is outside of the source: give --source the directory that holds both"},
		{"a replacement that is not there", map[string]string{"go.mod": gomod + "require (\n\texample.com/lib v0.0.0 // indirect\n)\nreplace example.com/lib => ./lib\n", "main.go": "package main\n"},
			"go.mod replaces example.com/lib by ./lib, but there is no go.mod in lib"},
		{"a replacement by an absolute path", map[string]string{
			"go.mod": gomod + "require example.com/lib v0.0.0\nreplace example.com/lib => /home/ann/lib\n", "main.go": "package main\n"},
			"go.mod replaces example.com/lib by /home/ann/lib, which is outside of the source: put it into the source and name it relative to go.mod"},
		{"a replacement whose go.mod is a link", map[string]string{
			"go.mod": gomod + "require example.com/lib v0.0.0\nreplace example.com/lib => ./lib\n", "main.go": "package main\n", "lib/go.mod": "->../go.mod"},
			"lib/go.mod in the source is a symbolic link: put the file itself there"},
		{"a workspace that leads outside", map[string]string{"go.mod": gomod, "go.work": "use (\n\t.\n\t../lib\n)\n", "main.go": "package main\n"},
			"go.work uses ../lib, which is outside of the source"},
		{"a link to the outside", map[string]string{"go.mod": gomod, "main.go": "package main\n\nimport _ \"example.com/m/x\"\n", "x/x.go": "->../../x.go"},
			"x/x.go is a symbolic link to ../../x.go, which is outside of the source"},
		{"an absolute link", map[string]string{"go.mod": gomod, "main.go": "package main\n", "x.go": "->/etc/x.go"},
			"x.go is a symbolic link to /etc/x.go, which is outside of the source"},
		{"go.sum as a link", map[string]string{"go.mod": gomod, "go.sum": "->sums", "sums": "", "main.go": "package main\n"},
			"go.sum in the source is a symbolic link: put the file itself there"},
		{"no module", map[string]string{"main.go": "package main\n"}, "there is no go.mod in or above ."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			source, err := tree(t, tt.files)
			if err == nil {
				_, err = source.Program(".", Target{Arch: "amd64"})
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestLinkToDirectory(t *testing.T) {
	files := map[string]string{"go.mod": gomod, "main.go": "package main\n\nimport _ \"example.com/m/link/sub\"\n", "link": "->../other"}
	source, err := tree(t, files)
	if err != nil {
		t.Fatal(err)
	}
	used, err := source.Program(".", Target{Arch: "amd64"})
	if err != nil || strings.Join(used.Links, " ") != "link" {
		t.Fatalf("got %v, %v", used.Links, err)
	}
	if link, to := Outside(source.texts.(fs.ReadLinkFS), used.Links); link != "link" || to != "../other" {
		t.Errorf("got %q, %q", link, to)
	}
}

func TestSource(t *testing.T) {
	for want, files := range map[string][]string{
		"example.com/root":  {"go.mod example.com/root", "a/go.mod example.com/a"},
		"example.com/b":     {"cmd/x/go.mod example.com/x", "b/go.mod example.com/b", "c/go.mod example.com/c"},
		"example.com/a/b":   {"a/b/go.mod example.com/a/b", "a/c/go.mod example.com/a/c"},
		"example.com/named": {"go.mod example.com/named", ".hidden/go.mod example.com/hidden"},
		"example.com/tools": {".bingo/go.mod _", "testdata/go.mod m", "_x/go.mod x", "api/go.mod example.com/tools"},
		"example.com/data":  {"testdata/go.mod example.com/data"},
	} {
		texts := map[string]string{}
		for _, file := range files {
			name, module, _ := strings.Cut(file, " ")
			texts[name] = "module " + module + "\n"
		}
		tree, err := tree(t, texts)
		if err != nil {
			t.Fatal(err)
		}
		if got := tree.Source(); got != want {
			t.Errorf("%q: %s, want %s", files, got, want)
		}
	}
}

func TestProgramName(t *testing.T) {
	tree, err := tree(t, map[string]string{
		"go.mod": "module example.com/shop/v2\n", "cmd/api/main.go": "package main\n", "v3/main.go": "package main\n",
		"one/go.mod": "module example.com/other\n", "one/v1/main.go": "package main\n", "two/go.mod": "module v2\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{".": "shop", "cmd/api": "api", "v3": "v2", "one": "other", "one/v1": "v1", "two": "v2"} {
		if got := tree.ProgramName(dir); got != want {
			t.Errorf("%s: got %s, want %s", dir, got, want)
		}
	}
}

func TestNamesAreHarmless(t *testing.T) {
	for _, file := range []string{"\x1b[2J/main.go", "a/##[error]/go.mod", "a\n::b/x.go", "\u202e/x.go", "\xff.go"} {
		if _, err := New(fstest.MapFS{}, []string{file}); err == nil || strings.ContainsAny(err.Error(), "\x1b\n\u202e") || strings.Contains(err.Error(), "##") {
			t.Errorf("%q: %v", file, err)
		}
	}
	if _, err := New(fstest.MapFS{"a b/ümlaut #1.go": {}}, []string{"\x1b[2J/x.txt", "a b/ümlaut #1.go"}); err != nil {
		t.Error(err)
	}
}

// What is ignored stands twice, since Dagger reads an argument's from its comment.
func TestIgnored(t *testing.T) {
	text, err := os.ReadFile("../../main.go")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`\+ignore=\[(.*)\]\n\tSource `).FindSubmatch(text)
	if found == nil {
		t.Fatal("the argument Source ignores nothing")
	}
	if want := `"` + strings.Join(Ignored, `", "`) + `"`; string(found[1]) != want {
		t.Errorf("got  %s\nwant %s", found[1], want)
	}
	for _, pattern := range Ignored {
		if strings.HasPrefix(pattern, "!") {
			t.Errorf("%s lets in again what another leaves out", pattern)
		}
	}
}

// What a go.mod, a link or an import says is no name of a file, and is in errors and commands all the same.
func TestTextsAreHarmless(t *testing.T) {
	const bad = "\x1b]0;x\a\u202e##[error]::stop"
	for name, files := range map[string]map[string]string{
		"replacement":       {"go.mod": gomod + "require a.b/c v0.0.0\nreplace a.b/c => ./" + bad + "\n", "main.go": "package main\n"},
		"its module":        {"go.mod": gomod + "require " + bad + " v0.0.0\nreplace " + bad + " => ./x\n", "main.go": "package main\n"},
		"workspace":         {"go.mod": gomod, "go.work": "use ./" + bad + "\n", "main.go": "package main\n"},
		"workspace outside": {"go.mod": gomod, "go.work": "use ../" + bad + "\n", "main.go": "package main\n"},
		"link":              {"go.mod": gomod, "main.go": "->/" + bad + ".go"},
	} {
		t.Run(name, func(t *testing.T) {
			source, err := tree(t, files)
			if err == nil {
				_, err = source.Program(".", Target{Arch: "amd64"})
			}
			if err == nil || strings.ContainsAny(err.Error(), "\x1b\a\u202e") || strings.Contains(err.Error(), "##") {
				t.Errorf("%q", err)
			}
		})
	}
	source, err := tree(t, map[string]string{"go.mod": gomod, "main.go": "package main\n\nimport (\n\t_ \"a.b/c\"\n\t_ \"a.b/" + bad + "\"\n)\n"})
	if err != nil {
		t.Fatal(err)
	}
	// These are arguments of go list, which the progress shows.
	if used, err := source.Program(".", Target{Arch: "amd64"}); err != nil || !slices.Equal(used.Imports, []string{"a.b/c"}) {
		t.Errorf("%q %v", used.Imports, err)
	}
}
