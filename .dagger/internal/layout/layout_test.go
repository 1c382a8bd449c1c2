package layout

import (
	"fmt"
	"reflect"
	"testing"
	"testing/fstest"
)

func TestFind(t *testing.T) {
	const deployment = "apiVersion: apps/v1\nkind: Deployment # of the service\n"
	for name, test := range map[string]struct {
		files map[string]string
		want  Found
	}{
		"nothing":               {nil, Found{}},
		"other YAML":            {map[string]string{"compose.yaml": "services: {}", "a.yml": "kind: Config", "b.yaml": "text: |\n  kind: Deployment"}, Found{}},
		"plain YAML":            {map[string]string{"k8s/all.yml": "kind: Service\n---\n" + deployment}, Found{Manifests: []string{"k8s"}}},
		"base and environments": {map[string]string{"deploy/base/d.yaml": deployment, "deploy/envs/prod/kustomization.yaml": ""}, Found{Manifests: []string{"deploy"}}},
		"at the top":            {map[string]string{"deployment.yaml": deployment, "k8s/kustomization.yml": ""}, Found{Manifests: []string{"."}}},
		"two":                   {map[string]string{"b/Kustomization": "", "a/x.yaml": "kind: \"StatefulSet\""}, Found{Manifests: []string{"a", "b"}}},
		"a chart":               {map[string]string{"charts/web/Chart.yaml": "", "charts/web/templates/d.yaml": deployment}, Found{Charts: []string{"charts/web"}}},
		"of others":             {map[string]string{"vendor/a/d.yaml": deployment, "x/testdata/d.yaml": deployment, ".github/d.yaml": deployment, "_old/d.yaml": deployment}, Found{}},
	} {
		t.Run(name, func(t *testing.T) {
			files := fstest.MapFS{}
			for file, text := range test.files {
				files[file] = &fstest.MapFile{Data: []byte(text)}
			}
			got := Find(files)
			if len(got.Manifests)+len(got.Charts)+len(test.want.Manifests)+len(test.want.Charts) > 0 && !reflect.DeepEqual(normal(got), normal(test.want)) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func normal(f Found) Found {
	return Found{append([]string{}, f.Manifests...), append([]string{}, f.Charts...)}
}

func TestUsual(t *testing.T) {
	found := Found{[]string{"services/api/Deploy/eu", "k8s", "examples/k8s", "."}, []string{"helm/web", "web"}}
	for place, want := range map[string]string{".": "[k8s helm/web]", "services/api": "[services/api/Deploy/eu]", "services": "[]", "examples": "[examples/k8s]"} {
		if got := fmt.Sprint(found.Usual(place)); got != want {
			t.Errorf("%s: %s", place, got)
		}
	}
}
