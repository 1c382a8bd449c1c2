package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"dagger/slipway/internal/foreign"
	"dagger/slipway/internal/ports"
)

// defaultPort is where a service is taken to listen when nothing says where.
const defaultPort = 8080

// port is where the service listens: what --port gives, or else what smoke.yaml or the
// manifests say.
func (s *Slipway) port(ctx context.Context) (int, error) {
	if s.Port != 0 {
		return s.Port, nil
	}
	n, _, err := s.smokeYAML(ctx)
	if err != nil {
		return 0, err
	}
	found, ok, err := s.portOfManifests(ctx)
	switch {
	case err != nil:
		return 0, err
	case ok && n.Port != 0 && n.Port != found.Port:
		return 0, fmt.Errorf("%s says that the service listens on port %d, and %s of the manifests says %d: correct one of them, or give --port",
			smokeFile, n.Port, foreign.Line(found.File), found.Port)
	case n.Port != 0:
		return n.Port, nil
	case ok:
		return found.Port, nil
	}
	return defaultPort, nil
}

// portOfManifests is what the manifests say, as they are written.
func (s *Slipway) portOfManifests(ctx context.Context) (ports.Found, bool, error) {
	manifests, err := s.manifests(ctx)
	if errors.Is(err, errNoManifests) {
		return ports.Found{}, false, nil
	}
	if err != nil {
		return ports.Found{}, false, err
	}
	dir, err := export(ctx, manifests, []string{"**/*.yaml", "**/*.yml"})
	if err != nil {
		return ports.Found{}, false, err
	}
	files := os.DirFS(dir)
	within := ports.Base(files)
	base, err := fs.Sub(files, within)
	if err != nil {
		return ports.Found{}, false, err
	}
	found, ok := ports.Find(base, s.ImageName)
	found.File = path.Join(within, found.File)
	return found, ok, nil
}
