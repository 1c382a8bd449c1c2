package main

import (
	"bytes"
	"context"
	"encoding/json"
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

// manifestsDir is where a source keeps its manifests.
const manifestsDir = "manifests"

// kustomizationFiles are the names that kustomize gives a kustomization.
var kustomizationFiles = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// originAnnotation is where kustomize notes the file that an object came from.
const originAnnotation = "config.kubernetes.io/origin"

// Render the Kubernetes manifests, with the image pinned by digest.
//
// Returns YAML that is ready for kubectl apply -f -. An image without a digest is
// refused: what was tested must be what runs. Manifests that do not fit together
// are refused too, for example a Service that selects no pod; each finding names
// file, object and field. What is only doubtful is a warning among the progress.
//
// A directory is rendered by its kustomization, or has just YAML files, which are
// taken as they are. base may also be the manifests directory itself.
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
	// Names of checks of the manifests to allow, as the refusal says: for example
	// service-selector. Repeat or separate with commas.
	//
	// +optional
	allow []string,
) (string, error) {
	r, err := s.render(ctx, image, imageName, overlay, namespace)
	if err != nil {
		return "", err
	}
	checked, err := s.withRollout(dag.Container().From(s.KubectlImage), "check",
		request{Objects: r.objects, Files: r.files, Namespace: namespace, Allow: allow})
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
	from, err := s.layer(ctx, overlay)
	if err != nil {
		return rendered{}, err
	}
	if imageName == "" {
		plain, err := s.kustomize(ctx, from, nil)
		if err != nil {
			return rendered{}, err
		}
		if imageName, err = onlyImage(plain); err != nil {
			return rendered{}, err
		}
	}
	repository, _, _ := strings.Cut(image, "@")
	kustomization := map[string]any{
		"images":        []map[string]string{{"name": imageName, "newName": repository, "digest": ref.DigestStr()}},
		"buildMetadata": []string{"originAnnotations"},
	}
	if namespace != "" {
		kustomization["namespace"] = namespace
	}
	r := rendered{files: map[string]string{}}
	if r.objects, err = s.kustomize(ctx, from, kustomization); err != nil {
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
		var file struct{ Path string }
		if yaml.Unmarshal([]byte(origin), &file) == nil && file.Path != "" {
			r.files[fmt.Sprintf("%v/%v", o["kind"], metadata["name"])] = strings.TrimPrefix(file.Path, manifestsRoot)
		}
	}
	return r, nil
}

var (
	errNoManifests = errors.New("there are no manifests: the source needs manifests/base/kustomization.yaml, " +
		"or else YAML files in manifests/base or in manifests; --manifests gives another directory")
	errNoOverlay = errors.New("there is no overlay")
)

// manifests is the directory with base and overlays. It is not kept in the object,
// which Dagger caches for longer than what is derived from its directories.
func (s *Slipway) manifests(ctx context.Context) (*dagger.Directory, error) {
	if s.Manifest != nil {
		return s.Manifest, nil
	}
	dir, err := s.find(ctx, manifestsDir)
	if err == nil && dir == "" {
		err = errNoManifests
	}
	return s.Source.Directory(dir), err
}

// layer is a directory that can be rendered: base or an overlay.
type layer struct {
	dir   string   // below the manifests directory
	plain []string // its YAML files, if it has no kustomization
}

// layer finds the directory that an overlay's name means. The error is
// errNoManifests or errNoOverlay if there is none.
func (s *Slipway) layer(ctx context.Context, overlay string) (layer, error) {
	manifests, err := s.manifests(ctx)
	if err != nil {
		return layer{}, err
	}
	files, err := manifests.Glob(ctx, "**")
	if err != nil {
		return layer{}, err
	}
	if found, ok := findLayer(files, overlay); ok {
		return found, nil
	}
	names := kustomized(files)
	for i, dir := range names {
		names[i] = strings.TrimPrefix(dir, "overlays/")
	}
	if _, ok := findLayer(files, "base"); ok {
		names = append(names, "base")
	}
	if len(names) == 0 {
		return layer{}, errNoManifests
	}
	slices.Sort(names)
	return layer{}, fmt.Errorf("%w %q in the manifests directory; there are: %s",
		errNoOverlay, overlay, strings.Join(slices.Compact(names), ", "))
}

