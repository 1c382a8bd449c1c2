package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/gosource"
	"dagger/slipway/internal/platform"
)

// beside is what an image has beside the service's own program.
type beside struct {
	programs []*Slipway        // other main packages, with the settings to compile each
	assets   *dagger.Directory // nil if there are none
	at       string            // where the assets are
}

// occupied are directories of the image, of whose names no program can be.
var occupied = []string{"dev", "etc", "home", "proc", "sys", "tmp"}

// beside finds it, and refuses what could not be in one image.
func (s *Slipway) beside(ctx context.Context) (beside, error) {
	names, err := s.programNames(ctx)
	if err != nil {
		return beside{}, err
	}
	n, _, err := s.smokeYAML(ctx)
	if err != nil {
		return beside{}, err
	}
	b := beside{programs: s.programs()[1:], at: filesDir}
	if slices.Contains(names, strings.TrimPrefix(filesDir, "/")) {
		b.at = otherFilesDir
	}
	b.assets, err = s.assets(ctx, n)
	return b, err
}

// put adds it to an image.
func (b beside) put(ctx context.Context, ctr *dagger.Container, p platform.Platform) (*dagger.Container, error) {
	for _, program := range b.programs {
		bin, _, err := program.compile(ctx, p)
		if err != nil {
			return nil, err
		}
		name, err := bin.Name(ctx)
		if err != nil {
			return nil, err
		}
		ctr = ctr.WithFile("/"+name, bin, dagger.ContainerWithFileOpts{Permissions: 0o555})
	}
	if b.assets != nil {
		ctr = ctr.WithDirectory(b.at, b.assets).WithWorkdir(b.at)
	}
	return ctr, nil
}

// programs are the settings for each program of the image, the service's own first.
func (s *Slipway) programs() []*Slipway {
	all := []*Slipway{s}
	for _, pkg := range s.Beside {
		other := *s
		other.Package, other.Beside, other.image = pkg, nil, s
		all = append(all, &other)
	}
	return all
}

// allPrograms is what is read to build all of them.
func (s *Slipway) allPrograms(ctx context.Context, target gosource.Target) (code, error) {
	tree, err := s.tree(ctx)
	if err != nil {
		return code{}, err
	}
	module, err := s.module(ctx)
	if err != nil {
		return code{}, err
	}
	var dirs, patterns []string
	for _, program := range s.programs() {
		dir, err := program.mainPackage(ctx)
		if err != nil {
			return code{}, err
		}
		dirs, patterns = append(dirs, dir), append(patterns, below(module, dir))
	}
	used, err := tree.Programs(dirs, target)
	if err != nil {
		return code{}, err
	}
	return s.code(ctx, tree, module, patterns, used)
}

// programNames are the names of the image's programs, as go build gives them.
func (s *Slipway) programNames(ctx context.Context) ([]string, error) {
	tree, err := s.tree(ctx)
	if err != nil {
		return nil, err
	}
	service, err := s.module(ctx)
	if err != nil {
		return nil, err
	}
	var names, dirs []string
	for _, program := range s.programs() {
		dir, err := program.mainPackage(ctx)
		if err != nil {
			return nil, err
		}
		name := tree.ProgramName(dir)
		if module, _ := tree.Module(dir); module != service {
			return nil, fmt.Errorf("--package: %s is not of the module of %s, and an image has the programs of one module: build it for itself",
				program.Package, s.Package)
		}
		if i := slices.Index(names, name); i >= 0 {
			return nil, fmt.Errorf("--package: ./%s and ./%s are both called %s, which only one file of the image can be: "+
				"rename a directory, or make an image of each", dirs[i], dir, name)
		}
		if slices.Contains(occupied, name) {
			return nil, fmt.Errorf("the program of ./%s would be /%s, which is a directory of the image: rename the package's directory", dir, name)
		}
		names, dirs = append(names, name), append(dirs, dir)
	}
	return names, nil
}

// parsePackages are the directories that --package gives: the service's and those beside it.
func parsePackages(given []string) (service string, beside []string, err error) {
	var all []string
	for _, dir := range given {
		pkg := path.Clean(dir)
		if dir == "" || !fs.ValidPath(pkg) || strings.Contains(pkg, "...") {
			return "", nil, fmt.Errorf("--package %q is not a directory inside the source: give one like ./cmd/api", dir)
		}
		if pkg = "./" + pkg; slices.Contains(all, pkg) {
			return "", nil, errors.New("--package has " + pkg + " twice")
		}
		all = append(all, pkg)
	}
	if len(all) == 0 {
		return "", nil, nil
	}
	return all[0], all[1:], nil
}

// packageSetting is --package as it is given in a file, "" if it need not be.
func (s *Slipway) packageSetting() string {
	if s.Package == "" {
		return ""
	}
	dirs := []string{path.Clean(s.Package)}
	for _, dir := range s.Beside {
		dirs = append(dirs, path.Clean(dir))
	}
	return strings.Join(dirs, ",")
}
