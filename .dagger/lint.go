package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/golangci"
)

const (
	// golangciLint is compiled where the one in the image is too old for the toolchain.
	golangciLint = "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0"
	// linterPath is where the image has it.
	linterPath = "/usr/bin/golangci-lint"
)

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
// report. The linter is the one in --lint-image. It reads no code for a Go release
// newer than its own: where the Go image has one, it is compiled, which takes minutes, once.
//
// The program is compiled first, since the linter reads what was compiled of it. So the code is read as build compiles it,
// with the same tags; a module that has C is read with C, and so is one that works only with C.
//
// The report is text and goes nowhere else: output.formats of the configuration is
// passed over, so is issues.fix, and so are issues.new and its like, as there is no
// history to compare with. Plugins (linters.settings.custom) are refused.
//
//	dagger call lint
//
// +check
func (s *Slipway) Lint(ctx context.Context) (string, error) {
	linter, note, err := s.linter(ctx)
	if err != nil {
		return "", err
	}
	code, err := s.packages(ctx)
	if err != nil {
		return "", err
	}
	workspace, err := s.workspace(ctx, lintCaches, code)
	if err != nil {
		return "", err
	}
	if workspace, err = s.asBuilt(ctx, workspace, code); err != nil {
		return "", err
	}
	args := slices.Concat([]string{"golangci-lint", "run", "--build-tags", plainTags(s.buildTags()...)}, noFiles, code.patterns)
	out, err := s.shown(workspace.
		// All of it: its configuration may be anywhere above.
		WithMountedDirectory("/src", code.all).
		WithMountedFile("/usr/local/bin/golangci-lint", linter).
		WithMountedCache("/root/.cache/golangci-lint", dag.CacheVolume("slipway-golangci-lint-"+code.source)),
		args...).
		Stdout(ctx)
	if err != nil {
		return "", execCause(err)
	}
	return out + note, nil
}

// asBuilt has the linter ask go for packages that are compiled as the build compiles them, and has its cache begin with a
// copy of what that has compiled, which is most of what the linter needs. Nothing goes the other way.
func (s *Slipway) asBuilt(ctx context.Context, workspace *dagger.Container, code code) (*dagger.Container, error) {
	// Some linters ask go by themselves, with no flags but these.
	flags := append([]string{code.goFlags()}, plainFlags(s.buildTags()...)...)
	workspace = workspace.WithEnvVariable("GOFLAGS", strings.Join(flags, " "))
	p, err := s.supported(ctx, "")
	if err != nil {
		return nil, err
	}
	if code.used.C && !s.withCgo() { // It is linted with C all the same.
		return workspace, nil
	}
	if s.Cgo == nil {
		modules, err := s.modules(ctx, lintCaches, code)
		if err != nil {
			return nil, err
		}
		foreign, err := s.foreignCgo(ctx, modules, code.used.Imports, p)
		if err != nil || len(foreign.only) > 0 {
			return workspace, err
		}
	}
	workspace = s.forPlatform(workspace, p)
	build, err := s.goBuild(ctx, p)
	if err != nil || s.fetch().Any() {
		return workspace, nil // there is no program, or no cache that is the same for everybody
	}
	// The same step as build's, which runs once for both.
	_, err = quietly(build.ctr, build.args...).Sync(ctx)
	if failed := (*dagger.ExecError)(nil); errors.As(err, &failed) {
		return workspace, nil // the linter says what does not compile
	}
	if err != nil {
		return nil, err
	}
	modules, err := code.files(ctx, code.modules) // for each list of modules a copy of its own
	if err != nil {
		return nil, err
	}
	copied := s.toolchain().
		With(s.compiled(s.programCaches().of(build.code), "")).
		WithMountedDirectory("/src", modules).
		WithDirectory("/copied", dag.Directory()).
		// What is not copied, the linter has go compile.
		WithExec(silent("/dev/null", "cp", "-a", buildCache+"/.", "/copied"), dagger.ContainerWithExecOpts{Expect: dagger.ReturnTypeAny}).
		Directory("/copied")
	return workspace.WithMountedCache(buildCache, lintCaches.of(code).volume(""), dagger.ContainerWithMountedCacheOpts{Source: copied}), nil
}

// linter is golangci-lint, built with a Go release that is no older than the toolchain's, and a
// line that says so if it is not the image's.
func (s *Slipway) linter(ctx context.Context) (linter *dagger.File, note string, err error) {
	linter = dag.Container().From(s.LintImage).File(linterPath)
	releases, err := dag.Container().From(s.GoImage).
		WithMountedFile("/golangci-lint", linter).
		WithExec([]string{"sh", "-c", "go env GOVERSION && go version /golangci-lint && /golangci-lint version >/dev/null"}).
		Stdout(ctx)
	reads := false
	if err == nil {
		reads, err = golangci.Reads(releases)
	}
	if err != nil {
		// Not wrapped: Dagger would print the cause alone.
		return nil, "", fmt.Errorf("cannot take golangci-lint from --lint-image %s and run it in --go-image %s: %v",
			s.LintImage, s.GoImage, execCause(err))
	}
	if reads {
		return linter, "", nil
	}
	_, version, _ := strings.Cut(golangciLint, "@")
	return s.tool(golangciLint), "linted with golangci-lint " + version + ", as that of --lint-image reads no Go as new as that of --go-image\n", nil
}
