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
)

// goToolchain is what everything here is compiled with and what the golang image holds, whatever
// Go the machine has: Go fetches it as a module when it is another one.
func goToolchain(b *Build) []string {
	return []string{"GOTOOLCHAIN=go" + goVersion, "GOFLAGS=-buildvcs=false", "GOWORK=off"}
}

// The programs of the Dagger release, from its Go module. go.sum is complete, so no checksum
// database is asked; some of Dagger's modules are in none.
var daggerPrograms = &Step{
	Name:   "dagger",
	About:  "Dagger engine and CLI",
	Inputs: []string{daggerVersion, goVersion, arch},
	Files:  []string{"gobuild.go", "engine"},
	Build: func(ctx context.Context, b *Build) error {
		const engine = "github.com/dagger/dagger/engine"
		err := goBuild(ctx, b, "engine", "tool", fmt.Sprintf("-X %[1]s.Version=v%[2]s -X %[1]s.Tag=v%[2]s", engine, daggerVersion))
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
		return goBuild(ctx, b, "kubectl", ".", fmt.Sprintf("-X %[1]s.gitVersion=v%[2]s -X %[1]s.gitMajor=1 -X %[1]s.gitTreeState=archive", version, kubectlVersion))
	},
}

func goBuild(ctx context.Context, b *Build, module, packages, stamp string) error {
	return command{
		Args: []string{"go", "build", "-trimpath", "-ldflags", "-s -w " + stamp, "-o", b.Dir + "/", packages},
		Dir:  filepath.Join(b.Source, module),
		Env:  append(goToolchain(b), "CGO_ENABLED=0", "GOSUMDB=off"),
		Log:  b.Log,
	}.Run(ctx)
}

// goRoot is the directory of the Go release the lab uses.
func goRoot(ctx context.Context, b *Build) (string, error) {
	root, err := command{Args: []string{"go", "env", "GOROOT"}, Env: goToolchain(b), Log: b.Log}.output(ctx)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(root, "bin", "go")); err != nil {
		return "", fmt.Errorf("Go %s: %w", goVersion, err)
	}
	return root, nil
}
