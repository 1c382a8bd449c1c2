package main

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/layout"
)

// elsewhere is where the source has manifests that are not in a directory manifests, seen
// from where the caller stands.
func (s *Slipway) elsewhere(ctx context.Context) (layout.Found, error) {
	dir, err := export(ctx, s.Source, layout.Read)
	if err != nil {
		return layout.Found{}, err
	}
	found := layout.Find(os.DirFS(dir))
	for _, dirs := range [][]string{found.Manifests, found.Charts} {
		for i, dir := range dirs {
			if dirs[i], err = filepath.Rel(s.Dir, dir); err != nil {
				return layout.Found{}, err
			}
		}
	}
	return found, nil
}

// withElsewhere adds to the error that there are no manifests where there are some.
func (s *Slipway) withElsewhere(ctx context.Context, err error) error {
	found, lookErr := s.elsewhere(ctx)
	if lookErr != nil {
		return err
	}
	if len(found.Manifests) > 0 {
		err = fmt.Errorf("%w; the source has some in %s: give --manifests %s before the function's name",
			err, strings.Join(found.Manifests, ", "), found.Manifests[0])
	}
	if len(found.Charts) > 0 {
		err = fmt.Errorf("%w; the Helm chart in %s is not rendered, but what helm template NAME %[2]s prints is YAML that can be in manifests",
			err, found.Charts[0])
	}
	return err
}

// adopted is the one directory below the caller's where people keep manifests, "" if there
// is none or more than one.
func (s *Slipway) adopted(ctx context.Context, workspace *dagger.Workspace) (string, error) {
	found, err := s.elsewhere(ctx)
	if err != nil {
		return "", err
	}
	dirs := slices.DeleteFunc(found.Manifests, func(dir string) bool { return !filepath.IsLocal(dir) || !layout.Usual(dir) })
	if len(dirs) != 1 {
		return "", nil
	}
	// With --source the caller may stand somewhere else.
	there, err := workspace.Directory(".", dagger.WorkspaceDirectoryOpts{Include: []string{path.Join(dirs[0], "**")}}).Exists(ctx, dirs[0])
	if err != nil || !there {
		return "", err
	}
	return dirs[0], nil
}
