package main

import (
	"context"
	"fmt"

	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/gosource"
	"dagger/slipway/internal/platform"
)

var ownPlatform memo[struct{}, dagger.Platform]

// supported is the platform of that name, or the engine's own where none is given.
func (s *Slipway) supported(ctx context.Context, name dagger.Platform) (platform.Platform, error) {
	if name != "" && !s.withCgo() {
		return platform.Parse(string(name))
	}
	own, err := ownPlatform.get(struct{}{}, func() (dagger.Platform, error) { return dag.DefaultPlatform(ctx) })
	if err != nil {
		return platform.Platform{}, err
	}
	if name == "" {
		name = own
	}
	p, err := platform.Parse(string(name))
	if err == nil && name != own {
		err = fmt.Errorf("--cgo compiles C for the engine's own platform alone, which is %s, and this is for %s: "+
			"give --platforms %[1]s before the function's name, or leave out --cgo", own, name)
	}
	return p, err
}

// allSupported are the platforms of the settings.
func (s *Slipway) allSupported(ctx context.Context) ([]platform.Platform, error) {
	all := make([]platform.Platform, len(s.Platforms))
	for i, name := range s.Platforms {
		p, err := s.supported(ctx, dagger.Platform(name))
		if err != nil {
			return nil, err
		}
		all[i] = p
	}
	return all, nil
}

// buildsFor is what the service's programs are built for.
func (s *Slipway) buildsFor(p platform.Platform) gosource.Target {
	return gosource.Target{Arch: p.Arch, Tags: s.buildTags(), Cgo: s.withCgo()}
}

// forPlatform has go compile for a platform, and C with it where that is wanted.
func (s *Slipway) forPlatform(ctr *dagger.Container, p platform.Platform) *dagger.Container {
	enabled := "0"
	if s.withCgo() {
		enabled = "1"
	}
	ctr = ctr.
		WithEnvVariable("CGO_ENABLED", enabled).
		WithEnvVariable("GOOS", "linux").
		WithEnvVariable("GOARCH", p.Arch)
	if p.Arm != "" {
		ctr = ctr.WithEnvVariable("GOARM", p.Arm)
	}
	return ctr
}
