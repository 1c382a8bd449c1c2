package render

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"slipway/helpers/internal/object"
)

// kustomizationFiles are the names that kustomize gives a kustomization.
var kustomizationFiles = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// layer is a directory that can be rendered: base or an overlay.
type layer struct {
	dir   string   // below the manifests directory
	plain []string // its YAML files, if it has no kustomization
}

var errChart = errors.New("the manifests are a Helm chart, which is not rendered: give --manifests another directory, " +
	"with what helm template NAME CHART prints in a file of it")

// findLayer finds the directory that an overlay's name means. A kustomization goes
// before plain YAML, wherever it is: it says what belongs together.
func findLayer(manifests fs.FS, overlay string) (layer, error) {
	dirs := []string{path.Clean(overlay), path.Join("overlays", overlay)}
	if overlay == "base" {
		dirs = append(dirs, ".")
	}
	for _, dir := range dirs {
		if kustomized(manifests, dir) {
			return layer{dir: dir}, nil
		}
	}
	for _, dir := range dirs {
		if info, err := fs.Stat(manifests, path.Join(dir, "Chart.yaml")); err == nil && info.Mode().IsRegular() {
			return layer{}, errChart
		}
		if plain := plainFiles(manifests, dir); len(plain) > 0 {
			return layer{dir, plain}, nil
		}
	}
	names := overlays(manifests)
	if len(names) == 0 {
		return layer{}, ErrNoManifests
	}
	return layer{}, fmt.Errorf("%w %q in the manifests directory; there are: %s", ErrNoOverlay, overlay, object.InLine(strings.Join(names, ", ")))
}

// kustomized says whether a directory has a kustomization.
func kustomized(manifests fs.FS, dir string) bool {
	return slices.ContainsFunc(kustomizationFiles, func(name string) bool {
		info, err := fs.Stat(manifests, path.Join(dir, name))
		return err == nil && info.Mode().IsRegular()
	})
}

// plainFiles are the YAML files of a directory without those below it.
func plainFiles(manifests fs.FS, dir string) []string {
	entries, _ := fs.ReadDir(manifests, dir) // sorted
	var files []string
	for _, entry := range entries {
		if ext := path.Ext(entry.Name()); !entry.IsDir() && (ext == ".yaml" || ext == ".yml") {
			files = append(files, entry.Name())
		}
	}
	return files
}

// overlays are the names of what can be rendered.
func overlays(manifests fs.FS) []string {
	var names []string
	_ = fs.WalkDir(manifests, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && kustomized(manifests, name) {
			names = append(names, strings.TrimPrefix(name, "overlays/"))
		}
		return nil
	})
	if len(plainFiles(manifests, "base"))+len(plainFiles(manifests, ".")) > 0 || kustomized(manifests, ".") {
		names = append(names, "base")
	}
	slices.Sort(names)
	return slices.Compact(names)
}
