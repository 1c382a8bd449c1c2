package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"

	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/scaffold"
)

// Write the files that the service lacks before it can be deployed.
//
// Builds the service, runs it, and asks it what it answers. From that come manifests, with
// the probes that it has, and smoke.yaml, with its answers. Nothing that exists is
// overwritten: where there are manifests, none are written. Returns the changes, which
// Dagger shows and asks to apply. CI files to begin with are in Slipway's examples/.
//
//	dagger call init
//	dagger -y call init      # without the question
//
// +cache="never"
func (s *Slipway) Init(ctx context.Context) (*dagger.Changeset, error) {
	name, err := s.releaseName(ctx)
	if err != nil {
		return nil, err
	}
	n, _, err := s.smokeYAML(ctx)
	if err != nil {
		return nil, err
	}
	port, err := s.port(ctx)
	if err != nil {
		return nil, err
	}
	found, err := s.survey(ctx, port)
	if err != nil {
		return nil, err
	}
	service := scaffold.Service{Name: name, Port: port, Args: n.Args, Env: n.Env, Secrets: n.Secrets}.WithProbes(found.Answers)
	written, err := s.lacking(ctx, service, found)
	if err != nil {
		return nil, err
	}
	before := dag.Directory()
	after := before
	for _, file := range slices.Sorted(maps.Keys(written)) {
		after = after.WithNewFile(file, written[file])
	}
	if len(written) == 0 {
		return after.Changes(before), nil
	}
	// The changes are made where the caller stands.
	return after.Directory(s.Dir).Changes(before), nil
}

// surveyed is what the smoke helper says of a running service.
type surveyed struct {
	Answers []scaffold.Probe
	Drains  bool
}

// survey runs the service and asks it for the paths that services have by custom.
func (s *Slipway) survey(ctx context.Context, port int) (surveyed, error) {
	var found surveyed
	ctr, err := s.running(ctx, "init")
	if err != nil {
		return found, err
	}
	service, err := s.watched(ctx, ctr, port)
	if err != nil {
		return found, err
	}
	out, err := dag.Container().
		WithFile("/smoke", s.helper("smoke")).
		WithServiceBinding("service", service).
		WithExec(append([]string{
			"/smoke", "survey", fmt.Sprintf("http://service:%d", port), fmt.Sprintf("http://service:%d", smokePort),
		}, scaffold.Paths()...)).
		Stdout(ctx)
	if err != nil {
		return found, fmt.Errorf("the service does not run as it should:\n%w", execCause(err))
	}
	return found, json.Unmarshal([]byte(out), &found)
}

// lacking are the files that the source does not have, by their path.
func (s *Slipway) lacking(ctx context.Context, service scaffold.Service, found surveyed) (map[string]string, error) {
	all := map[string]string{}
	module, err := s.module(ctx)
	if err != nil {
		return nil, err
	}
	pkg, err := s.mainPackage(ctx)
	if err != nil {
		return nil, err
	}
	if there, err := s.find(ctx, manifestsDir); err != nil {
		return nil, err
	} else if there == "" && s.ManifestsDir == nil {
		manifests, err := service.Manifests()
		if err != nil {
			return nil, err
		}
		for file, text := range manifests {
			all[path.Join(module, manifestsDir, file)] = text
		}
	}
	smoke, err := service.Smoke(found.Answers, found.Drains)
	if err != nil {
		return nil, err
	}
	if smoke != "" {
		all[path.Join(pkg, smokeFile)] = smoke
	}
	for file := range maps.Clone(all) {
		there, err := s.Source.Exists(ctx, file)
		if err != nil {
			return nil, err
		}
		if there {
			delete(all, file)
		}
	}
	return all, nil
}
