// Package gosource says which files of a source tree the go command reads to build
// a package. It errs on the side of too many: one too many costs a build when it is
// edited, one too few breaks it.
package gosource

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"dagger/slipway/internal/foreign"
)

// Ignored are the paths that are never loaded: of .git all but HEAD, index, packed-refs,
// reftable, heads and tags, since the rest is large and changes without a change of the source;
// and node_modules. No pattern begins with "!": what such a pattern lets in again
// arrives empty.
var Ignored = []string{
	"**/node_modules", "*/.git", "*/**/.git",
	".git/[^Hipr]*", ".git/H[^E]*", ".git/i[^n]*", ".git/in[^d]*", ".git/p[^a]*", ".git/r[^e]*", ".git/re[^f]*", ".git/refs/[^ht]*",
}

// Read are the files whose text decides what else is read.
var Read = append([]string{"**/*.go", "**/go.mod", "**/go.sum", "**/go.work", "**/go.work.sum", "**/" + vendorList}, patternsOf(texts)...)

// vendorList says what is vendored, and whether for a workspace.
const vendorList = "vendor/modules.txt"

func patternsOf(endings []string) []string {
	patterns := make([]string, len(endings))
	for i, ending := range endings {
		patterns[i] = "**/*" + ending
	}
	return patterns
}

// Target is what a program is built for.
type Target struct {
	Arch string
	Tags []string
	Cgo  bool
}

// Tree is a source tree. All paths are relative to its root and have slashes.
type Tree struct {
	texts   fs.FS
	files   []string            // sorted
	dirs    map[string][]string // directory to the names of its files
	modules map[string]module   // by directory
	links   map[string]string   // file to the file it stands for
	refused map[string]error    // file to what is wrong with it, should go read it
	known   sync.Map            // file to goFile
}

// New takes the paths of all files and the texts of those that Read names.
func New(files fs.FS, paths []string) (*Tree, error) {
	t := &Tree{
		texts: files, dirs: map[string][]string{}, modules: map[string]module{},
		links: map[string]string{}, refused: map[string]error{},
	}
	for _, file := range paths {
		if strings.HasSuffix(file, "/") || strings.HasPrefix(file, ".git/") || file == ".git" {
			continue
		}
		if isRead(file) { // Others may be called as they like until they are read.
			if err := Printable(file); err != nil {
				return nil, err
			}
		}
		t.files = append(t.files, file)
		t.dirs[path.Dir(file)] = append(t.dirs[path.Dir(file)], path.Base(file))
	}
	slices.Sort(t.files)
	for _, file := range t.files {
		if !isRead(file) {
			continue
		}
		if err := t.link(file); err != nil {
			return nil, err
		}
		if path.Base(file) != "go.mod" || within(file, "vendor") || t.refused[file] != nil {
			continue
		}
		text, err := fs.ReadFile(files, file)
		if err != nil {
			return nil, err
		}
		t.modules[path.Dir(file)] = parseModule(string(text))
	}
	return t, nil
}

// link notes what a symbolic link stands for, or that it leads nowhere in the tree.
func (t *Tree) link(file string) error {
	links, ok := t.texts.(fs.ReadLinkFS)
	if !ok {
		return nil
	}
	info, err := links.Lstat(file)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return err
	}
	to, err := links.ReadLink(file)
	if err != nil {
		return err
	}
	target := path.Join(path.Dir(file), to)
	switch {
	case strings.HasPrefix(path.Base(file), "go.") && path.Ext(file) != ".go":
		t.refused[file] = fmt.Errorf("%s in the source is a symbolic link: put the file itself there", file)
	case path.IsAbs(to) || !fs.ValidPath(target):
		t.refused[file] = fmt.Errorf("%s is a symbolic link to %s, which is outside of the source: put the file itself there",
			file, foreign.Line(to))
	default:
		t.links[file] = target
	}
	return nil
}

// Has says whether there is a file of that path.
func (t *Tree) Has(file string) bool {
	_, found := slices.BinarySearch(t.files, file)
	return found
}