// findLayer finds an overlay among the files of the manifests directory. A
// kustomization goes before plain YAML, wherever it is: it says what belongs together.
func findLayer(files []string, overlay string) (layer, bool) {
	dirs := []string{path.Clean(overlay), path.Join("overlays", overlay)}
	if overlay == "base" {
		dirs = append(dirs, ".")
	}
	there := kustomized(files)
	for _, dir := range dirs {
		if slices.Contains(there, dir) {
			return layer{dir: dir}, true
		}
	}
	for _, dir := range dirs {
		var plain []string
		for _, file := range files {
			if ext := path.Ext(file); path.Dir(file) == dir && (ext == ".yaml" || ext == ".yml") {
				plain = append(plain, path.Base(file))
			}
		}
		if len(plain) > 0 {
			slices.Sort(plain)
			return layer{dir, plain}, true
		}
	}
	return layer{}, false
}

// kustomized are the directories that have a kustomization.
func kustomized(files []string) []string {
	var dirs []string
	for _, file := range files {
		if slices.Contains(kustomizationFiles, path.Base(file)) {
			dirs = append(dirs, path.Dir(file))
		}
	}
	return dirs
}

// manifestsRoot is the way to the manifests from the kustomization that renders
// them. It cannot be inside of them, because they may have one at their top.
const manifestsRoot = "../manifests/"

// kustomize renders a layer, with fields of a kustomization on top.
func (s *Slipway) kustomize(ctx context.Context, from layer, fields map[string]any) ([]map[string]any, error) {
	manifests, err := s.manifests(ctx)
	if err != nil {
		return nil, err
	}
	if len(from.plain) > 0 {
		text, err := yaml.Marshal(map[string]any{"resources": from.plain})
		if err != nil {
			return nil, err
		}
		// In that directory, because kustomize takes files only from below.
		manifests = manifests.WithNewFile(path.Join(from.dir, kustomizationFiles[0]), string(text))
	}
	kustomization := map[string]any{"resources": []string{path.Join(manifestsRoot, from.dir)}}
	maps.Copy(kustomization, fields)
	text, err := yaml.Marshal(kustomization)
	if err != nil {
		return nil, err
	}
	// Into a file: manifests may hold secrets, and standard output is in every log.
	out, err := dag.Container().From(s.KubectlImage).
		WithUser("0:0").
		WithMountedDirectory("/manifests", manifests).
		WithNewFile("/slipway/kustomization.yaml", string(text)).
		WithExec([]string{"kubectl", "kustomize", "/slipway", "--output=/rendered.yaml"}).
		File("/rendered.yaml").
		Contents(ctx)
	if err != nil {
		return nil, fmt.Errorf("kustomize cannot render the manifests:\n%w", execCause(err))
	}
	var objects []map[string]any
	// Within a document, kustomize indents every line of a text.
	for document := range strings.SplitSeq(out, "\n---\n") {
		o, err := decode(document)
		if err != nil {
			return nil, err
		}
		if len(o) > 0 {
			objects = append(objects, o)
		}
	}
	return objects, nil
}

// decode reads an object from YAML. Its numbers are json.Number, because float64
// changes an integer of 64 bits.
func decode(document string) (map[string]any, error) {
	text, err := yaml.YAMLToJSON([]byte(document))
	if err != nil {
		return nil, err
	}
	numbers := json.NewDecoder(bytes.NewReader(text))
	numbers.UseNumber()
	var o map[string]any
	err = numbers.Decode(&o)
	return o, err
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
