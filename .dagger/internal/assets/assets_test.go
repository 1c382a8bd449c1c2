package assets

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestFind(t *testing.T) {
	source := []string{"svc/page.html", "svc/templates/a.html", "svc/templates/sub/b.html"}
	has := func(file string) bool { return slices.Contains(source, file) }
	below := func(dir string) []string {
		return slices.DeleteFunc(slices.Clone(source), func(file string) bool { return !strings.HasPrefix(file, dir+"/") })
	}
	for name, want := range map[string]string{
		"page.html":         "svc/page.html",
		"templates":         "svc/templates/a.html svc/templates/sub/b.html",
		"templates/sub":     "svc/templates/sub/b.html",
		"pages":             "! pages is neither a file nor a directory of the",
		"templates/*.html":  "! patterns are not known",
		"node_modules/x/js": "! in node_modules, which is not loaded",
		"temp":              "! temp is neither",
	} {
		files, err := Find(name, "svc/"+name, has, below)
		if refusal, bad := strings.CutPrefix(want, "! "); bad {
			if err == nil || !strings.Contains(err.Error(), refusal) {
				t.Errorf("%s: got %v, %v; want %q", name, files, err, refusal)
			}
		} else if err != nil || strings.Join(files, " ") != want {
			t.Errorf("%s: got %v, %v; want %s", name, files, err, want)
		}
	}
}

func TestCheck(t *testing.T) {
	tests := []struct{ name, link, to, want string }{
		{"beside", "templates/again.html", "page.html", ""},
		{"up and down", "templates/sub/again.html", "../page.html", ""},
		{"to what is named too", "templates/again", "../static/app.js", ""},
		{"to a directory", "templates/again", "../static", ""},
		{"out of the files", "templates/again", "../secret.txt", "not among the files"},
		{"out of the files by a directory", "templates/again", "../other", "not among the files"},
		{"out of the source", "templates/again", "../../../etc/passwd", "not among the files"},
		{"absolute", "templates/again", "/etc/passwd", "not among the files"},
		{"nowhere", "templates/again", "gone.html", "which is not there"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, file := range []string{"templates/page.html", "templates/sub/x.html", "static/app.js", "secret.txt", "other/x"} {
				touch(t, filepath.Join(dir, file))
			}
			if err := os.Symlink(tt.to, filepath.Join(dir, tt.link)); err != nil {
				t.Fatal(err)
			}
			files := []string{"templates/page.html", "templates/sub/x.html", "static/app.js", tt.link}
			err := Check(os.DirFS(dir).(fs.ReadLinkFS), files, []string{"templates", "static"})
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Check(os.DirFS(dir).(fs.ReadLinkFS), []string{"pipe"}, []string{"pipe"}); err == nil {
		t.Error("a pipe is taken for a file")
	}
}

func touch(t *testing.T, file string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestNormalize(t *testing.T) {
	dir := t.TempDir()
	touch(t, filepath.Join(dir, "sub/plain"))
	touch(t, filepath.Join(dir, "sub/run"))
	if err := os.Chmod(filepath.Join(dir, "sub/run"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("plain", filepath.Join(dir, "sub/link")); err != nil {
		t.Fatal(err)
	}
	if err := Normalize(dir); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]fs.FileMode{"sub": 0o755, "sub/plain": 0o644, "sub/run": 0o755} {
		info, err := os.Stat(filepath.Join(dir, file))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: got %v, %v; want %v", file, info.Mode(), err, want)
		}
	}
}
