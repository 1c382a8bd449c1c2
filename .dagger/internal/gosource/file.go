package gosource

import (
	"go/build"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"dagger/slipway/internal/foreign"
)

// goFile is what a Go file says at its top, and what it embeds.
type goFile struct {
	name     string
	pkg      string
	test     bool
	imports  []string
	patterns []string // of go:embed
	cgo      bool     // imports "C"
	generate bool     // has a go:generate line

	constraints []constraint.Expr // all of which must hold
}

// goFiles are the Go files in a directory that may be compiled for a target. One that
// imports "C" is compiled only with cgo.
func (t *Tree) goFiles(dir string, target Target) []goFile {
	var files []goFile
	for _, name := range t.dirs[dir] {
		if !isGo(name) || t.refused[path.Join(dir, name)] != nil || !nameFits(name, target) {
			continue
		}
		file, err := t.parsed(path.Join(dir, name))
		// A package of that name is a comment.
		if err == nil && file.pkg != "documentation" && fits(file.constraints, target) && (!file.cgo || target.Cgo) {
			files = append(files, file)
		}
	}
	return files
}

// isGo says whether go takes a file of that name for a part of a package.
func isGo(name string) bool { return path.Ext(name) == ".go" && name[0] != '.' && name[0] != '_' }

// parsed reads each file once.
func (t *Tree) parsed(file string) (goFile, error) {
	if known, ok := t.known.Load(file); ok {
		return known.(goFile), nil
	}
	text, err := fs.ReadFile(t.texts, file)
	if err != nil {
		return goFile{}, err
	}
	parsed := parseFile(path.Base(file), string(text))
	t.known.Store(file, parsed)
	return parsed, nil
}

// parseFile reads a Go file. Of one that does not parse it returns what it can.
func parseFile(name, text string) goFile {
	file := goFile{name: name, test: strings.HasSuffix(name, "_test.go"), constraints: constraints(text)}
	parsed, _ := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
	if parsed != nil && parsed.Name != nil {
		file.pkg = parsed.Name.Name
		for _, spec := range parsed.Imports {
			if imported, err := strconv.Unquote(spec.Path.Value); err == nil && !foreign.Obeyed(imported) { // Go refuses such a one.
				file.imports = append(file.imports, imported)
				file.cgo = file.cgo || imported == "C"
			}
		}
	}
	for line := range strings.Lines(text) {
		if patterns, ok := strings.CutPrefix(strings.TrimSpace(line), "//go:embed"); ok {
			file.patterns = append(file.patterns, quoted(patterns)...)
		}
		file.generate = file.generate || strings.HasPrefix(line, "//go:generate ")
	}
	return file
}

// quoted splits what follows //go:embed: words, or Go strings.
func quoted(text string) []string {
	var words []string
	for {
		text = strings.TrimSpace(text)
		if text == "" {
			return words
		}
		word, err := strconv.QuotedPrefix(text)
		if err != nil {
			word, _, _ = strings.Cut(text, " ")
			word, _, _ = strings.Cut(word, "\t")
		}
		text = text[len(word):]
		if plain, err := strconv.Unquote(word); err == nil {
			word = plain
		}
		words = append(words, word)
	}
}

// nameFits says whether a file's name suits a target, as _windows.go does not.
func nameFits(name string, target Target) bool {
	ctx := build.Default
	ctx.GOOS, ctx.GOARCH, ctx.CgoEnabled = "linux", target.Arch, true
	ctx.OpenFile = func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("package p\n")), nil }
	fits, err := ctx.MatchFile("", name)
	return err != nil || fits
}

// constraints are those above the package clause. One that does not parse is none, nor is one in a
// comment of /* and */. A line of the old form counts only with an empty line below, and above all such comments.
func constraints(text string) []constraint.Expr {
	var old, pending []constraint.Expr
	block, begun := false, false
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		line = strings.TrimSpace(line)
		switch {
		case block:
		case line == "":
			old, pending = append(old, pending...), nil
			continue
		case strings.HasPrefix(line, "//"):
			expr, err := constraint.Parse(line)
			if err == nil && constraint.IsGoBuild(line) {
				return []constraint.Expr{expr}
			}
			if err == nil && !begun {
				pending = append(pending, expr)
			}
			continue
		}
		begun = true
		for line != "" && (block || !strings.HasPrefix(line, "//")) {
			if !block {
				if line, block = strings.CutPrefix(line, "/*"); !block {
					return old // the package clause
				}
			}
			_, line, block = strings.Cut(line, "*/")
			block, line = !block, strings.TrimSpace(line)
		}
	}
	return old
}

// fits says whether constraints may hold for a target. Of tags that name a release of
// Go it does not know: the toolchain is another one.
func fits(constraints []constraint.Expr, target Target) bool {
	return !slices.ContainsFunc(constraints, func(expr constraint.Expr) bool {
		yes, _ := possible(expr, target)
		return !yes
	})
}

// possible says whether an expression can be true and whether it can be false.
func possible(expr constraint.Expr, target Target) (yes, no bool) {
	switch expr := expr.(type) {
	case *constraint.NotExpr:
		yes, no = possible(expr.X, target)
		return no, yes
	case *constraint.AndExpr:
		xYes, xNo := possible(expr.X, target)
		yYes, yNo := possible(expr.Y, target)
		return xYes && yYes, xNo || yNo
	case *constraint.OrExpr:
		xYes, xNo := possible(expr.X, target)
		yYes, yNo := possible(expr.Y, target)
		return xYes || yYes, xNo && yNo
	case *constraint.TagExpr:
		tag := expr.Tag
		if strings.HasPrefix(tag, "go1.") || strings.HasPrefix(tag, "goexperiment.") || strings.HasPrefix(tag, target.Arch+".") {
			return true, true
		}
		set := tag == "linux" || tag == "unix" || tag == "gc" || tag == target.Arch || tag == "cgo" && target.Cgo ||
			slices.Contains(target.Tags, tag)
		return set, !set
	}
	return true, true
}
