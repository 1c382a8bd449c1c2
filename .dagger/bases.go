package main

import (
	"context"
	"encoding/json"
	"fmt"

	"dagger/slipway/internal/dagger"
)

const (
	// basesPath is where the helper finds the bases that were fetched.
	basesPath = "/bases"
	// baseRounds is more than the bases of bases that the helper takes; see helpers/internal/render.
	baseRounds = 10
)

// withManifests gives a container the manifests, and the bases elsewhere that they name.
func (s *Slipway) withManifests(
	ctx context.Context, ctr *dagger.Container, what *rendering, manifests *dagger.Directory,
) (*dagger.Container, error) {
	ctr = ctr.WithMountedDirectory(manifestsPath, manifests)
	if len(s.RemoteBases) == 0 {
		return ctr, nil
	}
	what.RemoteBases, what.Bases = s.RemoteBases, basesPath
	bases, err := s.bases(ctx, *what, manifests)
	if err != nil {
		return nil, err
	}
	return ctr.WithMountedDirectory(basesPath, bases), nil
}

// bases fetches what the manifests name in other repositories, before they are rendered
// without a network. What is fetched may name more. Only full commits are asked for, so
// that the same manifests are the same objects whenever they are rendered.
func (s *Slipway) bases(ctx context.Context, what rendering, manifests *dagger.Directory) (*dagger.Directory, error) {
	release, err := s.releaseName(ctx)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(request{Release: release, Manifests: &what})
	if err != nil {
		return nil, err
	}
	asks := dag.Container().
		WithMountedFile("/rollout", s.helper("rollout")).
		WithMountedTemp("/tmp").
		WithEnvVariable("HOME", "/tmp").
		WithMountedDirectory(manifestsPath, manifests).
		WithNewFile("/request.json", string(text))
	bases := dag.Directory()
	for range baseRounds {
		out, err := asks.
			WithMountedDirectory(basesPath, bases).
			WithExec([]string{"/rollout", "bases", "/request.json"}).
			Stdout(ctx)
		if err != nil {
			return nil, verdict(err)
		}
		var missing []struct{ Name, Repository, Commit string }
		if err := json.Unmarshal([]byte(out), &missing); err != nil {
			return nil, err
		}
		if len(missing) == 0 {
			return bases, nil
		}
		for _, b := range missing {
			tree := dag.Git(b.Repository).Commit(b.Commit).Tree(dagger.GitRefTreeOpts{DiscardGitDir: true})
			// What the server says is in the progress; it is foreign.
			if tree, err = tree.Sync(ctx); err != nil {
				return nil, fmt.Errorf("the manifests cannot be rendered: %s cannot be fetched: is the commit in that repository, "+
					"and does its server answer without a login?", b.Name)
			}
			bases = bases.WithDirectory(b.Name, tree)
		}
	}
	return nil, fmt.Errorf("the manifests cannot be rendered: their bases name bases, more than %d deep", baseRounds)
}
