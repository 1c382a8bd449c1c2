package gosource

import (
	"go/build/constraint"
	"path"
	"slices"
	"strings"
)

// Mains are the directories of the main packages that dir offers: those of its module
// and workspace, or, where these have none, of all modules below.
func (t *Tree) Mains(dir string, target Target) []string {
	return t.mains(dir, func(d string) bool { return t.Name(d, target) == "main" })
}

// OtherMains are those that would be main packages with other build tags, or on another system.
func (t *Tree) OtherMains(dir string) []string { return t.mains(dir, t.otherMain) }

// otherMain says whether a file calls a directory's package main, whatever its constraints. One with the
// tag ignore is a program of its own, for go run.
func (t *Tree) otherMain(dir string) bool {
	return slices.ContainsFunc(t.dirs[dir], func(name string) bool {
		at := path.Join(dir, name)
		if !isGo(name) || t.refused[at] != nil {
			return false
		}
		file, err := t.parsed(at)
		ignored := slices.ContainsFunc(file.constraints, func(expr constraint.Expr) bool { return strings.Contains(expr.String(), "ignore") })
		return err == nil && !file.test && file.pkg == "main" && !ignored
	})
}

func (t *Tree) mains(dir string, isMain func(dir string) bool) []string {
	scope := map[string]bool{}
	if module, ok := t.Module(dir); ok {
		scope[module] = true
	}
	for _, module := range t.Workspace(dir) {
		scope[module] = true
	}
	var own, all []string
	for d := range t.dirs {
		module, ok := t.Module(d)
		if !ok || !isBelow(d, dir) || skipped(dir, d) || t.ignored(module, d) || !isMain(d) {
			continue
		}
		all = append(all, d)
		if scope[module] {
			own = append(own, d)
		}
	}
	slices.Sort(own)
	slices.Sort(all)
	if len(own) > 0 {
		return own
	}
	return all
}

func isBelow(dir, root string) bool {
	return root == "." || dir == root || strings.HasPrefix(dir, root+"/")
}

// skipped says whether ./... in root leaves a directory below it out.
func skipped(root, dir string) bool {
	if root != "." {
		dir = strings.TrimPrefix(strings.TrimPrefix(dir, root), "/")
	}
	for name := range strings.SplitSeq(dir, "/") {
		if name == "vendor" || name == "testdata" || len(name) > 1 && name[0] == '.' || strings.HasPrefix(name, "_") {
			return true
		}
	}
	return false
}

// Name is what the package in a directory calls itself, "" if there is none.
func (t *Tree) Name(dir string, target Target) string {
	for _, file := range t.goFiles(dir, target) {
		if !file.test {
			return file.pkg
		}
	}
	return ""
}
