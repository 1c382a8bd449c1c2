package gosource

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"dagger/slipway/internal/foreign"
)

// module is what a go.mod or go.work file says of the places of modules.
type module struct {
	path     string
	uses     []string          // directories, relative to the file
	requires map[string]bool   // modules, indirectly too
	replaced map[string]string // module to a directory, relative to the file
	ignores  []string          // directories: of the module's root with ./ before, or else anywhere
}

// parseModule reads a go.mod or a go.work file.
func parseModule(text string) module {
	m := module{requires: map[string]bool{}, replaced: map[string]string{}}
	block := ""
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "//")
		words := strings.Fields(line)
		for i, word := range words {
			words[i] = strings.Trim(word, "\"`")
		}
		switch {
		case len(words) == 0:
			continue
		case words[0] == ")":
			block = ""
			continue
		case len(words) == 2 && words[1] == "(":
			block = words[0]
			continue
		case block != "":
			words = append([]string{block}, words...)
		}
		switch arrow := slices.Index(words, "=>"); {
		case words[0] == "module" && len(words) == 2:
			m.path = words[1]
		case words[0] == "use" && len(words) == 2:
			m.uses = append(m.uses, words[1])
		case words[0] == "ignore" && len(words) == 2:
			m.ignores = append(m.ignores, words[1])
		case words[0] == "require" && len(words) > 2:
			m.requires[words[1]] = true
		case words[0] == "replace" && arrow > 1 && arrow+1 < len(words) && isLocal(words[arrow+1]):
			m.replaced[words[1]] = words[arrow+1]
		}
	}
	return m
}

func isLocal(dir string) bool {
	return dir == "." || dir == ".." || strings.HasPrefix(dir, "./") || strings.HasPrefix(dir, "../") || path.IsAbs(dir)
}

// ignored says whether a module's go.mod has ./... leave out one of its directories.
func (t *Tree) ignored(module, dir string) bool {
	if module != "." {
		dir = strings.TrimPrefix(strings.TrimPrefix(dir, module), "/")
	}
	return slices.ContainsFunc(t.modules[module].ignores, func(ignore string) bool {
		if rooted, ok := strings.CutPrefix(ignore, "./"); ok {
			return isBelow(dir, path.Clean(rooted))
		}
		return strings.Contains("/"+dir+"/", "/"+path.Clean(ignore)+"/")
	})
}

// work is what the go.work file in a directory says.
func (t *Tree) work(dir string) module {
	text, err := fs.ReadFile(t.texts, path.Join(dir, "go.work"))
	if err != nil {
		return module{}
	}
	return parseModule(string(text))
}

// importable maps the path of each module that a module's packages may be taken from
// to its directory: the module itself, those of its workspace, and those that
// replacements lead to. It fails if one that go would read is not in the tree.
func (t *Tree) importable(dir string) (map[string]string, error) {
	found := map[string]string{}
	mains := map[string]string{dir: ""} // directory to the file that names it
	if at, ok := t.WorkOf(dir); ok {
		for _, use := range t.work(at).uses {
			file := path.Join(at, "go.work")
			if err := t.lacks(file, "uses "+use, path.Join(at, use), path.IsAbs(use)); err != nil {
				return nil, err
			}
			mains[path.Join(at, use)] = file
		}
	}
	required := map[string]bool{}
	for main := range mains {
		found[t.modules[main].path] = main
		maps.Copy(required, t.modules[main].requires)
	}
	_, vendored := t.Vendored(dir)

	// Go obeys the replacements of main modules only, and reads them only where the module is
	// required and its packages are not vendored.
	var replace func(m module, file string, obeyed bool) error
	replace = func(m module, file string, obeyed bool) error {
		for _, name := range slices.Sorted(maps.Keys(m.replaced)) {
			to := m.replaced[name]
			place := path.Join(path.Dir(file), to)
			if err := t.lacks(file, fmt.Sprintf("replaces %s by %s", name, to), place, path.IsAbs(to)); err != nil {
				if obeyed && required[name] && !vendored {
					return err
				}
				continue
			}
			if found[name] == place {
				continue
			}
			found[name] = place
			if err := replace(t.modules[place], path.Join(place, "go.mod"), false); err != nil {
				return err
			}
		}
		return nil
	}
	for _, main := range slices.Sorted(maps.Keys(mains)) {
		if err := replace(t.modules[main], path.Join(main, "go.mod"), true); err != nil {
			return nil, err
		}
	}
	if at, ok := t.WorkOf(dir); ok {
		if err := replace(t.work(at), path.Join(at, "go.work"), true); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// lacks says what is wrong with a directory that a file names, as by what it does: nil if
// there is a module.
func (t *Tree) lacks(file, does, dir string, absolute bool) error {
	if absolute || !fs.ValidPath(dir) {
		hint := "give --source the directory that holds both, and the main package with --package"
		if absolute {
			hint = "put it into the source and name it relative to " + file
		}
		return fmt.Errorf("%s %s, which is outside of the source: %s", file, foreign.Line(does), hint)
	}
	if err := t.refused[path.Join(dir, "go.mod")]; err != nil {
		return err
	}
	if _, there := t.modules[dir]; !there {
		return fmt.Errorf("%s %s, but there is no go.mod in %s", file, foreign.Line(does), foreign.Line(dir))
	}
	return nil
}

// ModuleFiles are the files by which the go command knows a module and those beside it.
func (t *Tree) ModuleFiles(dir string) ([]string, error) {
	modules, err := t.importable(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	add := func(file string) {
		if t.Has(file) {
			files = append(files, file)
		}
		if err == nil {
			err = t.refused[file]
		}
	}
	for _, dir := range modules {
		add(path.Join(dir, "go.mod"))
		add(path.Join(dir, "go.sum"))
	}
	if at, ok := t.WorkOf(dir); ok {
		add(path.Join(at, "go.work"))
		add(path.Join(at, "go.work.sum"))
	}
	slices.Sort(files)
	return slices.Compact(files), err
}
