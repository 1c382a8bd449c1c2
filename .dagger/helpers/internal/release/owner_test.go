package release

import (
	"testing"

	"slipway/helpers/internal/object"
)

func TestOwns(t *testing.T) {
	owned := func(by string) object.Object {
		o := thing("v1", "Service", "web")
		o.Set(by, "metadata", "annotations", Key)
		return o
	}
	for name, test := range map[string]struct {
		live object.Object
		want bool
	}{
		"its own":             {owned("shop.web"), true},
		"another release's":   {owned("shop.api"), false},
		"another namespace's": {owned("test.web"), false},
		"nobody's":            {thing("v1", "Service", "web"), false},
		"nothing":             {nil, false},
	} {
		if got := Owns(Owner("shop", "web"), test.live); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if Owns("", nil) {
		t.Error("nothing is owned by nobody")
	}
}

func TestKeepAnnotations(t *testing.T) {
	values := map[string]map[string]bool{
		"slipway/keep":                            {"true": true, "yes": true, "": true, "false": false, " False": false},
		"helm.sh/resource-policy":                 {"keep": true, "Keep ": true, "delete": false, "": false},
		"kapp.k14s.io/delete-strategy":            {"orphan": true, "foreground": false},
		"client.lifecycle.config.k8s.io/deletion": {"detach": true, "delete": false},
		"cli-utils.sigs.k8s.io/on-remove":         {"keep": true, "delete": false},
		"kustomize.toolkit.fluxcd.io/prune":       {"disabled": true, "enabled": false},
		"argocd.argoproj.io/sync-options": {
			"Prune=false": true, "Delete=false": true, "Prune=confirm": true, "Delete=confirm": true, "Replace=true,Prune=false": true,
			"Replace=true, Delete=false": true, "Prune=true": false, "Replace=true": false, "SkipPrune=false": false,
		},
	}
	for key := range keepAnnotations {
		if values[key] == nil {
			t.Errorf("%s is not tested", key)
		}
	}
	plain := thing("v1", "ConfigMap", "c")
	for key, results := range values {
		for value, keeps := range results {
			said := plain.Clone()
			said.Set(value, "metadata", "annotations", key)
			want := ""
			if keeps {
				want = "its annotation " + key + ": " + value + " says so"
			}
			for name, got := range map[string]string{
				"in the manifest": Keep(said, plain, true), "in the cluster": Keep(plain, said, true), "gone": Keep(said, nil, true),
			} {
				if got != want {
					t.Errorf("%s: %s, %s: %q, want %q", key, value, name, got, want)
				}
			}
		}
	}
}

func TestKeepData(t *testing.T) {
	for _, test := range []struct {
		version, kind string
		holds         bool
	}{
		{"v1", "PersistentVolumeClaim", true},
		{"v1", "PersistentVolume", true},
		{"apiextensions.k8s.io/v1", "CustomResourceDefinition", true},
		{"apiextensions.k8s.io/v1beta1", "CustomResourceDefinition", true},
		{"storage.k8s.io/v1", "StorageClass", true},
		{"v1", "Secret", false},
		{"apps/v1", "StatefulSet", false},
		{"acme.dev/v1", "PersistentVolumeClaim", false},
	} {
		o := thing(test.version, test.kind, "x")
		want := ""
		if test.holds {
			want = "it holds data, which --delete-data would delete"
		}
		if got := Keep(o, o, false); got != want || HoldsData(o) != test.holds {
			t.Errorf("%s of %s: %q", test.kind, test.version, got)
		}
		if got := Keep(o, o, true); got != "" {
			t.Errorf("%s of %s is kept although its data may go: %q", test.kind, test.version, got)
		}
	}
}
