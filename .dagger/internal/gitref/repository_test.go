package gitref

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// work is a directory in which git runs.
type work struct {
	t   *testing.T
	dir string
}

func (w work) git(args ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "git", args...)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_EDITOR=false",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil && args[0] != "commit" { // One of them is to break off.
		w.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (w work) write(file, text string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(filepath.Join(w.dir, file)), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, file), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// newWork has three commits; main.go and web/page.html are used, README.md is not.
func newWork(t *testing.T, init ...string) work {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	w := work{t, t.TempDir()}
	w.git(append([]string{"init", "-q", "-b", "main"}, init...)...)
	for _, text := range []string{"one", "two", "three"} {
		w.write("main.go", text+"\n")
		w.write("web/page.html", text+"\n")
		w.write("README.md", text+"\n")
		w.git("add", ".")
		w.git("commit", "-q", "-m", text)
	}
	return w
}

func (w work) clone(args ...string) work {
	dir := filepath.Join(w.t.TempDir(), "clone")
	w.git(append(append([]string{"clone", "-q"}, args...), "file://"+w.dir, dir)...)
	return work{w.t, dir}
}

// read opens the repository in a .git directory, with those objects it asks for.
func (w work) read(gitDir, worktree string) Repository {
	w.t.Helper()
	files := map[string]string{}
	dir := os.DirFS(gitDir)
	err := fs.WalkDir(dir, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !Wanted(file) || strings.HasPrefix(file, "objects/") {
			return err
		}
		text, err := fs.ReadFile(dir, file)
		files[file] = string(text)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, pattern := range Open(files, worktree).Objects() {
		there, err := fs.Glob(dir, pattern)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, file := range there {
			text, err := fs.ReadFile(dir, file)
			if err != nil {
				w.t.Fatal(err)
			}
			files[file] = string(text)
		}
	}
	return Open(files, worktree)
}

func (w work) edited(r Repository, used ...string) (string, error) {
	tree, _ := os.DirFS(w.dir).(fs.ReadLinkFS)
	return r.Edited(used, tree, func(file string) bool {
		_, err := tree.Lstat(file)
		return err == nil
	})
}

func TestEdited(t *testing.T) {
	tests := []struct {
		name   string
		change func(w work) work
		want   string
	}{
		{"nothing", func(w work) work { return w }, ""},
		{"a clone", func(w work) work { return w.clone() }, ""},
		{"a shallow clone", func(w work) work { return w.clone("--depth=1") }, ""},
		{"an unused file", func(w work) work { w.write("README.md", "edited"); return w }, ""},
		{"a new unused file", func(w work) work { w.write("notes.txt", "new"); return w }, ""},
		{"touched", func(w work) work { w.write("main.go", "three\n"); return w }, ""},
		{"an edit", func(w work) work { w.write("main.go", "edited\n"); return w }, `"main.go" is edited`},
		{"an edit of the clone", func(w work) work { w = w.clone(); w.write("web/page.html", "edited\n"); return w }, `"web/page.html" is edited`},
		{"an embedded file deleted", func(w work) work {
			w.write("web/sub/more.html", "x")
			w.git("add", ".")
			w.git("commit", "-q", "-m", "more")
			_ = os.RemoveAll(filepath.Join(w.dir, "web/sub"))
			return w
		}, `"web/sub/more.html" is deleted`},
		{"forgotten", func(w work) work { w.git("rm", "-q", "--cached", "main.go"); return w }, `"main.go" is not committed`},
		{"intended", func(w work) work {
			w.git("rm", "-q", "--cached", "main.go")
			w.git("commit", "-q", "-m", "gone")
			w.git("add", "-N", "main.go")
			return w
		}, `"main.go" is not committed`},
		{"staged", func(w work) work { w.write("main.go", "edited\n"); w.git("add", "."); return w }, "there are staged changes"},
		{"staged in a clone", func(w work) work { w = w.clone(); w.write("main.go", "edited\n"); w.git("add", "."); return w }, "there are staged changes"},
		{"staged and restored", func(w work) work {
			w.write("main.go", "edited\n")
			w.git("add", ".")
			w.git("restore", "--staged", "--worktree", ".")
			return w
		}, ""},
		{"staged, the commit broken off", func(w work) work {
			w.write("main.go", "edited\n")
			w.git("add", ".")
			w.git("commit", "-q")
			return w
		}, "there are staged changes"},
		{"a commit taken back", func(w work) work { w.git("reset", "-q", "--soft", "HEAD~1"); return w }, "there are staged changes"},
		{"a packed commit taken back", func(w work) work { w.git("gc", "-q"); w.git("reset", "-q", "--soft", "HEAD~1"); return w }, "there are staged changes"},
		{"one of many packs taken back", func(w work) work {
			w.git("commit-graph", "write", "--reachable", "--split=no-merge")
			w.git("commit", "-q", "--allow-empty", "-m", "four")
			w.write("main.go", "five\n")
			w.git("commit", "-q", "-a", "-m", "five")
			w.git("commit-graph", "write", "--reachable", "--split=no-merge")
			w.git("repack", "-q", "-a", "-d")
			w.git("reset", "-q", "--soft", "HEAD~1")
			return w
		}, "there are staged changes"},
		{"a commit made again", func(w work) work { w.git("commit", "-q", "--amend", "-m", "again"); return w }, ""},
		{"merged and rebased", func(w work) work {
			w = w.clone()
			w.git("checkout", "-q", "-b", "other", "HEAD~1")
			w.write("other.go", "x")
			w.git("add", ".")
			w.git("commit", "-q", "-m", "other")
			w.git("rebase", "-q", "main")
			w.git("checkout", "-q", "main")
			w.git("merge", "-q", "--no-ff", "-m", "merge", "other")
			w.git("gc", "-q")
			return w
		}, ""},
		{"packed, and reset", func(w work) work { w.git("gc", "-q"); w.git("reset", "-q", "--hard", "HEAD~1"); return w }, ""},
		{"index of version 4", func(w work) work { w.git("update-index", "--index-version", "4"); return w }, ""},
		{"line ends of another system", func(w work) work { w.write("main.go", "three\r\n"); return w }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, format := range []string{"sha1", "sha256"} {
				w := tt.change(newWork(t, "--object-format="+format))
				r := w.read(filepath.Join(w.dir, ".git"), "")
				got, err := w.edited(r, "main.go", "web/page.html")
				if got != tt.want || err != nil {
					t.Errorf("%s: got %q, %v; want %q", format, got, err, tt.want)
				}
				if head := w.git("rev-parse", "HEAD"); r.Stamp(".", true).Revision != head {
					t.Errorf("%s: got revision %s, want %s", format, r.Stamp(".", true).Revision, head)
				}
			}
		})
	}
}

