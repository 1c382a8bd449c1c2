package main

import (
	"context"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const (
	linterVersion = "2.15.0"
	linterTag     = "v" + linterVersion + "-alpine"
)

var linterProgram = &Step{
	Name:   "golangci-lint",
	About:  "golangci-lint",
	Inputs: []string{linterVersion, goVersion, arch},
	Files:  []string{"gobuild.go", "golangci-lint"},
	Build: func(ctx context.Context, b *Build) error {
		return goBuild(ctx, b, goVersion, "golangci-lint", "tool", "-X main.version="+linterVersion)
	},
}

// The public image has a Go toolchain beside the linter; who takes the linter alone misses nothing.
var linterImage = &Step{
	Name:  "golangci-lint-image",
	About: "image golangci-lint:" + linterTag,
	Files: []string{"linter.go", "images.go", "layers.go"},
	Deps:  []*Step{linterProgram},
	Build: func(_ context.Context, b *Build) error {
		layer := filepath.Join(b.Dir, "layer.tar")
		err := writeTar(layer, func(w *tarWriter) error {
			return w.tree("usr/bin/golangci-lint", filepath.Join(b.Part(linterProgram), "golangci-lint"))
		})
		if err != nil {
			return err
		}
		return writeImage(b, v1.Config{Cmd: []string{"golangci-lint"}}, layer)
	},
}
