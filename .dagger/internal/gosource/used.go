package gosource

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// compiled are the endings of what the go command compiles or links beside Go.
var compiled = []string{
	".c", ".cc", ".cpp", ".cxx", ".m", ".h", ".hh", ".hpp", ".hxx", ".f", ".F", ".for", ".f90", ".s", ".S", ".sx",
	".swig", ".swigcxx", ".syso", ".a", ".pgo",
}

// texts are those of them that are text, and may be symbolic links.
var texts = compiled[:slices.Index(compiled, ".syso")]

// Used is what is read to build packages.
type Used struct {
	Files []string
	// Cgo are the packages in the tree of which files are left out for want of cgo.
	Cgo []string
	// OnlyCgo are those of them that have nothing to take the place of these files.
	OnlyCgo []string
	// C says that C of the tree is compiled.
	C bool
	// Imports are the packages of other modules, which are not in the tree.
	Imports []string
	// Generates says that a package has a go:generate line.
	Generates bool
	// Links are paths that stand where a directory was looked for.
	Links []string
}

// Program is what is read to build the package in a directory.
func (t *Tree) Program(dir string, target Target) (Used, error) {
	return t.Programs([]string{dir}, target)
}

// Programs is the same for several of one module.
func (t *Tree) Programs(dirs []string, target Target) (Used, error) {
	return t.used(dirs, false, target)
}

// Packages is what is read to compile all packages of modules with their tests.
func (t *Tree) Packages(modules []string, target Target) (Used, error) {
	var dirs []string
	for dir := range t.dirs {
		if module, ok := t.Module(dir); ok && slices.Contains(modules, module) && !skipped(module, dir) && !t.ignored(module, dir) {
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	// So that a module without packages still has its go.mod.
	return t.used(append(dirs, modules...), true, target)
}

func (t *Tree) used(dirs []string, tests bool, target Target) (Used, error) {
	module, ok := t.Module(dirs[0])
	if !ok {
		return Used{}, fmt.Errorf("there is no go.mod in or above %s", dirs[0])
	}
	modules, err := t.importable(module)
	if err != nil {
		return Used{}, err
	}
	var used Used
	if used.Files, err = t.ModuleFiles(module); err != nil {
		return Used{}, err
	}
	if root, ok := t.Vendored(module); ok {
		used.Files = append(used.Files, t.Below(path.Join(root, "vendor"))...)
	}
	asked := slices.Clone(dirs)
	seen := map[string]bool{}
	for len(dirs) > 0 {
		dir := dirs[0]
		dirs = dirs[1:]
		if seen[dir] {
			continue
		}
		seen[dir] = true
		files, err := t.read(dir, tests && slices.Contains(asked, dir), target, &used)
		if err != nil {
			return Used{}, err
		}
		for _, file := range files {
			for _, imported := range file.imports {
				dirs = append(dirs, t.resolve(imported, modules, &used)...)
			}
		}
	}
	for _, list := range []*[]string{&used.Files, &used.Cgo, &used.OnlyCgo, &used.Imports, &used.Links} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return used, nil
}

// read adds what one package is made of, and returns its Go files.
func (t *Tree) read(dir string, tests bool, target Target, used *Used) ([]goFile, error) {
	for _, name := range t.dirs[dir] {
		at := path.Join(dir, name)
		if !isGo(name) && !slices.Contains(compiled, path.Ext(name)) || strings.HasSuffix(name, "_test.go") && !tests {
			continue
		}
		if err := t.refused[at]; err != nil {
			return nil, err
		}
		if to, ok := t.links[at]; ok {
			used.Files = append(used.Files, to)
			if path.Ext(to) != path.Ext(at) { // What it says was not read.
				used.Links = append(used.Links, at)
			}
		}
		if !isGo(name) {
			used.Files = append(used.Files, at)
		}
		if ext := path.Ext(name); ext == ".s" || ext == ".S" {
			used.Files = append(used.Files, t.included(at)...)
		}
	}
	files := t.goFiles(dir, target)
	files = slices.DeleteFunc(files, func(file goFile) bool { return file.test && !tests })
	for _, file := range files {
		used.Files = append(used.Files, path.Join(dir, file.name))
		for _, pattern := range file.patterns {
			used.Files = append(used.Files, t.embedded(dir, pattern)...)
		}
		used.Generates = used.Generates || file.generate
	}
	t.cgo(dir, files, target, used)
	return files, nil
}

var include = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*include[ \t]+"([^"\n]+)"`)

// included are the files that one in assembly includes, whatever they are called.
func (t *Tree) included(file string) []string {
	var all []string
	for next := []string{file}; len(next) > 0; next = next[1:] {
		text, err := fs.ReadFile(t.texts, next[0])
		if err != nil {
			continue // its ending says nothing: it was not read
		}
		for _, m := range include.FindAllSubmatch(text, -1) {
			to := path.Join(path.Dir(next[0]), string(m[1]))
			if t.Has(to) && !slices.Contains(all, to) {
				all, next = append(all, to), append(next, to)
			}
		}
	}
	return all
}

// resolve finds the directories that an import path may mean.
func (t *Tree) resolve(imported string, modules map[string]string, used *Used) []string {
	var dirs []string
	for name, root := range modules {
		rest, ok := strings.CutPrefix(imported, name)
		if !ok || rest != "" && rest[0] != '/' {
			continue
		}
		dir := path.Join(root, rest)
		if len(t.dirs[dir]) > 0 {
			dirs = append(dirs, dir)
			continue
		}
		// A file where there should be a directory is a symbolic link to one.
		for at := dir; at != "."; at = path.Dir(at) {
			if t.Has(at) {
				used.Links = append(used.Links, at)
			}
		}
	}
	// The standard library has no dot in the first part of its paths.
	if host, _, _ := strings.Cut(imported, "/"); len(dirs) == 0 && strings.Contains(host, ".") {
		used.Imports = append(used.Imports, imported)
	}
	return dirs
}

// embedded are the files that a pattern of go:embed means in a directory.
func (t *Tree) embedded(dir, pattern string) []string {
	pattern, all := strings.CutPrefix(pattern, "all:")
	pattern = path.Clean(pattern)
	var files []string
	for _, file := range t.Below(dir) {
		name := file
		if dir != "." {
			name = strings.TrimPrefix(file, dir+"/")
		}
		if embeds(pattern, name, all) {
			files = append(files, file)
		}
	}
	return files
}

// embeds says whether a pattern means a file, by itself or by a directory it is in.
// In directories, names that begin with a dot or an underscore need all.
func embeds(pattern, name string, all bool) bool {
	parts := strings.Split(name, "/")
	for i := len(parts); i >= 0; i-- {
		// The package's own directory is a dot.
		if ok, err := path.Match(pattern, path.Clean(path.Join(parts[:i]...))); err == nil && ok {
			hidden := slices.ContainsFunc(parts[i:], func(part string) bool { return part[0] == '.' || part[0] == '_' })
			return all || !hidden
		}
	}
	return false
}

// Outside names a symbolic link among paths that leads out of the tree, whose text
// links has, and what it leads to.
func Outside(links fs.ReadLinkFS, paths []string) (link, to string) {
	for _, file := range paths {
		to, err := links.ReadLink(file)
		if err == nil && (path.IsAbs(to) || !fs.ValidPath(path.Join(path.Dir(file), to))) {
			return file, to
		}
	}
	return "", ""
}
