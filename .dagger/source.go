package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/foreign"
	"dagger/slipway/internal/gosource"
)

// source is what New finds of it.
type source struct {
	files *dagger.Directory
	git   *dagger.Directory // has its .git
	dir   string            // where in the source the caller stands
}

// loadSource returns the directory given, or else the whole workspace that the caller's
// directory is in, since a module may need others beside it. There .git is apart: that git
// touches its index makes nothing new of the files.
func loadSource(ctx context.Context, workspace *dagger.Workspace, given *dagger.Directory) (source, error) {
	if given != nil {
		return source{given, given, "."}, nil
	}
	dir, err := workspace.Path(ctx)
	if err != nil {
		return source{}, err
	}
	s := source{
		files: workspace.Directory("/", dagger.WorkspaceDirectoryOpts{Exclude: append([]string{".git"}, gosource.Ignored...)}),
		git:   workspace.Directory("/", dagger.WorkspaceDirectoryOpts{Include: []string{".git"}, Exclude: gosource.Ignored}),
		dir:   path.Join(".", dir),
	}
	repository, err := readGit(ctx, s.git, nil)
	if objects := repository.Objects(); err == nil && len(objects) > 0 {
		for i, file := range objects {
			objects[i] = path.Join(".git", file)
		}
		s.git = s.git.WithDirectory("/", workspace.Directory("/", dagger.WorkspaceDirectoryOpts{Include: objects}))
	}
	return s, err
}

var trees memo[*dagger.Directory, *gosource.Tree]

// tree reads the source, once a call.
func (s *Slipway) tree(ctx context.Context) (*gosource.Tree, error) {
	tree, err := trees.get(s.Source, func() (*gosource.Tree, error) {
		paths, err := s.Source.Glob(ctx, "**")
		if err != nil {
			return nil, err
		}
		texts, err := export(ctx, s.Source, gosource.Read)
		if err != nil {
			return nil, err
		}
		return gosource.New(os.DirFS(texts), paths)
	})
	if err == nil && !tree.HasModule() {
		err = errors.New("there is no go.mod in the source: give --source the directory that holds it, or make one with go mod init")
	}
	return tree, err
}

// export copies files of a directory into a new one of this module's container.
func export(ctx context.Context, from *dagger.Directory, include []string) (string, error) {
	dir, err := os.MkdirTemp("", "source")
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "files")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	_, err = from.Filter(dagger.DirectoryFilterOpts{Include: include}).Export(ctx, dir)
	return dir, err
}

// mainPackage is the directory of the service's main package, relative to the source:
// the one given, or the only one there is.
func (s *Slipway) mainPackage(ctx context.Context) (string, error) {
	tree, err := s.tree(ctx)
	if err != nil {
		return "", err
	}
	p, err := s.supported(ctx, "")
	if err != nil {
		return "", err
	}
	target := s.buildsFor(p)
	// One that has only files with C is a main package, too; what to do about it, compile says.
	target.Cgo = true
	mains := tree.Mains(s.Dir, target)
	if s.Package == "" {
		switch len(mains) {
		case 0:
			return "", s.noMain(tree)
		case 1:
			return mains[0], nil
		}
		return "", errors.New("the source has several main packages; choose with --package among: " + s.choice(mains))
	}
	dir := path.Join(s.Dir, s.Package)
	if _, ok := tree.Module(dir); !ok && tree.Name(dir, target) != "" {
		return "", fmt.Errorf("there is no go.mod in or above %s", s.Package)
	}
	var problem string
	switch name := tree.Name(dir, target); name {
	case "main":
		return dir, nil
	case "":
		if slices.Contains(tree.OtherMains(dir), dir) {
			return "", fmt.Errorf(otherTags, s.Package)
		}
		problem = "there is no Go package at " + s.Package
	default:
		problem = s.Package + " is package " + name + ", not a main package"
	}
	if len(mains) == 0 {
		return "", errors.New(problem + "; the source has no main package at all")
	}
	return "", errors.New(problem + "; choose with --package among: " + s.choice(mains))
}

const otherTags = "%s has no file for this platform and these tags: give --tags, before the function's name, with those that its files want"

// noMain is why the source has no main package.
func (s *Slipway) noMain(tree *gosource.Tree) error {
	if others := tree.OtherMains(s.Dir); len(others) > 0 {
		return fmt.Errorf(otherTags, s.choice(others))
	}
	return errors.New("the source has no main package at all: give --source the directory of a service")
}

// choice lists directories as --package takes them.
func (s *Slipway) choice(dirs []string) string {
	words := make([]string, len(dirs))
	for i, dir := range dirs {
		words[i] = below(s.Dir, dir)
	}
	return strings.Join(words, ", ")
}

// module is the directory of the service's module. It does not depend on the main
// package where the caller stands in a module.
func (s *Slipway) module(ctx context.Context) (string, error) {
	tree, err := s.tree(ctx)
	if err != nil {
		return "", err
	}
	if module, ok := tree.Module(path.Join(s.Dir, s.Package)); ok {
		return module, nil
	}
	dir, err := s.mainPackage(ctx)
	if err != nil {
		return "", err
	}
	module, _ := tree.Module(dir)
	return module, nil
}

// modulePath is what the service's module calls itself.
func (s *Slipway) modulePath(ctx context.Context) (string, error) {
	module, err := s.module(ctx)
	if err != nil {
		return "", err
	}
	tree, err := s.tree(ctx)
	if err != nil {
		return "", err
	}
	return tree.Path(module), nil
}

