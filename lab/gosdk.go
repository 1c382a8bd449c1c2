package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const (
	// What the engine's Go SDK asks Go for: the commit its library was released from.
	goSDKLibrary = "dagger.io/dagger@56bb30426a8462af6f95cfdae6461d0cc796ff50"

	goProxyTree = "usr/local/share/goproxy" // in the Go SDK image; see gosdk/README.md
	moduleCache = "go/pkg/mod"
	buildCache  = "root/.cache/go-build"
)

// What generated code needs though no go.sum of a user's lists it. The image has these in its cache, as
// gosdk/_seed/go.sum pins them, so that no checksum database need be asked, which misses some now and then and
// which not every network reaches. All else is verified as Go does by itself.
var generatedModules = []string{
	"dagger.io/dagger", "github.com/dagger/otel-go", "github.com/dagger/querybuilder",
	"github.com/adrg/xdg", "github.com/mitchellh/go-homedir",
}

// Go's two caches, filled as the first load of a module would fill them. This is a step of its own
// so that it is made while the engine is still compiling.
var goSDKCaches = &Step{
	Name:   "go-sdk-caches",
	About:  "caches of the Go SDK image",
	Inputs: []string{goSDKLibrary},
	Files:  []string{"gosdk.go", "layers.go", "gosdk"},
	Deps:   []*Step{goSDKDebian, goSDKLayer},
	Build: func(ctx context.Context, b *Build) error {
		root := filepath.Join(b.Dir, "root")
		if err := os.Mkdir(root, 0o755); err != nil {
			return err
		}
		for _, s := range []*Step{goSDKDebian, goSDKLayer} {
			archive := filepath.Join(b.Part(s), "root.tar")
			if err := (command{Args: []string{"tar", "-C", root, "-xf", archive}, Log: b.Log}).Run(ctx); err != nil {
				return err
			}
		}
		release, err := goRoot(ctx, b, daggerGoVersion)
		if err != nil {
			return err
		}
		if err := fillModuleCache(ctx, b, filepath.Join(release, "bin", "go"), root); err != nil {
			return err
		}
		if err := fillBuildCache(ctx, b, root); err != nil {
			return err
		}
		err = writeTar(filepath.Join(b.Dir, "root.tar"), func(w *tarWriter) error {
			if err := w.tree(moduleCache, filepath.Join(root, moduleCache)); err != nil {
				return err
			}
			// Go drops what its build cache has not used for five days, by these times.
			w.time = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
			return w.tree(buildCache, filepath.Join(root, buildCache))
		})
		if err != nil {
			return err
		}
		return os.RemoveAll(root)
	},
}

// The image in which the engine generates and compiles Go modules. The SDK mounts cache volumes
// over both of Go's caches, and initialises them from what the image has there.
var goSDKImage = &Step{
	Name:  "go-sdk",
	About: "Go SDK image",
	Files: []string{"gosdk.go", "layers.go", "images.go", "gosdk/goproxy"},
	Deps:  []*Step{goSDKDebian, goSDKLayer, goSDKCaches, daggerPrograms},
	Build: func(ctx context.Context, b *Build) error {
		layer := filepath.Join(b.Dir, "layer.tar")
		err := writeTar(layer, func(w *tarWriter) error {
			if err := w.tree("usr/local/bin/codegen", filepath.Join(b.Part(daggerPrograms), "codegen")); err != nil {
				return err
			}
			return w.tree(goProxyTree, filepath.Join(b.Source, "gosdk", "goproxy"))
		})
		if err != nil {
			return err
		}
		var archives []string
		for _, s := range []*Step{goSDKDebian, goSDKLayer, goSDKCaches} {
			archives = append(archives, filepath.Join(b.Part(s), "root.tar"))
		}
		return writeImage(b, v1.Config{
			Env:        append([]string{"GONOSUMDB=" + strings.Join(generatedModules, ",")}, goEnvironment(daggerGoVersion)...),
			WorkingDir: "/go",
		}, append(archives, layer)...)
	},
}

// fillModuleCache runs what the code generator runs for a new module. It does so on the machine
// and not in the image, because the machine knows how to reach its module proxy.
func fillModuleCache(ctx context.Context, b *Build, program, root string) error {
	seed := filepath.Join(root, "tmp", "seed")
	if err := os.CopyFS(seed, os.DirFS(filepath.Join(b.Source, "gosdk", "_seed"))); err != nil {
		return err
	}
	run := func(dir string, env []string, args ...string) (string, error) {
		return command{Args: args, Dir: dir, Env: append(goToolchain("local"), env...), Log: b.Log}.output(ctx)
	}
	downloads, err := run("", nil, program, "env", "GOMODCACHE")
	if err != nil {
		return err
	}
	proxy, err := run("", nil, program, "env", "GOPROXY")
	if err != nil {
		return err
	}
	env := []string{
		"GOMODCACHE=" + filepath.Join(root, moduleCache),
		"GOPROXY=file://" + filepath.Join(b.Source, "gosdk", "goproxy") + ",file://" + downloads + "/cache/download," + proxy,
		"GOSUMDB=off", // go.sum is complete
		"GOROOT=",
	}
	pinned, err := os.ReadFile(filepath.Join(seed, "go.sum"))
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{program, "get", goSDKLibrary},
		{program, "mod", "tidy"},
	} {
		if _, err := run(seed, env, args...); err != nil {
			return err
		}
		if err := nothingBeyond(string(pinned), filepath.Join(seed, "go.sum")); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(args, " "), err)
		}
	}
	// Unpacked modules do without their archives.
	archives, err := filepath.Glob(filepath.Join(root, moduleCache, "cache/download/*/*/*/@v/*.zip"))
	if err != nil {
		return err
	}
	for _, archive := range archives {
		if err := os.Remove(archive); err != nil {
			return err
		}
	}
	return nil
}

// nothingBeyond fails if Go has added to go.sum what nobody has pinned.
func nothingBeyond(pinned, path string) error {
	now, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	lines := strings.Split(pinned, "\n")
	for line := range strings.Lines(string(now)) {
		if line = strings.TrimSuffix(line, "\n"); !slices.Contains(lines, line) {
			return fmt.Errorf("gosdk/_seed/go.sum does not pin %q: see gosdk/README.md", line)
		}
	}
	return nil
}

// fillBuildCache compiles in the image's own root, since the cache's keys cover compiler and paths.
func fillBuildCache(ctx context.Context, b *Build, root string) error {
	// Go finds its root by itself only where /proc is mounted.
	env := append([]string{"HOME=/root", "TMPDIR=", "XDG_CACHE_HOME=", "GOROOT=/usr/local/go", "GOPROXY=off", "GOFLAGS=", "GOCACHE=", "GOMODCACHE=", "CGO_ENABLED="}, goEnvironment(daggerGoVersion)...)
	return command{
		Args: []string{"/bin/sh", "-euc", `cd /tmp/seed && go build std && go build -ldflags '-s -w' -o /tmp/seed/seed .`},
		Env:  env,
		Root: root,
		Dir:  "/",
		Log:  b.Log,
	}.Run(ctx)
}
