package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"dagger/slipway/internal/assets"
	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/foreign"
	"dagger/slipway/internal/needs"
)

const (
	smokeFile = "smoke.yaml"
	// smokeDefault is asked of a service that says nothing of itself: it must
	// listen and not fail.
	smokeDefault = `{"requests": [{"path": "/"}]}`
	// readyLimit is how long a service's own services may take until they are ready.
	readyLimit = 2 * time.Minute
	// filesDir is where the files of needs are in the image, and where the service then runs.
	filesDir = "/app"
	// otherFilesDir is where they are if a program is called app.
	otherFilesDir = "/files"
)

// smoke is what a smoke.yaml says.
type smoke struct {
	needs     needs.Needs
	questions string // as JSON
}

// smokeOf is where a smoke.yaml is.
type smokeOf struct {
	source *dagger.Directory
	file   string
}

var smokes memo[smokeOf, smoke]

// smokeYAML reads the service's smoke.yaml, once a call: what it needs, and the questions as JSON.
func (s *Slipway) smokeYAML(ctx context.Context) (needs.Needs, string, error) {
	pkg, err := s.mainPackage(ctx)
	if err != nil {
		return needs.Needs{}, "", err
	}
	file := path.Join(pkg, smokeFile)
	said, err := smokes.get(smokeOf{s.Source, file}, func() (smoke, error) {
		n, questions, err := s.readSmoke(ctx, file)
		return smoke{n, questions}, err
	})
	return said.needs, said.questions, err
}

func (s *Slipway) readSmoke(ctx context.Context, file string) (needs.Needs, string, error) {
	there, err := s.Source.Exists(ctx, file)
	if err != nil || !there {
		return needs.Needs{}, smokeDefault, err
	}
	text, err := s.Source.File(file).Contents(ctx)
	if err != nil {
		return needs.Needs{}, "", err
	}
	n, questions, err := needs.Parse([]byte(text))
	if err != nil {
		return n, "", fmt.Errorf("%s: %w", file, foreign.Error(err))
	}
	if string(questions) == "{}" {
		return n, smokeDefault, nil
	}
	return n, string(questions), nil
}

// assets are the files that the service needs beside its program, nil if there are none. They
// go through this module's own directory, so that an edit of another file is none to them.
func (s *Slipway) assets(ctx context.Context, n needs.Needs) (*dagger.Directory, error) {
	if len(n.Files) == 0 {
		return nil, nil
	}
	module, files, err := s.assetFiles(ctx, n)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(n.Files))
	for i, name := range n.Files {
		names[i] = path.Join(module, name)
	}
	dir, err := os.MkdirTemp(".", "assets-")
	if err != nil {
		return nil, err
	}
	if _, err := s.Source.Filter(dagger.DirectoryFilterOpts{Include: patternsOf(files)}).Export(ctx, dir); err != nil {
		return nil, err
	}
	if err := assets.Check(os.DirFS(dir).(fs.ReadLinkFS), files, names); err != nil {
		return nil, fmt.Errorf("%s: needs: files: %w", smokeFile, foreign.Error(err))
	}
	if err := assets.Normalize(dir); err != nil {
		return nil, err
	}
	return dag.CurrentModule().Workdir(dir).Directory(module), nil
}

// assetFiles are the paths of these files in the source, and the directory that they are seen from.
func (s *Slipway) assetFiles(ctx context.Context, n needs.Needs) (module string, files []string, err error) {
	tree, err := s.tree(ctx)
	if err != nil {
		return "", nil, err
	}
	if module, err = s.module(ctx); err != nil {
		return "", nil, err
	}
	for _, name := range n.Files {
		found, err := assets.Find(name, path.Join(module, name), tree.Has, tree.Below)
		if err != nil {
			return "", nil, fmt.Errorf("%s: needs: files: %w", smokeFile, foreign.Error(err))
		}
		files = append(files, found...)
	}
	slices.Sort(files)
	return module, slices.Compact(files), nil
}