// Below are the files in a directory and further down.
func (t *Tree) Below(dir string) []string {
	if dir == "." {
		return t.files
	}
	from, _ := slices.BinarySearch(t.files, dir+"/")
	to, _ := slices.BinarySearch(t.files, dir+"0") // '0' follows '/'
	return t.files[from:to]
}

// within says whether one of the directories on the way to file has that name.
func within(file, name string) bool {
	return slices.Contains(strings.Split(path.Dir(file), "/"), name)
}

// Module is the directory of the module that a directory belongs to.
func (t *Tree) Module(dir string) (string, bool) { return t.findUp(dir, "go.mod") }

// ProgramName is what go build calls the program of the package in a directory: the last
// element of its path that is no major version.
func (t *Tree) ProgramName(dir string) string {
	module, _ := t.Module(dir)
	name := t.Path(module)
	if dir != module {
		name = path.Join(name, dir)
	}
	if majorVersion.MatchString(path.Base(name)) && path.Dir(name) != "." {
		name = path.Dir(name)
	}
	return path.Base(name)
}

var majorVersion = regexp.MustCompile(`^v([2-9]|[1-9][0-9]+)$`)

// Path is what a module calls itself, by its directory.
func (t *Tree) Path(dir string) string { return t.modules[dir].path }

// Source tells one source from others, whichever of its packages is looked at: it is what the module
// calls itself that is at the top, or nearest to it. Those of tools and test data do not count.
func (t *Tree) Source() string {
	dirs := slices.Collect(maps.Keys(t.modules))
	if own := slices.DeleteFunc(slices.Clone(dirs), func(dir string) bool { return skipped(".", dir) }); len(own) > 0 {
		dirs = own
	}
	if len(dirs) == 0 {
		return ""
	}
	depth := func(dir string) int {
		if dir == "." {
			return 0
		}
		return 1 + strings.Count(dir, "/")
	}
	return t.Path(slices.MinFunc(dirs, func(a, b string) int {
		return cmp.Or(cmp.Compare(depth(a), depth(b)), cmp.Compare(a, b))
	}))
}

// Vendored says whether the packages that a module imports are in the source: then
// it also returns the directory beside which they are. In a workspace go does not take those that
// are there for one module alone, nor for a module those of a workspace.
func (t *Tree) Vendored(module string) (string, bool) {
	root := module
	work, inWork := t.WorkOf(module)
	if inWork {
		root = work
	}
	list := path.Join(root, vendorList)
	text, err := fs.ReadFile(t.texts, list)
	return root, t.Has(list) && err == nil && strings.HasPrefix(string(text), "## workspace") == inWork
}

// WorkOf is the directory of the go.work with which go builds in a directory: a module's, or its own. One
// above a module that it does not use was written for others, and go would refuse it.
func (t *Tree) WorkOf(dir string) (string, bool) {
	at, ok := t.findUp(dir, "go.work")
	uses := func(use string) bool { return path.Join(at, use) == dir }
	return at, ok && (at == dir || slices.ContainsFunc(t.work(at).uses, uses))
}

// Alike is the directory with files whose path differs from that of dir in upper and lower
// case only. It is "" if there is none.
func (t *Tree) Alike(dir string) string {
	for other := range t.dirs {
		if other != dir && strings.EqualFold(other, dir) {
			return other
		}
	}
	return ""
}

// findUp is the nearest directory, from dir upward, that holds a file of that name.
func (t *Tree) findUp(dir, name string) (string, bool) {
	for {
		if t.Has(path.Join(dir, name)) {
			return dir, true
		}
		if dir == "." {
			return "", false
		}
		dir = path.Dir(dir)
	}
}

// HasModule says whether there is a module at all.
func (t *Tree) HasModule() bool { return len(t.modules) > 0 }

// Workspace are the directories of the modules that the go.work in a directory uses.
func (t *Tree) Workspace(dir string) []string {
	var modules []string
	for _, use := range t.work(dir).uses {
		if module := path.Join(dir, use); t.Has(path.Join(module, "go.mod")) {
			modules = append(modules, module)
		}
	}
	return modules
}
