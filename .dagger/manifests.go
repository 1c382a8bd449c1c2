package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/imageref"
	"dagger/slipway/internal/names"
)

// manifestsDir is where a source keeps its manifests.
const manifestsDir = "manifests"

// Render the Kubernetes manifests, with the image pinned by digest.
//
// Returns a file of YAML that is ready for kubectl apply -f. An image without a digest
// is refused: what was tested must be what runs. Manifests that do not fit together
// are refused too, for example a Service that selects no pod; each finding names
// file, object and field. What is only doubtful is a warning among the progress.
//
// A directory is rendered by its kustomization, or has just YAML files, which are
// taken as they are. base may also be the manifests directory itself. Nothing is
// fetched while rendering, and nothing read from outside of the directory; what
// --remote-bases allows is fetched before, by full commits. Secrets are in the file as
// in any manifest, and the file is in the engine's store as any file; deploy keeps none.
//
//	dagger call --repository ghcr.io/acme/hello render contents
//	dagger call --overlay production render --image ghcr.io/acme/hello@sha256:… export --path all.yaml
func (s *Slipway) Render(
	ctx context.Context,
	// Image by digest, as publish returns it. Default: what publish would make of the source.
	//
	// +optional
	image string,
	// Checks of the manifests to allow, by the name in the refusal. Comma-separated.
	//
	// +optional
	allow []string,
) (*dagger.File, error) {
	if image == "" {
		if _, err := s.repository(); err != nil { // No cluster is asked for its registry only to render.
			return nil, fmt.Errorf("%w; or give --image one that is published", err)
		}
		var err error
		if image, err = s.built(ctx); err != nil {
			return nil, err
		}
	}
	const file = "/manifests.yaml"
	written, err := s.rendered(ctx, image, allow, file)
	if err != nil {
		return nil, err
	}
	return written.File(file), nil
}

// rendered is a container in which the manifests were rendered and checked, and written
// to a file unless its name is empty.
func (s *Slipway) rendered(ctx context.Context, image string, allow []string, file string) (*dagger.Container, error) {
	what, err := s.toRender(image)
	if err != nil {
		return nil, err
	}
	ctr, err := s.withKubectl(ctx)
	if err != nil {
		return nil, err
	}
	release, err := s.releaseName(ctx)
	if err != nil {
		return nil, err
	}
	ctr, err = s.withRollout(ctx, ctr, "render",
		request{Manifests: what, Image: image, Release: release, Namespace: s.Namespace, Allow: allow, Output: file})
	if err != nil {
		return nil, err
	}
	ctr, err = ctr.Sync(ctx)
	return ctr, verdict(err)
}

// rendering is what the helper is to render; see helpers/cmd/rollout.
type rendering struct {
	Dir           string
	Overlay       string
	ImageName     string
	Images        map[string]string // others to set, by name
	OnlyNamespace bool
	RemoteBases   []string
	Bases         string
}

// manifestsPath is where the helper finds the manifests.
const manifestsPath = "/manifests"

// toRender has the overlay rendered with an image, after a look at what names both.
func (s *Slipway) toRender(image string) (*rendering, error) {
	if err := cmp.Or(imageref.CheckDigest(image), imageref.CheckName(s.ImageName), names.CheckOverlay(s.Overlay)); err != nil {
		return nil, err
	}
	others, err := imageref.ParseImages(s.Images)
	return &rendering{Dir: manifestsPath, Overlay: s.Overlay, ImageName: s.ImageName, Images: others}, err
}

// noManifests says of a rendering's error that there are none, which the helper says as we do.
func noManifests(err error) bool {
	return errors.Is(err, errNoManifests) || err != nil && err.Error() == errNoManifests.Error()
}

var errNoManifests = errors.New("there are no manifests: dagger -y call init writes them; or give manifests/base/kustomization.yaml, " +
	"YAML files in manifests/base or in manifests, or another directory with --manifests")

// manifests is the directory with base and overlays.
func (s *Slipway) manifests(ctx context.Context) (*dagger.Directory, error) {
	if s.ManifestsDir != nil {
		return s.ManifestsDir, nil
	}
	dir, err := s.find(ctx, manifestsDir)
	if err == nil && dir == "" {
		err = errNoManifests
	}
	return s.Source.Directory(dir), err
}
