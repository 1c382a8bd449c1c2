package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/goerror"
	"dagger/slipway/internal/needs"
)

// Run the unit tests and the smoke tests.
//
// Both run at once. Returns both reports and fails with what the failing part says, the unit tests
// first: see unit and smoke, which can also be called alone.
//
//	dagger call test
func (s *Slipway) Test(ctx context.Context) (string, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop() // what does not compile is said once
	var smoke string
	var smoked errgroup.Group
	smoked.Go(func() (err error) {
		smoke, err = s.Smoke(ctx)
		return err
	})
	unit, err := s.Unit(ctx, "")
	if err != nil {
		return "", err
	}
	if err := smoked.Wait(); err != nil {
		return "", err
	}
	return unit + "\n" + smoke, nil
}

// Run the Go tests of the module, or of all modules of a workspace.
//
// All of a workspace are tested from the directory of its go.work; from elsewhere, or
// without a go.work, the module is.
//
// With the race detector, in shuffled order and with coverage; returns what go
// test says. If a package does not compile or go vet objects to it, that is the
// error, and no test runs. Where the race detector is not to be had, as for want of a C
// compiler in the Go image, the tests run without it, and a last line says so.
//
// Each test stands in Dagger's own views, of a terminal and of a browser, with its
// time and what became of it.
//
// The tests are compiled in one container and run in another: as user 65532, who
// may write to the source, $HOME and $TMPDIR, and without any of the caches that
// builds and later tests read. A test that calls the go tool finds it, but no
// module in its cache. They have the environment, secrets and services that the
// service's smoke.yaml says it needs.
//
// Tests may use the network: they reach what any container of the engine reaches, and
// have no credentials for it. Of what one program prints 1 MiB is kept, of one test
// 256 KiB; control characters are shown as \x1b, and commands to CI systems have no effect.
//
//	dagger call unit --run TestParse/empty
//
// +check
func (s *Slipway) Unit(
	ctx context.Context,
	// Run only the tests whose name matches this regular expression, with one for each level of
	// subtests, as go test -run takes it. Default: all. It is an error if no test matches.
	//
	// +optional
	run string,
) (string, error) {
	if _, err := regexp.Compile(run); err != nil {
		return "", fmt.Errorf("--run %s: %w", run, err)
	}
	tests, race, err := s.tests(ctx, run)
	if err != nil {
		return "", err
	}
	out, err := tests.Stdout(ctx)
	if err != nil {
		return "", execCause(err)
	}
	return out + race, nil
}

// Measure which statements the unit tests reach.
//
// Returns a profile as go tool cover reads it, of all packages that unit tests, those
// without tests too. Each package is measured by its own tests. Fails as unit does, whose
// run it is: together they compile and test once.
//
//	dagger call coverage export --path cover.out && go tool cover -func cover.out
func (s *Slipway) Coverage(ctx context.Context) (*dagger.File, error) {
	tests, _, err := s.tests(ctx, "")
	if err != nil {
		return nil, err
	}
	if tests, err = tests.Sync(ctx); err != nil {
		return nil, execCause(err)
	}
	return tests.File("/coverage/cover.out"), nil
}

// tests is the container that has run the tests, and a line that says why the race detector
// was not there, "" if it was.
func (s *Slipway) tests(ctx context.Context, run string) (*dagger.Container, string, error) {
	code, err := s.packages(ctx)
	if err != nil {
		return nil, "", err
	}
	workspace, err := s.workspace(ctx, testCaches, code)
	if err != nil {
		return nil, "", err
	}
	race, without, err := s.race(ctx)
	if err != nil {
		return nil, "", err
	}
	helper := s.helper("unit")
	compiled := s.shown(workspace.
		WithMountedFile("/unit", helper).
		WithDirectory("/tests", dag.Directory()),
		slices.Concat([]string{
			"go", "test", "-exec", "/unit record /tests", "-shuffle=on", "-cover", "-coverprofile", "/tests/.coverage",
			"-tags", strings.Join(s.Tags, ","),
		}, race, code.patterns)...)
	report, err := compiled.Stdout(ctx)
	if err != nil {
		return nil, "", s.goCause(ctx, notCompiled(err), code, nil)
	}
	home := dag.Directory().WithNewDirectory("tmp", dagger.DirectoryWithNewDirectoryOpts{Permissions: 0o700})
	owned := dagger.ContainerWithMountedDirectoryOpts{Owner: user + ":" + user}
	var n needs.Needs
	if _, noService := s.mainPackage(ctx); noService == nil { // A module of packages alone has tests too.
		if n, _, err = s.smokeYAML(ctx); err != nil {
			return nil, "", err
		}
	}
	tests, err := s.withNeeds(ctx, dag.Container().From(s.GoImage), n, "unit")
	if err != nil {
		return nil, "", err
	}
	return tests.
		WithEnvVariable("GOTOOLCHAIN", "local").
		WithNewFile("/etc/passwd", passwd).
		WithNewFile("/etc/group", group).
		WithMountedDirectory("/home/nonroot", home, owned).
		WithEnvVariable("HOME", "/home/nonroot").
		WithEnvVariable("TMPDIR", "/home/nonroot/tmp").
		// All of it: a test may read any file of the source.
		WithMountedDirectory("/src", code.all, owned).
		WithMountedDirectory("/tests", compiled.Directory("/tests")).
		WithDirectory("/coverage", dag.Directory(), dagger.ContainerWithDirectoryOpts{Owner: user + ":" + user}).
		WithMountedFile("/unit", helper).
		WithNewFile("/report", report).
		WithUser(user+":"+user).
		WithWorkdir("/src").
		WithExec([]string{
			"/unit", "replay", "-run", run, "-secrets", strings.Join(n.Secrets, ","), "-coverage", "/coverage/cover.out",
			"/tests", "/report",
		}, first), without, nil
}

// race is the argument by which go test has the race detector, or the reason why the Go
// image has none.
func (s *Slipway) race(ctx context.Context) (args []string, without string, err error) {
	asked := s.toolchain().
		WithExec([]string{"go", "list", "-race", "runtime"}, dagger.ContainerWithExecOpts{Expect: dagger.ReturnTypeAny})
	code, err := asked.ExitCode(ctx)
	if err != nil {
		return nil, "", err
	}
	if code == 0 {
		return []string{"-race"}, "", nil
	}
	said, err := asked.Stderr(ctx)
	if err != nil {
		return nil, "", err
	}
	return nil, "tested without the race detector: " + goerror.NoRace(said, s.GoImage) + "\n", nil
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