// withNeeds gives a container the environment that the service needs: variables, secrets,
// and services of its own, which are fresh for each use.
func (s *Slipway) withNeeds(ctx context.Context, ctr *dagger.Container, n needs.Needs, use string) (*dagger.Container, error) {
	for _, name := range slices.Sorted(maps.Keys(n.Env)) {
		ctr = ctr.WithEnvVariable(name, n.Env[name])
	}
	if len(n.Secrets) > 0 {
		values, err := s.secretValues(ctx, n)
		if err != nil {
			return nil, err
		}
		for _, name := range n.Secrets {
			ctr = ctr.WithSecretVariable(name, dag.SetSecret("slipway-needs-"+name, values[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n.Services)) {
		bound, err := s.startService(ctx, name, n.Services[name], use)
		if err != nil {
			return nil, err
		}
		ctr = ctr.WithServiceBinding(name, bound)
	}
	return ctr, nil
}

// secretValues are the values of the secrets that the service needs.
func (s *Slipway) secretValues(ctx context.Context, n needs.Needs) (map[string]string, error) {
	if s.Secrets == nil {
		return nil, fmt.Errorf("the service needs %s: give --secrets with lines NAME=value, such as file:.env.test, before the function's name",
			strings.Join(n.Secrets, ", "))
	}
	lines, err := s.Secrets.Plaintext(ctx)
	if err != nil {
		return nil, err
	}
	values, err := n.Values(lines)
	if err != nil {
		return nil, fmt.Errorf("--secrets: %w", err)
	}
	return values, nil
}

// startService starts a service that the service needs, and waits until it is ready.
func (s *Slipway) startService(ctx context.Context, name string, need needs.Service, use string) (*dagger.Service, error) {
	ctr := dag.Container().From(need.Image)
	for _, key := range slices.Sorted(maps.Keys(need.Env)) {
		ctr = ctr.WithEnvVariable(key, need.Env[key])
	}
	// Uses in one session do not share it: what one writes, the other does not see.
	ctr = ctr.WithLabel("slipway.use", use).WithExposedPort(need.Port)
	if len(need.Args) > 0 {
		ctr = ctr.WithDefaultArgs(need.Args)
	}
	command, err := commandOf(ctx, ctr)
	if err != nil {
		return nil, fmt.Errorf("%s: needs: services: %s: %w", smokeFile, name, err)
	}
	ctr = ctr.With(s.withShow)
	// Dagger itself waits for a quarter of an hour until a port is open.
	starting, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	service, err := ctr.AsService(dagger.ContainerAsServiceOpts{Args: show(command...), NoInit: true}).Start(starting)
	if starting.Err() != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("%s: needs: services: %s: nothing listens on its port %d after %s: look at its port and environment",
			smokeFile, name, need.Port, readyLimit)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: needs: services: %s does not start: %w", smokeFile, name, execCause(err))
	}
	if len(need.Ready) == 0 {
		return service, nil
	}
	for start := time.Now(); ; time.Sleep(time.Second) {
		_, err := ctr.WithServiceBinding(name, service).
			WithEnvVariable("SLIPWAY_CALL", rand.Text()).
			WithExec(show(need.Ready...), first).
			Sync(ctx)
		if err == nil {
			return service, nil
		}
		if time.Since(start) > readyLimit {
			return nil, fmt.Errorf("%s: needs: services: %s is not ready within %s: %w", smokeFile, name, readyLimit, execCause(err))
		}
	}
}

// running is the service's container, ready to be run: with what it needs, and after what
// must run before it. What runs before is never cached, as the services are new each time.
func (s *Slipway) running(ctx context.Context, use string) (*dagger.Container, error) {
	n, _, err := s.smokeYAML(ctx)
	if err != nil {
		return nil, err
	}
	names, err := s.programNames(ctx)
	if err != nil {
		return nil, err
	}
	ctr, err := s.Build(ctx, "")
	if err != nil {
		return nil, err
	}
	if ctr, err = s.withNeeds(ctx, ctr, n, use); err != nil {
		return nil, err
	}
	for _, args := range n.Before {
		// What begins with the path of another program runs that.
		command := args
		if !slices.ContainsFunc(names[1:], func(name string) bool { return args[0] == "/"+name }) {
			if command, err = commandOf(ctx, ctr.WithDefaultArgs(args)); err != nil {
				return nil, err
			}
		}
		_, err := s.shown(ctr.WithEnvVariable("SLIPWAY_CALL", rand.Text()), command...).Sync(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: needs: before: %q failed:\n%w", smokeFile, strings.Join(args, " "), execCause(err))
		}
	}
	return ctr.WithDefaultArgs(n.Args), nil
}

// commandOf is the command with which a container starts.
func commandOf(ctx context.Context, ctr *dagger.Container) ([]string, error) {
	entrypoint, err := ctr.Entrypoint(ctx)
	if err != nil {
		return nil, err
	}
	args, err := ctr.DefaultArgs(ctx)
	command := slices.Concat(entrypoint, args)
	if len(command) == 0 && err == nil {
		err = errors.New("the image does not say what to run")
	}
	return command, err
}
