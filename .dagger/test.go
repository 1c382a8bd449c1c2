package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/needs"
)

// Run the unit tests and then the smoke tests.
//
// Returns both reports and fails with what the failing part says: see unit and smoke, which can also
// be called alone.
//
//	dagger call test
func (s *Slipway) Test(ctx context.Context) (string, error) {
	unit, err := s.Unit(ctx)
	if err != nil {
		return "", err
	}
	smoke, err := s.Smoke(ctx)
	if err != nil {
		return "", err
	}
	return unit + "\n" + smoke, nil
}

// Run the Go tests of the whole module.
//
// With the race detector, in shuffled order and with coverage; returns what go
// test says. If a package does not compile or go vet objects to it, that is the
// error, and no test runs.
//
// The tests are compiled in one container and run in another: as user 65532, who
// may write to the source, $HOME and $TMPDIR, and without any of the caches that
// builds and later tests read. A test that calls the go tool finds it, but no
// module in its cache. They have the environment, secrets and services that the
// service's smoke.yaml says it needs.
//
// Tests may use the network: they reach what any container of the engine reaches, and
// have no credentials for it. Of what one program prints 1 MiB is kept; control
// characters are shown as \x1b, and commands to CI systems have no effect.
//
//	dagger call unit
//
// +check
func (s *Slipway) Unit(ctx context.Context) (string, error) {
	code, err := s.packages(ctx)
	if err != nil {
		return "", err
	}
	workspace, err := s.workspace(ctx, testCaches, code)
	if err != nil {
		return "", err
	}
	helper := s.helper("unit")
	compiled := s.shown(workspace.
		WithMountedFile("/unit", helper).
		WithDirectory("/tests", dag.Directory()),
		slices.Concat([]string{
			"go", "test", "-exec", "/unit record /tests", "-race", "-shuffle=on", "-cover", "-tags", strings.Join(s.Tags, ","),
		}, code.patterns)...)
	report, err := compiled.Stdout(ctx)
	if err != nil {
		return "", s.goCause(ctx, notCompiled(err), code, nil)
	}
	home := dag.Directory().WithNewDirectory("tmp", dagger.DirectoryWithNewDirectoryOpts{Permissions: 0o700})
	owned := dagger.ContainerWithMountedDirectoryOpts{Owner: user + ":" + user}
	var n needs.Needs
	if _, noService := s.mainPackage(ctx); noService == nil { // A module of packages alone has tests too.
		if n, _, err = s.smokeYAML(ctx); err != nil {
			return "", err
		}
	}
	tests, err := s.withNeeds(ctx, dag.Container().From(s.GoImage), n, "unit")
	if err != nil {
		return "", err
	}
	out, err := tests.
		WithEnvVariable("GOTOOLCHAIN", "local").
		WithNewFile("/etc/passwd", passwd).
		WithNewFile("/etc/group", group).
		WithMountedDirectory("/home/nonroot", home, owned).
		WithEnvVariable("HOME", "/home/nonroot").
		WithEnvVariable("TMPDIR", "/home/nonroot/tmp").
		// All of it: a test may read any file of the source.
		WithMountedDirectory("/src", code.all, owned).
		WithMountedDirectory("/tests", compiled.Directory("/tests")).
		WithMountedFile("/unit", helper).
		WithNewFile("/report", report).
		WithUser(user + ":" + user).
		WithWorkdir("/src").
		WithExec([]string{"/unit", "replay", "/tests", "/report"}).
		Stdout(ctx)
	return out, execCause(err)
}

// notCompiled is what go test says of packages that it could not compile, without
// the others, which it calls ok although they have only been recorded.
func notCompiled(err error) error {
	var exec *dagger.ExecError
	if !errors.As(err, &exec) {
		return err
	}
	var said strings.Builder
	for line := range strings.Lines(execCause(err).Error()) {
		if !strings.HasPrefix(line, "ok  \t") {
			said.WriteString(line)
		}
	}
	return errors.New(said.String())
}
