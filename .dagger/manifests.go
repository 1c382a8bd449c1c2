package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"sigs.k8s.io/yaml"

	"dagger/slipway/internal/dagger"
)

// manifestsDir is where a source keeps its manifests.
const manifestsDir = "manifests"

// originAnnotation is where kustomize notes the file that an object came from.
const originAnnotation = "config.kubernetes.io/origin"

// Render the Kubernetes manifests, with the image pinned by digest.
//
// Returns YAML that is ready for kubectl apply -f -. An image without a digest is
// refused: what was tested must be what runs. So are manifests that do not fit
// together, as a Service that selects no pod or a probe on a port that is not
// there; each finding names file, object and field.
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
	// Directory to render, below the manifests directory: base, or the name of one
	// in overlays.
	//
	// +default="base"
	overlay string,
	// Namespace to set on all objects. Default: as the manifests say.
	//
	// +optional
	namespace string,
) (string, error) {
	r, err := s.render(ctx, image, imageName, overlay, namespace)
	if err != nil {
		return "", err
	}
	checked, err := s.withRollout(dag.Container().From(s.KubectlImage), "check",
		request{Objects: r.objects, Files: r.files, Namespace: namespace})
	if err != nil {
		return "", err
	}
	if _, err := checked.Sync(ctx); err != nil {
		return "", execCause(err)
	}
	documents := make([]string, len(r.objects))
	for i, o := range r.objects {
		text, err := yaml.Marshal(o)
		if err != nil {
			return "", err
		}
		documents[i] = string(text)
	}
	return strings.Join(documents, "---\n"), nil
}

// rendered is what kustomize makes of the manifests.
type rendered struct {
	objects []map[string]any
	files   map[string]string // Kind/name to the file it came from
}

// namespace is the one the objects name, "" if none does.
func (r rendered) namespace() string {
	for _, o := range r.objects {
		metadata, _ := o["metadata"].(map[string]any)
		if ns, _ := metadata["namespace"].(string); ns != "" {
			return ns
		}
	}
	return ""
}

// render has kustomize render an overlay with the image and, unless empty, the
// namespace set.
func (s *Slipway) render(ctx context.Context, image, imageName, overlay, namespace string) (rendered, error) {
	ref, err := name.NewDigest(image)
	if err != nil {
		return rendered{}, fmt.Errorf("--image %q names no digest: give repository@sha256:…, which is what publish returns", image)
	}
	dir, err := s.overlay(ctx, overlay)
	if err != nil {
		return rendered{}, err
	}
	if imageName == "" {
		plain, err := s.kustomize(ctx, map[string]any{"resources": []string{path.Join("..", dir)}})
		if err != nil {
			return rendered{}, err
		}
		if imageName, err = onlyImage(plain); err != nil {
			return rendered{}, err
		}
	}
	repository, _, _ := strings.Cut(image, "@")
	kustomization := map[string]any{
		"resources":     []string{path.Join("..", dir)},
		"images":        []map[string]string{{"name": imageName, "newName": repository, "digest": ref.DigestStr()}},
		"buildMetadata": []string{"originAnnotations"},
	}
	if namespace != "" {
		kustomization["namespace"] = namespace
	}
	r := rendered{files: map[string]string{}}
	if r.objects, err = s.kustomize(ctx, kustomization); err != nil {
		return rendered{}, err
	}
	images := map[string]bool{}
	collectImages(r.objects, images)
	if !images[repository+"@"+ref.DigestStr()] {
		return rendered{}, fmt.Errorf("--image-name %s: the manifests run no image of that name; they run: %s",
			imageName, strings.Join(imageNames(images), ", "))
	}
	for _, o := range r.objects {
		metadata, _ := o["metadata"].(map[string]any)
		annotations, _ := metadata["annotations"].(map[string]any)
		origin, _ := annotations[originAnnotation].(string)
		delete(annotations, originAnnotation)
		if len(annotations) == 0 {
			delete(metadata, "annotations")
		}
		var from struct{ Path string }
		if yaml.Unmarshal([]byte(origin), &from) == nil && from.Path != "" {
			r.files[fmt.Sprintf("%v/%v", o["kind"], metadata["name"])] = strings.TrimPrefix(from.Path, "../")
		}
	}
	return r, nil
}

