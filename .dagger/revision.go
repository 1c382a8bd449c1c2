package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/foreign"
	"dagger/slipway/internal/gitref"
	"dagger/slipway/internal/platform"
)

// stamp is what a build says of itself.
type stamp struct {
	version  string // a tag, or 0.0.0-<commit>
	revision string // full commit hash, "unknown" where it cannot be told
	doubt    string // why what is built may be other than the revision, "" if it is the revision
	note     string // why the version may be another
}

// tag is the version as a tag of an image.
func (st stamp) tag() string { return notInTag.ReplaceAllString(st.version, "-") }

var errNoGit = errors.New("--git-dir: the source has no .git: give --source the root of the repository's work tree, or leave --git-dir out")

// dirty ends version and revision of what is built from files that are not in the commit.
const dirty = "-dirty"

var stamps memo[stampOf, stamp]

// stampOf is what a stamp depends on.
type stampOf struct {
	source          *dagger.Directory
	dir, pkg, files string
}

func (s *Slipway) stampOf() stampOf {
	return stampOf{s.Source, s.Dir, s.Package, strings.Join(slices.Concat(s.Beside, s.buildTags()), ",")}
}

// stamp reads commit and tags out of .git by hand, and compares the files that the image
// is made of with git's index. These are a few small files, while asking git itself would
// mean uploading the whole history.
func (s *Slipway) stamp(ctx context.Context) (stamp, error) {
	if s.image != nil {
		return s.image.stamp(ctx)
	}
	st, err := stamps.get(s.stampOf(), func() (stamp, error) {
		st, err := s.readStamp(ctx)
		for _, why := range []string{st.doubt, st.note} {
			if err == nil && why != "" {
				fmt.Fprintf(os.Stderr, "warning: revision %s, version %s: %s\n", st.revision, st.version, why)
			}
		}
		return st, err
	})
	if s.Version != "" {
		st.version = s.Version
	}
	return st, err
}

func (s *Slipway) readStamp(ctx context.Context) (stamp, error) {
	tree, err := s.tree(ctx)
	if err != nil {
		return stamp{}, err
	}
	module, err := s.module(ctx)
	if err != nil {
		return stamp{}, err
	}
	repository, err := s.openGit(ctx)
	if err != nil {
		return stamp{}, err
	}
	read := repository.Stamp(module, tree.Has("go.mod"))
	st := stamp{read.Version, read.Revision, foreign.Line(read.Doubt), foreign.Line(read.Note)}
	if st.revision == gitref.Unknown {
		return st, nil
	}
	used, err := s.imageFiles(ctx)
	if err != nil {
		return stamp{}, err
	}
	dir, err := exportOf(ctx, s.Source, used)
	if err != nil {
		return stamp{}, err
	}
	exists := func(file string) bool { return tree.Has(file) || slices.Contains(pathElements(file), "node_modules") }
	edited, err := repository.Edited(used, os.DirFS(dir).(fs.ReadLinkFS), exists)
	switch {
	case err != nil:
		st.doubt = "whether files are edited cannot be told: " + foreign.Line(err.Error())
	case edited != "":
		st.version, st.revision, st.doubt = st.version+dirty, st.revision+dirty, foreign.Line(edited)
	}
	return st, nil
}

// openGit reads the source's .git, or what --git-dir gives in its place.
func (s *Slipway) openGit(ctx context.Context) (gitref.Repository, error) {
	return readGit(ctx, s.Git, s.GitDir)
}

func readGit(ctx context.Context, source, gitDir *dagger.Directory) (gitref.Repository, error) {
	dir, err := export(ctx, source, []string{".git"})
	if err != nil {
		return gitref.Repository{}, err
	}
	at := path.Join(dir, ".git")
	info, err := os.Lstat(at)
	switch {
	case err != nil && gitDir != nil:
		return gitref.Repository{}, errNoGit
	case err != nil: // It is no repository, or only a part of one.
		return gitref.Open(nil, ""), nil
	}
	worktree := ""
	if info.Mode().IsRegular() {
		text, err := os.ReadFile(at)
		if err != nil {
			return gitref.Repository{}, err
		}
		if worktree = gitref.Worktree(string(text)); gitDir == nil {
			return gitref.Elsewhere(), nil
		}
	}
	if gitDir != nil {
		if at, err = export(ctx, gitDir, []string{"**"}); err != nil {
			return gitref.Repository{}, err
		}
		if head := path.Join(gitref.WorktreeDir(worktree), "HEAD"); !isFile(path.Join(at, head)) {
			return gitref.Repository{}, fmt.Errorf("--git-dir has no %s, so it is not of the source's repository: "+
				`give "$(git rev-parse --git-common-dir)", as git says it in the source`, head)
		}
	}
	files := map[string]string{}
	err = fs.WalkDir(os.DirFS(at), ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || !gitref.Wanted(file) {
			return err
		}
		text, err := fs.ReadFile(os.DirFS(at), file)
		files[file] = string(text)
		return err
	})
	return gitref.Open(files, worktree), err
}

func isFile(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.Mode().IsRegular()
}

// imageFiles are the files of the source that the image is made of, whatever it is made for.
func (s *Slipway) imageFiles(ctx context.Context) ([]string, error) {
	tree, err := s.tree(ctx)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, p := range platform.All() {
		code, err := s.allPrograms(ctx, s.buildsFor(p))
		if err != nil {
			return nil, err
		}
		if code.used.Files == nil { // It may be any.
			return tree.Below("."), nil
		}
		files = append(files, code.used.Files...)
	}
	n, _, err := s.smokeYAML(ctx)
	if err != nil {
		return nil, err
	}
	_, found, err := s.assetFiles(ctx, n)
	files = append(files, found...)
	slices.Sort(files)
	return slices.Compact(files), err
}
