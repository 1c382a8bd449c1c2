package main

import (
	"context"
	"io/fs"
	"os"

	"dagger/slipway/internal/gitref"
)

// stamp is what a build says of itself.
type stamp struct {
	version  string // a tag, or 0.0.0-<commit>
	revision string // full commit hash, "unknown" where it cannot be told
}

// stamp reads HEAD and the refs out of .git by hand: they are a few small
// files, while asking git itself would mean uploading the whole history and
// missing the cache each time git touches its index.
func (s *Slipway) stamp(ctx context.Context) (stamp, error) {
	module, err := s.module(ctx)
	if err != nil {
		return stamp{}, err
	}
	dir, err := s.export(ctx, []string{".git"})
	if err != nil {
		return stamp{}, err
	}
	files := map[string]string{}
	err = fs.WalkDir(os.DirFS(dir), ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || !gitref.Wanted(file) {
			return err
		}
		text, err := fs.ReadFile(os.DirFS(dir), file)
		files[file] = string(text)
		return err
	})
	if err != nil {
		return stamp{}, err
	}
	read := gitref.Read(files, module)
	st := stamp{s.Version, read.Revision}
	if st.version == "" {
		st.version = read.Version
	}
	return st, nil
}
