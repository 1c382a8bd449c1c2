// Package layout finds the manifests of a repository that keeps them elsewhere than in a
// directory manifests.
package layout

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Read are the files that Find looks at.
var Read = []string{"**/*.yaml", "**/*.yml", "**/Kustomization"}

// Found are directories, each without those below another.
type Found struct {
	Manifests []string
	Charts    []string // of Helm
}

// workload is the line of an object that runs a service.
var workload = regexp.MustCompile(`(?m)^kind:\s*["']?(Deployment|StatefulSet|DaemonSet)["']?\s*(#.*)?$`)

// notOurs are directories with files for tests and of others, and of tools that are no service's.
var notOurs = []string{"node_modules", "testdata", "vendor"}

// Find looks for kustomizations, for objects that run a service, and for charts.
func Find(files fs.FS) Found {
	var found Found
	_ = fs.WalkDir(files, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil // What cannot be read is not there.
		}
		dir, name := path.Split(file)
		dir = path.Clean(dir)
		switch {
		case entry.IsDir() && (slices.Contains(notOurs, name) || file != "." && (name[0] == '.' || name[0] == '_')):
			return fs.SkipDir
		case entry.IsDir():
			if info, err := fs.Stat(files, path.Join(file, "Chart.yaml")); err == nil && info.Mode().IsRegular() {
				found.Charts = append(found.Charts, file)
				return fs.SkipDir
			}
		case slices.Contains([]string{"kustomization.yaml", "kustomization.yml", "Kustomization"}, name):
			found.Manifests = append(found.Manifests, top(dir))
		case entry.Type().IsRegular():
			if text, err := fs.ReadFile(files, file); err == nil && workload.Match(text) {
				found.Manifests = append(found.Manifests, top(dir))
			}
		}
		return nil
	})
	return Found{outermost(found.Manifests), outermost(found.Charts)}
}

// top is the directory that has the base in it.
func top(dir string) string {
	if path.Base(dir) == "base" {
		return path.Dir(dir)
	}
	return dir
}

// outermost leaves out what is below another.
func outermost(dirs []string) []string {
	slices.Sort(dirs)
	dirs = slices.Compact(dirs)
	return slices.DeleteFunc(slices.Clone(dirs), func(dir string) bool {
		return slices.ContainsFunc(dirs, func(other string) bool {
			return dir != other && (other == "." || strings.HasPrefix(dir, other+"/"))
		})
	})
}

// usual are names of directories that people keep a service's manifests or chart in.
var usual = []string{"chart", "charts", "deploy", "deployment", "deployments", "helm", "k8s", "kube", "kubernetes", "kustomize"}

// Usual are those of the found in a place that are in a directory with such a name, as those of
// the service itself are and those of an example are not.
func (f Found) Usual(place string) []string {
	var all []string
	for _, dir := range slices.Concat(f.Manifests, f.Charts) {
		below, inside := strings.CutPrefix(dir, place+"/")
		if place == "." {
			below, inside = dir, true
		}
		first, _, _ := strings.Cut(below, "/")
		if inside && slices.Contains(usual, strings.ToLower(first)) {
			all = append(all, dir)
		}
	}
	return all
}
