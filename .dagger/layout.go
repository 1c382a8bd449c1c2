package main

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"dagger/slipway/internal/layout"
)

// manifestsAt is where the source keeps its manifests: in a directory of that name, or else in
// the only one that has another usual name and objects in it. It is "" if they are nowhere.
func (s *Slipway) manifestsAt(ctx context.Context) (string, error) {
	dir, err := s.find(ctx, manifestsDir)
	if err != nil || dir != "" {
		return dir, err
	}
	places := s.places(ctx)
	var include []string
	for _, place := range places {
		for _, name := range layout.Usual {
			for _, pattern := range layout.Read {
				include = append(include, path.Join(place, name, pattern))
			}
		}
	}
	files, err := export(ctx, s.Source, include)
	if err != nil {
		return "", err
	}
	for _, place := range places {
		if found := layout.FindUsual(os.DirFS(files), place); len(found) > 0 {
			if len(found) > 1 {
				return "", nil // which, only the caller knows
			}
			return found[0], nil
		}
	}
	return "", nil
}

// withElsewhere adds to the error that there are no manifests where the source has some.
func (s *Slipway) withElsewhere(ctx context.Context, err error) error {
	files, lookErr := export(ctx, s.Source, layout.Read)
	if lookErr != nil {
		return err
	}
	found := layout.Find(os.DirFS(files))
	for _, dirs := range [][]string{found.Manifests, found.Charts} {
		for i, dir := range dirs {
			if seen, relErr := filepath.Rel(s.Dir, dir); relErr == nil { // as the caller would type it
				dirs[i] = seen
			}
		}
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
