package gosource

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// listed is what go list says of the files of a package.
type listed struct {
	Dir                                         string
	GoFiles, CgoFiles, EmbedFiles               []string
	CFiles, CXXFiles, HFiles, SFiles, SysoFiles []string
	TestGoFiles, TestEmbedFiles                 []string
	XTestGoFiles, XTestEmbedFiles               []string
}

// goLists are the files below root that go reads for packages.
func goLists(t *testing.T, root string, target Target, tests bool, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json", "-tags", strings.Join(target.Tags, ",")}, args...)...)
	cgo := map[bool]string{true: "1", false: "0"}[target.Cgo]
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOPROXY=off", "GOWORK=off", "GOOS=linux", "GOARCH="+target.Arch, "CGO_ENABLED="+cgo)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			slices.Sort(files)
			return slices.Compact(files)
		} else if err != nil {
			t.Fatal(err)
		}
		names := slices.Concat(p.GoFiles, p.CgoFiles, p.EmbedFiles, p.CFiles, p.CXXFiles, p.HFiles, p.SFiles, p.SysoFiles)
		if tests {
			names = slices.Concat(names, p.TestGoFiles, p.TestEmbedFiles, p.XTestGoFiles, p.XTestEmbedFiles)
		}
		for _, name := range names {
			if rel, err := filepath.Rel(root, filepath.Join(p.Dir, name)); err == nil && filepath.IsLocal(rel) {
				files = append(files, filepath.ToSlash(rel))
			}
		}
	}
}

// No file that go reads is left out: of Go's own programs and its standard library, which
// have all that a package can be made of, for several platforms.
func TestAsGoLists(t *testing.T) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	std := filepath.Join(strings.TrimSpace(string(out)), "src")
	for _, tt := range []struct {
		root    string
		program string // "" for all packages with their tests
		target  Target
	}{
		{filepath.Join(std, "cmd"), "go", Target{Arch: "amd64"}},
		{filepath.Join(std, "cmd"), "trace", Target{Arch: "s390x", Tags: []string{"netgo"}}},
		{std, "", Target{Arch: "amd64", Cgo: true}},
		{std, "", Target{Arch: "arm64", Tags: []string{"purego"}}},
	} {
		var paths []string
		err := filepath.WalkDir(tt.root, func(file string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				paths = append(paths, filepath.ToSlash(strings.TrimPrefix(file, tt.root+string(filepath.Separator))))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		tree, err := New(os.DirFS(tt.root), paths)
		if err != nil {
			t.Fatal(err)
		}
		var used Used
		var want []string
		if tt.program == "" {
			used, err = tree.Packages([]string{"."}, tt.target)
			want = goLists(t, tt.root, tt.target, true, "./...")
		} else {
			used, err = tree.Program(tt.program, tt.target)
			want = goLists(t, tt.root, tt.target, false, "-deps", "./"+tt.program)
		}
		if err != nil {
			t.Fatal(err)
		}
		var lost []string
		for _, file := range want {
			if _, found := slices.BinarySearch(used.Files, file); !found {
				lost = append(lost, file)
			}
		}
		if len(want) < 20 || len(lost) > 0 {
			t.Errorf("%s %s for %+v: of %d files these are left out: %v", tt.root, tt.program, tt.target, len(want), lost)
		}
	}
}
