package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

const (
	goVersion      = "1.26.8"
	daggerVersion  = "0.21.8"
	kubectlVersion = "1.36.3"

	// daggerGoVersion is the Go of Dagger's release, as far as its go.mod tells. Its SDK refuses a
	// module whose go.mod wants a newer one, so the lab's must not have a newer one either.
	daggerGoVersion = "1.26.1"
)

// goToolchain is a Go release to run, such as go1.26.8, or the local one. Go fetches as a module what the machine
// has not.
func goToolchain(name string) []string {
	return []string{"GOTOOLCHAIN=" + name, "GOFLAGS=-buildvcs=false", "GOWORK=off"}
}

// The programs of the Dagger release, from its Go module. go.sum is complete, so no checksum
// database is asked; some of Dagger's modules are in none.
var daggerPrograms = &Step{
	Name:   "dagger",
	About:  "Dagger engine and CLI",
	Inputs: []string{daggerVersion, daggerGoVersion, arch},
	Files:  []string{"gobuild.go", "engine"},
	Build: func(ctx context.Context, b *Build) error {
		const engine = "github.com/dagger/dagger/engine"
		err := goBuild(ctx, b, daggerGoVersion, "engine", "tool", fmt.Sprintf("-X %[1]s.Version=v%[2]s -X %[1]s.Tag=v%[2]s", engine, daggerVersion))
		if err != nil {
			return err
		}
		// Only the CLI is for the user's PATH; the others have names like init.
		if err := os.Mkdir(filepath.Join(b.Dir, "bin"), 0o755); err != nil {
			return err
		}
		return os.Rename(filepath.Join(b.Dir, "dagger"), filepath.Join(b.Dir, "bin", "dagger"))
	},
}

var kubectlProgram = &Step{
	Name:   "kubectl",
	About:  "kubectl",
	Inputs: []string{kubectlVersion, goVersion, arch},
	Files:  []string{"gobuild.go", "kubectl"},
	Build: func(ctx context.Context, b *Build) error {
		const version = "k8s.io/component-base/version"
		return goBuild(ctx, b, goVersion, "kubectl", ".", fmt.Sprintf("-X %[1]s.gitVersion=v%[2]s -X %[1]s.gitMajor=1 -X %[1]s.gitTreeState=archive", version, kubectlVersion))
	},
}

func goBuild(ctx context.Context, b *Build, version, module, packages, stamp string) error {
	root, err := goRoot(ctx, b, version)
	if err != nil {
		return err
	}
	return command{
		// With the checksum database off, GOTOOLCHAIN takes no release but the machine's own.
		Args: []string{filepath.Join(root, "bin", "go"), "build", "-trimpath", "-ldflags", "-s -w " + stamp, "-o", b.Dir + "/", packages},
		Dir:  filepath.Join(b.Source, module),
		Env:  append(goToolchain("local"), "GOROOT=", "CGO_ENABLED=0", "GOSUMDB=off"),
		Log:  b.Log,
	}.Run(ctx)
}

// goRoot is the directory of a Go release.
func goRoot(ctx context.Context, b *Build, version string) (string, error) {
	root, err := command{Args: []string{"go", "env", "GOROOT"}, Env: goToolchain("go" + version), Log: b.Log}.output(ctx)
	if err != nil {
		return "", fmt.Errorf("Go %s, which Go fetches as a module where the machine has another release, from a module proxy "+
			"and with a checksum database: %w", version, err)
	}
	if _, err := os.Stat(filepath.Join(root, "bin", "go")); err != nil {
		return "", fmt.Errorf("Go %s: %w", version, err)
	}
	return root, nil
}
