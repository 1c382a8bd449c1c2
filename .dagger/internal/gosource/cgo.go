package gosource

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
)

// cgo notes what a package lacks without cgo, or adds what it needs with it: C may
// include any file of its module.
func (t *Tree) cgo(dir string, files []goFile, target Target, used *Used) {
	hasC := func(file goFile) bool { return file.cgo && !file.test }
	if target.Cgo {
		if module, ok := t.Module(dir); ok && slices.ContainsFunc(files, func(file goFile) bool { return file.cgo }) {
			used.Files = append(used.Files, t.Below(module)...)
			used.C = true
		}
		return
	}
	target.Cgo = true
	with := t.goFiles(dir, target)
	if !slices.ContainsFunc(with, hasC) {
		return
	}
	used.Cgo = append(used.Cgo, dir)
	if t.onlyCgo(dir, files, with) {
		used.OnlyCgo = append(used.OnlyCgo, dir)
	}
}

// onlyCgo says whether a package whose files with C are left out was not written for that:
// no file is there in their place, or one that says itself that it is none.
func (t *Tree) onlyCgo(dir string, without, with []goFile) bool {
	replaced := false
	for _, file := range without {
		same := func(other goFile) bool { return other.name == file.name }
		if file.test || slices.ContainsFunc(with, same) {
			continue
		}
		replaced = true
		if text, err := fs.ReadFile(t.texts, path.Join(dir, file.name)); err == nil && NamesCgo(string(text)) {
			return true
		}
	}
	return !replaced
}

var namesCgo = regexp.MustCompile(`(?i)\bcgo(_enabled)?\b`)

// NamesCgo says whether a Go file has a string about cgo, as in errors.New("requires cgo to work"):
// of a file that stands in for C it tells one that only fails from one that does the work.
func NamesCgo(text string) bool {
	parsed, _ := parser.ParseFile(token.NewFileSet(), "", text, parser.SkipObjectResolution)
	if parsed == nil {
		return false
	}
	names := false
	ast.Inspect(parsed, func(node ast.Node) bool {
		if _, ok := node.(*ast.ImportSpec); ok {
			return false
		}
		literal, ok := node.(*ast.BasicLit)
		names = names || ok && literal.Kind == token.STRING && namesCgo.MatchString(literal.Value)
		return true
	})
	return names
}
