package render

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestFindLayer(t *testing.T) {
	for name, test := range map[string]struct {
		files   string // with spaces between
		overlay string
		want    string // directory, or the beginning of an error after "! "
	}{
		"base":              {"base/kustomization.yaml", "base", "base"},
		"an overlay":        {"base/a.yaml overlays/prod/Kustomization", "prod", "overlays/prod"},
		"an environment":    {"base/a.yaml envs/prod/kustomization.yml", "envs/prod", "envs/prod"},
		"plain at the top":  {"a.yml", "base", "."},
		"not there":         {"base/a.yaml envs/prod/kustomization.yml", "prod", `! there is no overlay "prod" in the manifests directory; there are: base, envs/prod`},
		"nothing":           {"README.md", "base", "! there are no manifests"},
		"a chart":           {"Chart.yaml values.yaml templates/a.yaml", "base", "! the manifests are a Helm chart, which is not rendered: give --manifests"},
		"a chart as base":   {"base/Chart.yaml base/values.yaml", "base", "! the manifests are a Helm chart"},
		"a chart beside":    {"Chart.yaml base/a.yaml", "base", "base"},
		"a chart, rendered": {"Chart.yaml kustomization.yaml", "base", "."},
	} {
		t.Run(name, func(t *testing.T) {
			files := fstest.MapFS{}
			for file := range strings.FieldsSeq(test.files) {
				files[file] = &fstest.MapFile{}
			}
			got, err := findLayer(files, test.overlay)
			if want, refused := strings.CutPrefix(test.want, "! "); refused {
				if err == nil || !strings.HasPrefix(err.Error(), want) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || got.dir != test.want {
				t.Errorf("got %s, %v", got.dir, err)
			}
		})
	}
}
