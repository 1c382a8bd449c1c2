// Package render makes objects of a manifests directory by its kustomization, out of
// nothing but that directory. Whatever a kustomization names must be a file in it: what
// was checked is copied to a place of its own, and kubectl renders the copy, as nobody
// and without a network.
package render

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"slipway/helpers/internal/object"
)

// Input is what is rendered.
type Input struct {
	Dir       string            // with base and overlays
	Overlay   string            // "base", or the name of a directory, in overlays or not
	Namespace string            // to set on all objects, "" for what they say
	Image     string            // by digest, "" to set none
	ImageName string            // that Image replaces, "" where the objects run but one
	Images    map[string]string // other images, by the names that they replace

	Allowed Allowed // repositories that bases may be of
	Bases   string  // directory with those that were fetched, by their names
}

// Output is what kubectl makes of it.
type Output struct {
	Objects []object.Object
	Files   map[string]string // Kind/name to the file it came from
	Bases   []string          // names of what came from elsewhere
	// Warnings are kubectl's.
	Warnings string
	// Secrets are the values that the files seem to keep secret, whether or not the
	// rendering succeeded: an error may quote them.
	Secrets []string
}

var (
	ErrNoManifests = errors.New("there are no manifests: dagger -y call init writes them; or give manifests/base/kustomization.yaml, " +
		"YAML files in manifests/base or in manifests, or another directory with --manifests")
	ErrNoOverlay = errors.New("there is no overlay")
)

// copied is the directory of the copy with what the kustomizations name. That which
// renders them cannot be inside, because they may have one at their top.
const copied = "manifests"

// collect copies to a directory what the rendering takes. On an error the tree still has
// what must not be printed.
func (in Input) collect(dir string) (layer, *tree, error) {
	t := newTree(nil, filepath.Join(dir, copied), remote{
		dir: in.Bases, target: filepath.Join(dir, fetched), allowed: in.Allowed, trees: map[string]*tree{},
	})
	var err error
	if t.source, err = os.OpenRoot(in.Dir); err != nil {
		return layer{}, t, err
	}
	defer t.close()
	l, err := findLayer(t.source.FS(), in.Overlay)
	if err != nil {
		return l, t, err
	}
	if err := t.layer(l); err != nil {
		return l, t, fmt.Errorf("the manifests cannot be rendered: %w", err)
	}
	return l, t, nil
}

// Unfetched are the bases that are to be fetched before the manifests can be rendered. They
// may name others in turn.
func Unfetched(in Input) ([]Base, error) {
	dir, err := os.MkdirTemp(os.Getenv("HOME"), "render-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	_, t, err := in.collect(dir)
	return t.remote.missing, err
}

// Manifests renders. On an error, the output still has what must not be printed of it.
func Manifests(ctx context.Context, in Input) (out Output, err error) {
	dir, err := os.MkdirTemp(os.Getenv("HOME"), "render-")
	if err != nil {
		return out, err
	}
	defer os.RemoveAll(dir)
	layer, t, err := in.collect(dir)
	out.Secrets, out.Bases = t.secrets(), slices.Sorted(maps.Keys(t.remote.trees))
	if err != nil {
		return out, err
	}
	if len(t.remote.missing) > 0 {
		return out, fmt.Errorf("the manifests cannot be rendered: %s was not fetched", t.remote.missing[0].Name())
	}
	top := map[string]any{
		"resources":     []string{path.Join("..", copied, layer.dir)},
		"buildMetadata": []string{"originAnnotations"},
	}
	if in.Namespace != "" {
		top["namespace"] = in.Namespace
	}
	if err := writeYAML(filepath.Join(dir, "slipway", kustomizationFiles[0]), top); err != nil {
		return out, err
	}
	text, warnings, err := kustomize(ctx, dir, "slipway")
	out.Warnings = warnings
	if err != nil {
		return out, fmt.Errorf("kustomize cannot render the manifests:\n%w", err)
	}
	if out.Objects, err = decode(text); err != nil {
		return out, err
	}
	out.Files = origins(out.Objects)
	if in.Image != "" {
		err = setImages(out.Objects, in.Image, in.ImageName, in.Images)
	}
	return out, err
}

// Namespace is the one that the objects name, "" if none does.
func Namespace(objects []object.Object) string {
	i := slices.IndexFunc(objects, func(o object.Object) bool { return o.Namespace() != "" })
	if i < 0 {
		return ""
	}
	return objects[i].Namespace()
}

// originAnnotation is where kustomize notes the file that an object came from.
const originAnnotation = "config.kubernetes.io/origin"

// origins takes kustomize's notes from the objects: the file of each.
func origins(objects []object.Object) map[string]string {
	files := map[string]string{}
	for _, o := range objects {
		metadata, _ := o["metadata"].(map[string]any)
		annotations, _ := metadata["annotations"].(map[string]any)
		note, _ := annotations[originAnnotation].(string)
		delete(annotations, originAnnotation)
		if len(annotations) == 0 {
			delete(metadata, "annotations")
		}
		var origin struct{ Path string }
		if yaml.Unmarshal([]byte(note), &origin) == nil && origin.Path != "" {
			file := strings.TrimPrefix(origin.Path, "../"+copied+"/")
			files[o.String()] = object.InLine(strings.TrimPrefix(file, "../"+fetched+"/"))
		}
	}
	return files
}

func writeYAML(file string, value any) error {
	text, err := yaml.Marshal(value)
	if err != nil {
		return err
	}
	return write(file, text)
}

// write makes a file that anyone may read, with its directories: kubectl runs as nobody.
func write(file string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}
