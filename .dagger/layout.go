package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"dagger/slipway/internal/foreign"
	"dagger/slipway/internal/layout"
)

// elsewhere are manifests that the source has in directories of other names than manifests.
func (s *Slipway) elsewhere(ctx context.Context) (layout.Found, error) {
	files, err := export(ctx, s.Source, layout.Read)
	if err != nil {
		return layout.Found{}, err
	}
	return layout.Find(os.DirFS(files)), nil
}

// withElsewhere adds to the error that there are no manifests where the source has some. Which are the
// service's, only the caller knows.
func (s *Slipway) withElsewhere(ctx context.Context, err error) error {
	found, lookErr := s.elsewhere(ctx)
	if lookErr != nil {
		return err
	}
	if len(found.Manifests) > 0 {
		err = fmt.Errorf("%w; the source has some in %s: give the right one as --manifests before the function's name",
			err, s.seen(found.Manifests))
	}
	if len(found.Charts) > 0 {
		err = fmt.Errorf("%w; the Helm chart in %s is not rendered, but what helm template NAME CHART prints is YAML that can be in manifests",
			err, s.seen(found.Charts))
	}
	return err
}

// seen lists directories of the source as the caller sees them. Anybody may have named them.
func (s *Slipway) seen(dirs []string) string {
	all := make([]string, len(dirs))
	for i, dir := range dirs {
		if below, err := filepath.Rel(s.Dir, dir); err == nil {
			dir = below
		}
		all[i] = foreign.Line(dir)
	}
	return strings.Join(all, ", ")
}