// find is where the source has a file or directory of that name: in the service's
// module, where the caller stands, or at the top. It is "" if it is nowhere.
func (s *Slipway) find(ctx context.Context, name string) (string, error) {
	places := []string{s.Dir, "."}
	if module, err := s.module(ctx); err == nil {
		places = append([]string{module}, places...)
	}
	for _, place := range places {
		there, err := s.Source.Exists(ctx, path.Join(place, name))
		if err != nil {
			return "", err
		}
		if there {
			return path.Join(place, name), nil
		}
	}
	return "", nil
}

// code is what is read to compile packages of the source.
type code struct {
	source   string   // of which source it is, in names of caches
	dir      string   // where go runs: a module's directory, or that of a go.work
	patterns []string // packages, seen from there
	modules  []string // go.mod files and their like
	vendored bool
	noWork   bool // there is a go.work, but of other modules
	used     gosource.Used
	all      *dagger.Directory // the whole source
}

// program is what is read to build the package in a directory.
func (s *Slipway) program(ctx context.Context, pkg string, target gosource.Target) (code, error) {
	tree, err := s.tree(ctx)
	if err != nil {
		return code{}, err
	}
	module, _ := tree.Module(pkg)
	used, err := tree.Program(pkg, target)
	if err != nil {
		return code{}, err
	}
	return s.code(ctx, tree, module, []string{below(module, pkg)}, used)
}

// packages is what is read to compile all packages and tests: of the workspace whose go.work
// is where the caller stands, or else of the module that the service is in.
func (s *Slipway) packages(ctx context.Context) (code, error) {
	tree, err := s.tree(ctx)
	if err != nil {
		return code{}, err
	}
	p, err := s.supported(ctx, "")
	if err != nil {
		return code{}, err
	}
	target := s.buildsFor(p)
	target.Cgo = true
	dir, modules := s.Dir, tree.Workspace(s.Dir)
	own, err := s.module(ctx)
	switch {
	case len(modules) == 0 && err != nil:
		return code{}, err
	case len(modules) == 0, err == nil && s.Package != "" && !slices.Contains(modules, own):
		dir, modules = own, []string{own}
	}
	var patterns []string
	for _, module := range modules {
		patterns = append(patterns, below(dir, module)+"/...")
	}
	used, err := tree.Packages(modules, target)
	if err != nil {
		return code{}, err
	}
	return s.code(ctx, tree, dir, patterns, used)
}

// below is how go, running in a directory, is told of one further down.
func below(dir, sub string) string {
	if sub == dir {
		return "."
	}
	if dir != "." {
		sub = strings.TrimPrefix(sub, dir+"/")
	}
	return "./" + sub
}

func (s *Slipway) code(ctx context.Context, tree *gosource.Tree, dir string, patterns []string, used gosource.Used) (code, error) {
	source := fmt.Sprintf("%.8x", sha256.Sum256([]byte(tree.Source())))
	c := code{source: source, dir: dir, patterns: patterns, used: used, all: s.Source.Filter(dagger.DirectoryFilterOpts{Exclude: []string{".git"}})}
	_, c.vendored = tree.Vendored(dir)
	work, ours := tree.WorkOf(dir)
	c.noWork = work != "" && !ours
	for _, file := range used.Files {
		if err := gosource.Printable(file); err != nil {
			return code{}, err
		}
		switch path.Base(file) {
		case "go.mod", "go.sum", "go.work", "go.work.sum":
			c.modules = append(c.modules, file)
		}
	}
	if len(used.Links) == 0 {
		return c, nil
	}
	// Behind a link to a directory there may be anything.
	links, err := export(ctx, s.Source, patternsOf(used.Links))
	if err != nil {
		return code{}, err
	}
	if link, to := gosource.Outside(os.DirFS(links).(fs.ReadLinkFS), used.Links); link != "" {
		return code{}, fmt.Errorf("%s is a symbolic link to %s, which is outside of the source: put the directory itself there",
			foreign.Line(link), foreign.Line(to))
	}
	c.used.Files = nil
	return c, nil
}

// exported are the directories that one call has written, by name.
var exported memo[string, string]

// files are these files alone, so that an edit of any other is none to what they are
// for. They go through this module's own directory: what comes from there Dagger knows by
// its content, whatever it was taken from.
func (c code) files(ctx context.Context, which []string) (*dagger.Directory, error) {
	if which == nil {
		return c.all, nil
	}
	dir, err := exportOf(ctx, c.all, which)
	if err != nil {
		return nil, err
	}
	return dag.CurrentModule().Workdir(dir), nil
}

// exportOf writes these files of the source alone into a directory of their own, once.
func exportOf(ctx context.Context, all *dagger.Directory, which []string) (string, error) {
	dir := fmt.Sprintf("source-%x", sha256.Sum256([]byte(strings.Join(which, "\n"))))
	// Two platforms are built at once, and one must not read what the other writes.
	return exported.get(dir, func() (string, error) {
		_, err := all.Filter(dagger.DirectoryFilterOpts{Include: patternsOf(which)}).Export(ctx, dir)
		return dir, err
	})
}

// pathElements are the names on the way to a file, and its own.
func pathElements(file string) []string { return strings.Split(file, "/") }

// patternsOf are patterns that match these paths and no other.
func patternsOf(paths []string) []string {
	patterns := make([]string, len(paths))
	for i, p := range paths {
		patterns[i] = gosource.Pattern(p)
	}
	return patterns
}