func TestEditedCannotBeTold(t *testing.T) {
	w := newWork(t)
	w.git("update-index", "--split-index")
	if got, err := w.edited(w.read(filepath.Join(w.dir, ".git"), ""), "main.go"); err == nil {
		t.Errorf("a split index: got %q", got)
	}
	r := w.read(filepath.Join(w.dir, ".git"), "")
	delete(r.files, "index")
	if got, err := w.edited(r, "main.go"); err == nil {
		t.Errorf("no index: got %q", got)
	}

	w = newWork(t)
	lib := newWork(t)
	w.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "file://"+lib.dir, "lib")
	w.git("commit", "-q", "-m", "lib")
	r = w.read(filepath.Join(w.dir, ".git"), "")
	if got, err := w.edited(r, "lib/main.go"); err == nil {
		t.Errorf("a file of a submodule: got %q", got)
	}
	if got, err := w.edited(r, "main.go"); got != "" || err != nil {
		t.Errorf("a file beside a submodule: got %q, %v", got, err)
	}
	sub := work{t, filepath.Join(w.dir, "lib")}
	text, err := os.ReadFile(filepath.Join(sub.dir, ".git"))
	if err != nil || Worktree(string(text)) != "" {
		t.Errorf("a submodule is the worktree %q, %v", Worktree(string(text)), err)
	}
	if got, err := sub.edited(sub.read(filepath.Join(w.dir, ".git/modules/lib"), Worktree(string(text))), "main.go"); got != "" || err != nil {
		t.Errorf("from the submodule: got %q, %v", got, err)
	}
}

func TestWorktree(t *testing.T) {
	w := newWork(t)
	w.git("tag", "v1.0.0", "HEAD~1")
	dir := filepath.Join(t.TempDir(), "beside")
	w.git("worktree", "add", "-q", dir, "v1.0.0")
	beside := work{t, dir}
	text, err := os.ReadFile(filepath.Join(dir, ".git"))
	if err != nil {
		t.Fatal(err)
	}
	r := beside.read(filepath.Join(w.dir, ".git"), Worktree(string(text)))
	if got := r.Stamp(".", true); got != (Stamp{Version: "v1.0.0", Revision: beside.git("rev-parse", "HEAD")}) {
		t.Errorf("got %+v", got)
	}
	if got, err := beside.edited(r, "main.go"); got != "" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	beside.write("main.go", "edited")
	if got, err := beside.edited(r, "main.go"); got != `"main.go" is edited` || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestAnnotated(t *testing.T) {
	w := newWork(t)
	w.git("tag", "-a", "-m", "one", "v1.9.0")
	w.git("tag", "-a", "-m", "two", "v1.10.0", "v1.9.0^{}")
	w.git("tag", "-a", "-m", "of a tag", "v1.11.0", "v1.10.0")
	w.git("tag", "-a", "-m", "elsewhere", "v2.0.0", "HEAD~1")
	at := filepath.Join(w.dir, ".git")
	if got := w.read(at, "").Stamp(".", true); got.Version != "v1.11.0" || got.Note != "" {
		t.Errorf("in files: got %+v", got)
	}
	w.git("gc", "-q")
	if got := w.read(at, "").Stamp(".", true); got.Version != "v1.11.0" || got.Note != "" {
		t.Errorf("packed: got %+v", got)
	}
	// As a fetch of all tags leaves them: references in files, their objects in a pack.
	fetched := w.clone("--no-tags")
	fetched.git("fetch", "-q", "--tags")
	got := fetched.read(filepath.Join(fetched.dir, ".git"), "").Stamp(".", true)
	if got.Version == "v2.0.0" || (got.Version != "v1.11.0") == (got.Note == "") {
		t.Errorf("fetched: got %+v", got)
	}
	fetched.git("pack-refs", "--all")
	if got := fetched.read(filepath.Join(fetched.dir, ".git"), "").Stamp(".", true); got.Version != "v1.11.0" || got.Note != "" {
		t.Errorf("fetched and packed: got %+v", got)
	}
}
