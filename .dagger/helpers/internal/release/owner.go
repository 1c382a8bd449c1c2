package release

import (
	"slices"
	"strings"

	"slipway/helpers/internal/object"
	"slipway/helpers/internal/sanitize"
)

// Owner is what an object of the release carries as annotation. The namespace is part
// of it because releases of one name in two namespaces may both have cluster-wide
// objects.
func Owner(namespace, name string) string { return namespace + "." + name }

// Owns says whether a live object is the release's.
func Owns(owner string, live object.Object) bool { return live != nil && live.Annotation(Key) == owner }

// KeepAnnotation on an object keeps it in the cluster when it leaves the release.
const KeepAnnotation = "slipway/keep"

// keepAnnotations are those by which other tools are told the same, with the values
// that say so, in small letters.
var keepAnnotations = map[string]func(value string) bool{
	KeepAnnotation:                            func(v string) bool { return v != "false" },
	"helm.sh/resource-policy":                 func(v string) bool { return v == "keep" },
	"kapp.k14s.io/delete-strategy":            func(v string) bool { return v == "orphan" },
	"client.lifecycle.config.k8s.io/deletion": func(v string) bool { return v == "detach" },
	"cli-utils.sigs.k8s.io/on-remove":         func(v string) bool { return v == "keep" },
	"kustomize.toolkit.fluxcd.io/prune":       func(v string) bool { return v == "disabled" },
	"argocd.argoproj.io/sync-options": func(v string) bool {
		options := strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' })
		return slices.ContainsFunc(options, func(o string) bool {
			return o == "prune=false" || o == "delete=false" || o == "prune=confirm" || o == "delete=confirm"
		})
	},
}

// dataKinds keep data, or are what all data of a kind hangs on.
var dataKinds = []object.ID{
	{Kind: "PersistentVolumeClaim"}, {Kind: "PersistentVolume"},
	{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"},
	{Group: "storage.k8s.io", Kind: "StorageClass"},
}

// HoldsData says whether deleting the object deletes data that cannot be made again.
func HoldsData(o object.Object) bool {
	return slices.Contains(dataKinds, object.ID{Group: o.Group(), Kind: o.Kind()})
}

// Keep says why an object stays in the cluster though it leaves the release, "" if it
// goes. live may be nil.
func Keep(o, live object.Object, deleteData bool) string {
	for _, source := range []object.Object{live, o} {
		for _, key := range sortedKeys(keepAnnotations) {
			value, set := source.At("metadata", "annotations", key).(string)
			if set && keepAnnotations[key](strings.ToLower(strings.TrimSpace(value))) {
				return "its annotation " + key + ": " + sanitize.Line(value) + " says so"
			}
		}
	}
	if HoldsData(o) && !deleteData {
		return "it holds data, which --delete-data would delete"
	}
	return ""
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
