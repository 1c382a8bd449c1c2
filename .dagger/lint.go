package main

import (
	"context"
	"slices"
	"strings"
)

// golangciLint runs from its Go module, so that it is built by the very
// toolchain whose code it reads.
const golangciLint = "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0"

// noFiles are flags of golangci-lint by which a source's configuration neither has it write
// files, in whose place another source's could be, nor gives arguments to git. They win over
// the configuration.
var noFiles = []string{
	"--fix=false",
	"--new=false", "--new-from-rev=", "--new-from-patch=", "--new-from-merge-base=",
	"--output.text.path=stdout", "--output.text.colors=false",
	"--output.json.path=", "--output.tab.path=", "--output.html.path=", "--output.checkstyle.path=", "--output.code-climate.path=",
	"--output.junit-xml.path=", "--output.teamcity.path=", "--output.sarif.path=",
}

// Lint the whole Go module with golangci-lint.
//
// It heeds the .golangci.yml beside go.mod, if there is one, and returns the
// report. The first run compiles golangci-lint, which takes minutes; later runs
// reuse it.
//
// The report is text and goes nowhere else: output.formats of the configuration is
// passed over, so is issues.fix, and so are issues.new and its like, as there is no
// history to compare with. Plugins (linters.settings.custom) are refused.
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
	args := slices.Concat([]string{"golangci-lint", "run", "--build-tags", strings.Join(s.Tags, ",")}, noFiles, code.patterns)
	out, err := s.shown(workspace.
		// All of it: its configuration may be anywhere above.
		WithMountedDirectory("/src", code.all).
		WithMountedFile("/usr/local/bin/golangci-lint", linter).
		WithMountedCache("/root/.cache/golangci-lint", dag.CacheVolume("slipway-golangci-lint")),
		args...).
		Stdout(ctx)
	return out, execCause(err)
}
