package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"sigs.k8s.io/yaml"

	"dagger/slipway/internal/dagger"
)

// Render the Kubernetes manifests, with the image pinned by digest.
//
// Returns YAML that is ready for kubectl apply -f -. An image without a digest is
// refused: what was tested must be what runs.
//
//	dagger call manifests --image ghcr.io/acme/hello@sha256:…
func (s *Slipway) Manifests(
	ctx context.Context,
	// Image by digest, as publish returns it: repository@sha256:….
	image string,
	// Which image name in the manifests to set. Needed only where they name several.
	//
	// +optional
	imageName string,
	// Directory to render, below the manifests directory: base, or overlays/<name>.
	//
	// +default="base"
	overlay string,
) (string, error) {
	ref, err := name.NewDigest(image)
	if err != nil {
		return "", fmt.Errorf("--image %q names no digest: give repository@sha256:…, which is what publish returns", image)
	}
	there, err := s.Manifest.Exists(ctx, path.Join(overlay, "kustomization.yaml"))
	if err != nil {
		return "", err
	}
	if !there {
		return "", fmt.Errorf("there is no %s/kustomization.yaml in the manifests directory", path.Clean(overlay))
	}
	if imageName == "" {
		plain, err := s.kustomize(ctx, s.Manifest, overlay)
		if err != nil {
			return "", err
		}
		if imageName, err = onlyImage(plain); err != nil {
			return "", err
		}
	}
	repository, _, _ := strings.Cut(image, "@")
	pin, err := yaml.Marshal(map[string]any{
		"resources": []string{path.Join("..", overlay)},
		"images":    []map[string]string{{"name": imageName, "newName": repository, "digest": ref.DigestStr()}},
	})
	if err != nil {
		return "", err
	}
	return s.kustomize(ctx, s.Manifest.WithNewFile(".slipway/kustomization.yaml", string(pin)), ".slipway")
}

// kustomize renders one directory of dir.
func (s *Slipway) kustomize(ctx context.Context, dir *dagger.Directory, overlay string) (string, error) {
	out, err := dag.Container().From(s.KubectlImage).
		WithMountedDirectory("/manifests", dir).
		WithExec([]string{"kubectl", "kustomize", path.Join("/manifests", overlay)}).
		Stdout(ctx)
	return out, execCause(err)
}

// onlyImage returns the name of the one image that the rendered manifests run,
// without tag and digest.
func onlyImage(rendered string) (string, error) {
	names := map[string]bool{}
	for document := range strings.SplitSeq(rendered, "\n---\n") {
		var object any
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			return "", err
		}
		collectImages(object, names)
	}
	switch sorted := slices.Sorted(maps.Keys(names)); len(sorted) {
	case 0:
		return "", errors.New("the manifests run no container: there is no image to set")
	case 1:
		return sorted[0], nil
	default:
		return "", fmt.Errorf("the manifests run several images: say which one to set with --image-name: %s", strings.Join(sorted, ", "))
	}
}

// collectImages finds containers wherever a kind keeps its pod template.
func collectImages(node any, names map[string]bool) {
	switch node := node.(type) {
	case []any:
		for _, item := range node {
			collectImages(item, names)
		}
	case map[string]any:
		for key, value := range node {
			if key == "containers" || key == "initContainers" {
				containers, _ := value.([]any)
				for _, c := range containers {
					if fields, ok := c.(map[string]any); ok {
						if image, ok := fields["image"].(string); ok {
							names[withoutTag(image)] = true
						}
					}
				}
			}
			collectImages(value, names)
		}
	}
}

// withoutTag cuts what follows a name's last path element: :tag, @digest or both.
func withoutTag(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if colon := strings.LastIndex(image, ":"); colon > strings.LastIndex(image, "/") {
		image = image[:colon]
	}
	return image
}
