// Package settings finds in a file .env the settings that a module of Dagger's does not
// have. Dagger passes them over without a word.
package settings

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"regexp"
	"slices"
	"strings"
)

// Names are those that .env may set for an object of a module, without the module's prefix
// and in upper case, read of the object's own Go files: the arguments of its constructor
// New, and those of its functions with the function's name before them.
func Names(files fs.FS, object string) ([]string, error) {
	paths, err := fs.Glob(files, "*.go")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, path := range paths {
		if strings.HasSuffix(path, ".gen.go") { // Dagger's own
			continue
		}
		text, err := fs.ReadFile(files, path)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, decl := range file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			switch {
			case fn.Recv == nil && fn.Name.Name == "New":
				names = append(names, arguments(fn, "")...)
			case fn.Recv != nil && fn.Name.IsExported() && receiver(fn) == object:
				names = append(names, arguments(fn, fn.Name.Name+"_")...)
			}
		}
	}
	return names, nil
}

func receiver(fn *ast.FuncDecl) string {
	t := fn.Recv.List[0].Type
	if pointer, ok := t.(*ast.StarExpr); ok {
		t = pointer.X
	}
	name, _ := t.(*ast.Ident)
	return name.Name
}

// arguments are those of a function, also where they are the fields of a struct.
func arguments(fn *ast.FuncDecl, prefix string) []string {
	var names []string
	for _, field := range fn.Type.Params.List {
		fields := []*ast.Field{field}
		if args, ok := field.Type.(*ast.StructType); ok {
			fields = args.Fields.List
		}
		for _, f := range fields {
			for _, name := range f.Names {
				if !given(f.Type) {
					names = append(names, strings.ToUpper(prefix+name.Name))
				}
			}
		}
	}
	return names
}

// given says whether Dagger gives an argument of this type without being told.
func given(t ast.Expr) bool {
	if pointer, ok := t.(*ast.StarExpr); ok {
		t = pointer.X
	}
	selected, ok := t.(*ast.SelectorExpr)
	return ok && (selected.Sel.Name == "Context" || selected.Sel.Name == "Workspace")
}

var variable = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,99}$`)

// Check refuses lines NAME=value that begin with the prefix and set none of the names. It
// reads what Dagger reads: a line is a variable, and case does not count. Values may be
// secrets; no error shows one.
func Check(text, prefix string, names []string) error {
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		name = strings.ToUpper(strings.TrimSpace(name))
		short, ours := strings.CutPrefix(name, prefix)
		if !ours || !variable.MatchString(name) || slices.Contains(names, short) {
			continue
		}
		if near := nearest(short, names); near != "" {
			return fmt.Errorf("%s is not a setting: write %s%s", name, prefix, near)
		}
		return fmt.Errorf("%s is not a setting: take the line away", name)
	}
	return nil
}

// nearest is the name that differs least, "" if none is like it. An underscore too many
// or too few is no difference.
func nearest(name string, names []string) string {
	plain := strings.NewReplacer("_", "")
	best, least := "", 1+max(2, len(name)/3)
	for _, candidate := range slices.Sorted(slices.Values(names)) {
		if d := distance(plain.Replace(name), plain.Replace(candidate)); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// distance is how many letters must be put in, left out or changed to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0]++
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
