package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/layout"

	"dagger/slipway/internal/dagger"
)

// layoutPath is where the container has the image that is carried in.
const layoutPath = "/image"

// nodeRegistry is where the image goes when no repository is set.
type nodeRegistry struct {
	Push string // the cluster's own registry, "" where the image is carried in
	Pull string // registry as the nodes know it
	Here bool   // Push is on the machine of the caller

	repository string // as the nodes know it
}

// findRegistry asks the cluster where an image can get without a repository. With objects in
// the request it refuses what is bound to fail.
func (s *Slipway) findRegistry(ctx context.Context, req request) (nodeRegistry, error) {
	var found nodeRegistry
	out, err := s.rollout(ctx, "registry", req)
	if err != nil {
		return found, err
	}
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		return found, fmt.Errorf("read what the cluster says of its registry: %w", err)
	}
	release, err := s.releaseName(ctx)
	found.repository = found.Pull + "/" + release
	return found, err
}

// withoutRepository brings the source's image to where the nodes find it: to the cluster's
// own registry, or through the API server to each node. It returns the image's address.
func (s *Slipway) withoutRepository(ctx context.Context, allow []string, limit int) (string, error) {
	release, err := s.releaseName(ctx)
	if err != nil {
		return "", err
	}
	// Which registry it will be makes no difference to the checks.
	req, err := s.bundle(ctx, "localhost/"+release+"@"+unbuilt)
	if err != nil {
		return "", err
	}
	req.Allow, req.Timeout = allow, limit
	built, stop := s.building(ctx)
	defer stop()
	found, err := s.findRegistry(ctx, req)
	if err != nil {
		return "", err
	}
	if found.Push != "" {
		return s.toClustersRegistry(ctx, found, release, built)
	}

	index, digest, err := built(ctx)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(".", "image-")
	if err != nil {
		return "", err
	}
	if _, err := layout.Write(dir, index); err != nil {
		return "", err
	}
	image := found.repository + "@" + digest.String()
	req = request{Namespace: req.Namespace, Image: image, Timeout: limit, RegistryImage: s.RegistryImage, Layout: layoutPath}
	_, err = s.rollout(ctx, "carry", req, func(ctr *dagger.Container) *dagger.Container {
		return ctr.WithMountedDirectory(layoutPath, dag.CurrentModule().Workdir(dir))
	})
	return image, err
}

// toClustersRegistry publishes to the registry that the cluster says it has.
func (s *Slipway) toClustersRegistry(ctx context.Context, found nodeRegistry, release string, built indexer) (string, error) {
	if found.Here && s.Registry == nil {
		return "", fmt.Errorf("the cluster has a registry of its own, %s on your machine, which a container cannot reach by that name: "+
			"add --registry tcp://%[1]s before the function's name", found.Push)
	}
	to := *s
	to.Repository = found.Push + "/" + release
	pushed, err := to.publish(ctx, nil, false, built)
	if err != nil {
		return "", err
	}
	_, digest, _ := strings.Cut(pushed, "@")
	return found.repository + "@" + digest, nil
}

// leaveRegistry takes the registry on the nodes away after a deploy that failed, if nothing
// that served needs it, and returns why the deploy failed.
func (s *Slipway) leaveRegistry(ctx context.Context, req request, why error) error {
	_, err := s.rollout(ctx, "leave", request{Namespace: req.Namespace, Timeout: req.Timeout})
	if err != nil {
		return errors.Join(why, err)
	}
	return why
}
