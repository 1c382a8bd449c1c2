package main

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"dagger/slipway/internal/dagger"
)

// smokePort is where the helper beside the service reports on it.
const smokePort = 61234

// Ask the running container the questions of smoke.yaml.
//
// Compares status, headers and body of each answer of the container that build
// returns, bound as a service. With drain: true it then sends SIGTERM and expects
// the request in flight to be answered and exit status 0.
//
// The questions stand in smoke.yaml in the package's directory, together with what
// the service needs: environment, services such as a database, and what must run
// before. docs/smoke.md lists its fields. Without that file, GET / must answer with a
// status below 500. Returns one line per request.
//
// A failure shows the service's last log lines and, at the very end, each
// request with what was expected and what came.
//
//	dagger call smoke
//
// +check
func (s *Slipway) Smoke(ctx context.Context) (string, error) {
	n, questions, err := s.smokeYAML(ctx)
	if err != nil {
		return "", err
	}
	port, err := s.port(ctx)
	if err != nil {
		return "", err
	}
	ctr, err := s.running(ctx, "smoke")
	if err != nil {
		return "", err
	}
	service, err := s.watched(ctx, ctr, port)
	if err != nil {
		return "", err
	}
	out, err := dag.Container().
		WithFile("/smoke", s.helper("smoke")).
		WithNewFile("/questions.json", questions).
		WithServiceBinding("service", service).
		WithExec([]string{
			"/smoke", "ask",
			fmt.Sprintf("http://service:%d", port),
			fmt.Sprintf("http://service:%d", smokePort),
			n.StartLimit().String(),
			"/questions.json",
		}).
		Stdout(ctx)
	if err != nil {
		return "", fmt.Errorf("the service does not answer as it should:\n%w", execCause(err))
	}
	if questions == smokeDefault {
		out += "nothing else was asked: there is no " + smokeFile + " beside the main package, or it has no questions\n"
	}
	return out, nil
}

// watched runs a container's program, which is to listen on a port, beside a helper that
// reports on it.
func (s *Slipway) watched(ctx context.Context, ctr *dagger.Container, port int) (*dagger.Service, error) {
	command, err := commandOf(ctx, ctr)
	if err != nil {
		return nil, err
	}
	return ctr.
		// The helper reports a service that never listens; Dagger would wait for it.
		WithExposedPort(port, dagger.ContainerWithExposedPortOpts{ExperimentalSkipHealthcheck: true}).
		WithExposedPort(smokePort).
		WithMountedFile("/slipway-smoke", s.helper("smoke")).
		AsService(dagger.ContainerAsServiceOpts{
			Args:   slices.Concat([]string{"/slipway-smoke", "run", ":" + strconv.Itoa(smokePort)}, command),
			NoInit: true,
		}), nil
}

// tool compiles a program of somebody else's, named as MODULE/PATH@VERSION.
func (s *Slipway) tool(program string) *dagger.File {
	name, _, _ := strings.Cut(path.Base(program), "@")
	return s.golang(helperCaches).
		// Without cgo golangci-lint cannot load the plugins that a .golangci.yml may name.
		WithEnvVariable("CGO_ENABLED", "0").
		WithEnvVariable("GOBIN", "/usr/local/bin").
		WithExec(slices.Concat([]string{"go", "install"}, plainFlags(), []string{program})).
		File("/usr/local/bin/" + name)
}

// helper compiles one of the programs that work inside containers, in place of
// the shell scripts that these containers have no shell for.
func (s *Slipway) helper(name string) *dagger.File {
	// An edit of a test compiles nothing.
	source := dag.Directory().WithDirectory("/", dag.CurrentModule().Source().Directory("helpers"),
		dagger.DirectoryWithDirectoryOpts{Exclude: []string{"**/*_test.go", "**/testdata"}})
	return s.golang(helperCaches).
		WithMountedDirectory("/src", source).
		WithEnvVariable("CGO_ENABLED", "0").
		WithExec(slices.Concat([]string{"go", "build"}, plainFlags(), []string{"-ldflags", "-s -w", "-o", "/out/", "./cmd/" + name})).
		File("/out/" + name)
}
