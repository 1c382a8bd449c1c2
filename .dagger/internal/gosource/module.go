package gosource

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// module is what a go.mod or go.work file says of the places of modules.
type module struct {
	path     string
	uses     []string          // directories, relative to the file
	replaced map[string]string // module to a directory, relative to the file
}

// parseModule reads a go.mod or a go.work file.
func parseModule(text string) module {
	m := module{replaced: map[string]string{}}
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
		case words[0] == "replace" && arrow > 1 && arrow+1 < len(words) && isLocal(words[arrow+1]):
			m.replaced[words[1]] = words[arrow+1]
		}
	}
	return m
}

func isLocal(dir string) bool {
	return dir == "." || dir == ".." || strings.HasPrefix(dir, "./") || strings.HasPrefix(dir, "../") || path.IsAbs(dir)
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
// replacements lead to. It fails if one of these is outside of the tree.
func (t *Tree) importable(dir string) (map[string]string, error) {
	found := map[string]string{}
	var add func(name, dir, from, as string) error
	replacements := func(m module, file, at string) error {
		for name, to := range m.replaced {
			if err := add(name, path.Join(at, to), file, fmt.Sprintf("replaces %s by %s", name, to)); err != nil {
				return err
			}
		}
		return nil
	}
	add = func(name, dir, from, as string) error {
		if !fs.ValidPath(dir) {
			return fmt.Errorf("%s %s, which is outside of the source: give --source the directory that holds both, "+
				"and the main package with --package", from, as)
		}
		m, there := t.modules[dir]
		if !there {
			return fmt.Errorf("%s %s, but there is no go.mod in %s", from, as, dir)
		}
		if name == "" {
			name = m.path
		}
		if found[name] == dir {
			return nil
		}
		found[name] = dir
		return replacements(m, path.Join(dir, "go.mod"), dir)
	}
	if err := add("", dir, "", ""); err != nil {
		return nil, err
	}
	if at, ok := t.findUp(dir, "go.work"); ok {
		file := path.Join(at, "go.work")
		work := t.work(at)
		for _, use := range work.uses {
			if err := add("", path.Join(at, use), file, "uses "+use); err != nil {
				return nil, err
			}
		}
		if err := replacements(work, file, at); err != nil {
			return nil, err
		}
	}
	return found, nil
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
	}
	for _, dir := range modules {
		add(path.Join(dir, "go.mod"))
		add(path.Join(dir, "go.sum"))
	}
	if at, ok := t.findUp(dir, "go.work"); ok {
		add(path.Join(at, "go.work"))
		add(path.Join(at, "go.work.sum"))
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}
