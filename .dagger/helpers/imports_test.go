// Package helpers holds nothing but a test of how the packages below it depend on each other.
package helpers

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "slipway/helpers/"

// layers of the packages: each may import those of earlier layers, and no other of this
// module.
var layers = [][]string{
	{"internal/object"},
	{"internal/apart", "internal/check", "internal/health", "internal/sanitize", "internal/questions"},
	{"internal/kube", "internal/render"},
	{"internal/release", "internal/registry"},
	{"cmd/rollout", "cmd/smoke", "cmd/load", "cmd/balance", "cmd/unit", "cmd/show", "cmd/kubeconfig", "cmd/licenses"},
}

// pure are the packages that only compute: they talk to nobody and start no program.
var pure = []string{"internal/object", "internal/check", "internal/health", "internal/sanitize"}

// foreign are the packages by which a program talks to somebody or starts another.
var foreign = []string{"net", "net/http", "os/exec"}

// imports is what go list says of a package.
type imports struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
	Deps                               []string // of the package without its tests, and of what it imports
}

func list(t *testing.T) []imports {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,Deps", "./...")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, complaint.String())
	}
	var all []imports
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p imports
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func layerOf(name string) int {
	return slices.IndexFunc(layers, func(layer []string) bool { return slices.Contains(layer, name) })
}

func TestImports(t *testing.T) {
	seen := 0
	for _, p := range list(t) {
		name, inside := strings.CutPrefix(p.ImportPath, module)
		if !inside {
			continue // this package
		}
		seen++
		if layerOf(name) < 0 {
			t.Errorf("%s has no layer: give it one here", name)
		}
		for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			other, isOurs := strings.CutPrefix(path, module)
			if isOurs && other != name && layerOf(other) >= layerOf(name) {
				t.Errorf("%s imports %s, which is of no earlier layer", name, other)
			}
		}
		for _, path := range slices.Concat(p.Deps, p.TestImports, p.XTestImports) {
			if slices.Contains(strings.Split(path, "/"), "dagger") || strings.HasPrefix(path, "dagger.io/") {
				t.Errorf("%s depends on %s: it must build without the module that Dagger runs", name, path)
			}
		}
		for _, path := range foreign {
			if slices.Contains(pure, name) && slices.Contains(p.Deps, path) {
				t.Errorf("%s depends on %s: it must only compute", name, path)
			}
		}
	}
	if want := len(slices.Concat(layers...)); seen != want {
		t.Errorf("%d packages, but %d have a layer", seen, want)
	}
}

// What tests the project with real clusters is no part of it: nothing imports it.
func TestNobodyImportsLab(t *testing.T) {
	root := filepath.Join("..", "..")
	lab := filepath.Join(root, "lab")
	if _, err := os.Stat(lab); err != nil {
		t.Skip("the rest of the repository is not here")
	}
	files := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (path == lab || entry.Name() == ".git"):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		files++
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			if name, _ := strconv.Unquote(spec.Path.Value); name == "slipway/lab" || strings.HasPrefix(name, "slipway/lab/") {
				t.Errorf("%s imports %s", path, name)
			}
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Errorf("%d files, %v", files, err)
	}
}
