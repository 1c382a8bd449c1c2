package main

import (
	"context"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"
)

// each are the settings for an image of each program: of those that --package gives, or else of all main
// packages. Each is published below the repository, under its program's name.
func (s *Slipway) each(ctx context.Context) ([]*Slipway, error) {
	if _, err := s.repository(); err != nil {
		return nil, err
	}
	tree, err := s.tree(ctx)
	if err != nil {
		return nil, err
	}
	var packages []string
	if s.Package != "" {
		packages = append([]string{s.Package}, s.Beside...)
	} else {
		p, err := s.supported(ctx, "")
		if err != nil {
			return nil, err
		}
		target := s.buildsFor(p)
		target.Cgo = true
		for _, dir := range tree.Mains(s.Dir, target) {
			packages = append(packages, below(s.Dir, dir))
		}
	}
	if len(packages) == 0 {
		return nil, s.noMain(tree)
	}
	var all []*Slipway
	of := map[string]string{} // repository to package
	for _, pkg := range packages {
		one := *s
		one.Package, one.Beside, one.image = pkg, nil, nil
		dir, err := one.mainPackage(ctx)
		if err != nil {
			return nil, err
		}
		name := tree.ProgramName(dir)
		one.Repository += "/" + strings.ToLower(name)
		if _, err := one.repository(); err != nil {
			return nil, fmt.Errorf("--each: the program of %s is called %s, which no repository can be: rename the package's directory", pkg, name)
		}
		if other := of[one.Repository]; other != "" {
			return nil, fmt.Errorf("--each: %s and %s would both be %s: rename a directory, or choose with --package", other, pkg, one.Repository)
		}
		of[one.Repository] = pkg
		all = append(all, &one)
	}
	return all, nil
}

// publishEach publishes an image of each program and returns their addresses, one a line. It pushes
// nothing until all are built and the registry would take them.
func (s *Slipway) publishEach(ctx context.Context, tag []string, attach bool) (string, error) {
	all, err := s.each(ctx)
	if err != nil {
		return "", err
	}
	to := make([]destination, len(all))
	for i, one := range all {
		if to[i], err = one.pushing(ctx, tag, attach); err != nil {
			return "", err
		}
	}
	indexes, digests := make([]v1.ImageIndex, len(all)), make([]v1.Hash, len(all))
	var builds errgroup.Group
	builds.SetLimit(2) // each has several platforms
	for i, one := range all {
		builds.Go(func() (err error) {
			if indexes[i], digests[i], err = one.index(ctx); err != nil {
				err = fmt.Errorf("%s: %w", one.Package, err)
			}
			return err
		})
	}
	if err := builds.Wait(); err != nil {
		return "", err
	}
	var addresses []string
	for i, one := range all {
		address, err := one.push(ctx, to[i], indexes[i], digests[i])
		if err != nil {
			return "", err
		}
		addresses = append(addresses, address)
	}
	return strings.Join(addresses, "\n"), nil
}