var errNoManifests = errors.New("there are no manifests: the source needs manifests/base/kustomization.yaml, or --manifests says which directory has base/kustomization.yaml")

// manifests is the directory with base and overlays. It is not kept in the object,
// which Dagger caches for longer than what is derived from its directories.
func (s *Slipway) manifests(ctx context.Context) (*dagger.Directory, error) {
	if s.Manifest != nil {
		return s.Manifest, nil
	}
	there, err := s.Source.Exists(ctx, manifestsDir)
	if err == nil && !there {
		err = errNoManifests
	}
	return s.Source.Directory(manifestsDir), err
}

// overlay finds the directory that an overlay's name means.
func (s *Slipway) overlay(ctx context.Context, overlay string) (string, error) {
	manifests, err := s.manifests(ctx)
	if err != nil {
		return "", err
	}
	for _, dir := range []string{overlay, path.Join("overlays", overlay)} {
		there, err := manifests.Exists(ctx, path.Join(dir, "kustomization.yaml"))
		if err != nil || there {
			return dir, err
		}
	}
	files, err := manifests.Glob(ctx, "**/kustomization.yaml")
	if err != nil {
		return "", err
	}
	if len(files) == 0 {
		return "", errNoManifests
	}
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = strings.TrimPrefix(path.Dir(file), "overlays/")
	}
	return "", fmt.Errorf("there is no overlay %q in the manifests directory; there are: %s", overlay, strings.Join(names, ", "))
}

// kustomize renders a kustomization that stands beside base and overlays.
func (s *Slipway) kustomize(ctx context.Context, kustomization map[string]any) ([]map[string]any, error) {
	const dir = ".slipway"
	text, err := yaml.Marshal(kustomization)
	if err != nil {
		return nil, err
	}
	manifests, err := s.manifests(ctx)
	if err != nil {
		return nil, err
	}
	// Into a file: manifests may hold secrets, and standard output is in every log.
	out, err := dag.Container().From(s.KubectlImage).
		WithUser("0:0").
		WithMountedDirectory("/manifests", manifests.WithNewFile(dir+"/kustomization.yaml", string(text))).
		WithExec([]string{"kubectl", "kustomize", "/manifests/" + dir, "--output=/rendered.yaml"}).
		File("/rendered.yaml").
		Contents(ctx)
	if err != nil {
		return nil, fmt.Errorf("kustomize cannot render the manifests:\n%w", execCause(err))
	}
	var objects []map[string]any
	for document := range strings.SplitSeq(out, "\n---\n") {
		var o map[string]any
		if err := yaml.Unmarshal([]byte(document), &o); err != nil {
			return nil, err
		}
		if len(o) > 0 {
			objects = append(objects, o)
		}
	}
	return objects, nil
}

// onlyImage returns the name of the one image that the objects run, without tag
// and digest.
func onlyImage(objects []map[string]any) (string, error) {
	images := map[string]bool{}
	collectImages(objects, images)
	switch names := imageNames(images); len(names) {
	case 0:
		return "", errors.New("the manifests run no container: there is no image to set")
	case 1:
		return names[0], nil
	default:
		return "", fmt.Errorf("the manifests run several images: say which one to set with --image-name: %s", strings.Join(names, ", "))
	}
}

// imageNames are the images without tag and digest.
func imageNames(images map[string]bool) []string {
	var names []string
	for image := range images {
		names = append(names, withoutTag(image))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// collectImages finds containers wherever a kind keeps its pod template.
func collectImages(node any, images map[string]bool) {
	switch node := node.(type) {
	case []map[string]any:
		for _, item := range node {
			collectImages(item, images)
		}
	case []any:
		for _, item := range node {
			collectImages(item, images)
		}
	case map[string]any:
		for key, value := range node {
			if key == "containers" || key == "initContainers" {
				containers, _ := value.([]any)
				for _, c := range containers {
					if fields, ok := c.(map[string]any); ok {
						if image, ok := fields["image"].(string); ok {
							images[image] = true
						}
					}
				}
			}
			collectImages(value, images)
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
