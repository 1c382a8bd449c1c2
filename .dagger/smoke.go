package main

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"

	"sigs.k8s.io/yaml"

	"dagger/slipway/internal/dagger"
)

const (
	smokeFile = "smoke.yaml"
	// smokeDefault is asked of a service that says nothing of itself: it must
	// listen and not fail.
	smokeDefault = `{"requests": [{"path": "/"}]}`
	// smokePort is where the helper beside the service reports on it.
	smokePort = 61234
)

// Ask the running container the questions of smoke.yaml.
//
// Compares status, headers and body of each answer of the container that build
// returns, bound as a service. With drain: true it then sends SIGTERM and expects
// the request in flight to be answered and exit status 0.
//
// The questions stand in smoke.yaml in the package's directory; without that
// file, GET / must answer with a status below 500. Returns one line per request.
// A failure shows the service's last log lines and, at the very end, each
// request with what was expected and what came.
//
//	dagger call smoke
//
// +check
func (s *Slipway) Smoke(ctx context.Context) (string, error) {
	questions, err := s.questions(ctx)
	if err != nil {
		return "", err
	}
	ctr, err := s.Build(ctx, "")
	if err != nil {
		return "", err
	}
	entrypoint, err := ctr.Entrypoint(ctx)
	if err != nil {
		return "", err
	}
	helper := s.helper("smoke")
	service := ctr.
		// The helper reports a service that never listens; Dagger would wait for it.
		WithExposedPort(s.Port, dagger.ContainerWithExposedPortOpts{ExperimentalSkipHealthcheck: true}).
		WithExposedPort(smokePort).
		WithMountedFile("/slipway-smoke", helper).
		AsService(dagger.ContainerAsServiceOpts{
			Args: slices.Concat([]string{"/slipway-smoke", "run", ":" + strconv.Itoa(smokePort)}, entrypoint),
		})
	out, err := dag.Container().
		WithFile("/smoke", helper).
		WithNewFile("/questions.json", questions).
		WithServiceBinding("service", service).
		WithExec([]string{
			"/smoke", "ask",
			fmt.Sprintf("http://service:%d", s.Port),
			fmt.Sprintf("http://service:%d", smokePort),
			"/questions.json",
		}).
		Stdout(ctx)
	if err != nil {
		return "", fmt.Errorf("the service does not answer as it should:\n%w", execCause(err))
	}
	return out, nil
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
		WithExec([]string{"go", "build", "-trimpath", "-ldflags", "-s -w", "-o", "/out/", "./cmd/" + name}).
		File("/out/" + name)
}

// questions returns the service's smoke.yaml as JSON.
func (s *Slipway) questions(ctx context.Context) (string, error) {
	pkg, err := s.mainPackage(ctx)
	if err != nil {
		return "", err
	}
	file := path.Join(pkg, smokeFile)
	there, err := s.Source.Exists(ctx, file)
	if err != nil || !there {
		return smokeDefault, err
	}
	text, err := s.Source.File(file).Contents(ctx)
	if err != nil {
		return "", err
	}
	questions, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	return string(questions), nil
}
