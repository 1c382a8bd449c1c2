package main

import (
	"context"
	"strings"
)

// golangciLint runs from its Go module, so that it is built by the very
// toolchain whose code it reads.
const golangciLint = "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0"

// Lint the whole Go module with golangci-lint.
//
// It heeds the .golangci.yml beside go.mod, if there is one, and returns the
// report. The first run compiles golangci-lint, which takes minutes; later runs
// reuse it.
//
//	dagger call lint
//
// +check
func (s *Slipway) Lint(ctx context.Context) (string, error) {
	linter := s.golang(helperCaches).
		// Without cgo it cannot load the plugins that a .golangci.yml may name.
		WithEnvVariable("CGO_ENABLED", "0").
		WithEnvVariable("GOBIN", "/usr/local/bin").
		WithExec([]string{"go", "install", golangciLint}).
		File("/usr/local/bin/golangci-lint")
	code, err := s.packages(ctx)
	if err != nil {
		return "", err
	}
	workspace, err := s.workspace(ctx, lintCaches, code)
	if err != nil {
		return "", err
	}
	out, err := workspace.
		// All of it: its configuration may be anywhere above.
		WithMountedDirectory("/src", code.all).
		WithMountedFile("/usr/local/bin/golangci-lint", linter).
		WithMountedCache("/root/.cache/golangci-lint", dag.CacheVolume("slipway-golangci-lint")).
		WithExec(append([]string{"golangci-lint", "run", "--build-tags", strings.Join(s.Tags, ",")}, code.patterns...)).
		Stdout(ctx)
	return out, execCause(err)
}
