package gosource

import (
	"strings"
	"testing"
)

func TestMains(t *testing.T) {
	files := map[string]string{
		"go.mod": gomod, "lib.go": "package m\n", "cmd/a/main.go": "package main\n", "tool.go": "//go:build ignore\n\npackage main\n",
		"cmd/b/b.go": "package main\n", "cmd/b/b_test.go": "package main\n", "testdata/main.go": "package main\n", "vendor/x/main.go": "package main\n",
		"_x/main.go": "package main\n", "e2e/go.mod": "module e2e\n", "e2e/main.go": "package main\n", "none/only_test.go": "package main\n",
	}
	source, err := tree(t, files)
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{".": "cmd/a cmd/b", "cmd/a": "cmd/a", "cmd": "cmd/a cmd/b", "e2e": "e2e"} {
		if got := strings.Join(source.Mains(dir, Target{Arch: "amd64"}), " "); got != want {
			t.Errorf("%s: got %q, want %q", dir, got, want)
		}
	}
	delete(files, "go.mod")
	delete(files, "cmd/b/b.go")
	files["go.work"], files["cmd/a/go.mod"] = "use ./cmd/a\n", "module a\n"
	if source, err = tree(t, files); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(source.Mains(".", Target{Arch: "amd64"}), " "); got != "cmd/a" {
		t.Errorf("in a workspace: got %q", got)
	}
	delete(files, "go.work")
	if source, err = tree(t, files); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(source.Mains(".", Target{Arch: "amd64"}), " "); got != "cmd/a e2e" {
		t.Errorf("without module and workspace: got %q", got)
	}
}

// What go.mod tells ./... to leave out is neither a choice nor compiled, but may be imported.
func TestDirectiveIgnore(t *testing.T) {
	source, err := tree(t, map[string]string{
		"api/go.mod": gomod + "ignore ./old\n\nignore (\n\tnode/lib\n)\n", "api/main.go": "package main\n\nimport _ \"example.com/m/old/used\"\n",
		"api/old/main.go": "package main\n", "api/old/used/x.go": "package used\n", "api/web/node/lib/x/main.go": "package main\n",
		"api/older/main.go": "package main\n", "api/web/old/main.go": "package main\n", "api/node/library/x.go": "package library\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(source.Mains("api", Target{Arch: "amd64"}), " "); got != "api api/older api/web/old" {
		t.Errorf("main packages: got %q", got)
	}
	used, err := source.Packages([]string{"api"}, Target{Arch: "amd64"})
	want := "api/go.mod api/main.go api/node/library/x.go api/old/used/x.go api/older/main.go api/web/old/main.go"
	if got := strings.Join(used.Files, " "); err != nil || got != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
}

func TestOtherMains(t *testing.T) {
	source, err := tree(t, map[string]string{
		"go.mod": gomod, "cmd/a/main.go": "//go:build server\n\npackage main\n", "cmd/w/main_windows.go": "package main\n",
		"cmd/gen/gen.go": "//go:build ignore\n\npackage main\n", "lib/lib.go": "package lib\n", "lib/main_test.go": "package main\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := source.Mains(".", Target{Arch: "amd64"}); len(got) > 0 {
		t.Errorf("got %q", got)
	}
	if got := strings.Join(source.OtherMains("."), " "); got != "cmd/a cmd/w" {
		t.Errorf("with other tags: got %q", got)
	}
}
