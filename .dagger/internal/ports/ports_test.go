package ports

import (
	"testing"
	"testing/fstest"
)

func deployment(containers string) string {
	return "kind: Deployment\nspec: {template: {spec: {containers: [" + containers + "]}}}\n"
}

func TestFind(t *testing.T) {
	const (
		web       = "{image: 'hello:1', ports: [{name: http, containerPort: 9000}, {name: metrics, containerPort: 9090}]}"
		elsewhere = "{image: 'r:5000/a@sha256:0', ports: [{containerPort: 7}]}"
		other     = "{image: hello, ports: [{name: http, containerPort: 1}]}"
		sidecar   = "{image: proxy, ports: [{name: http, containerPort: 4180}]}"
	)
	for name, c := range map[string]struct {
		files map[string]string
		image string
		want  int
	}{
		"none":                  {map[string]string{"a.yaml": "kind: Service\nspec: {ports: [{port: 80}]}\n"}, "", 0},
		"named http":            {map[string]string{"deep/down.yml": deployment(web)}, "", 9000},
		"the only one":          {map[string]string{"a.yaml": deployment("{image: a, ports: [{name: web, containerPort: 3000}]}")}, "", 3000},
		"without a name":        {map[string]string{"a.yaml": deployment("{image: a, ports: [{containerPort: 3000}]}")}, "", 3000},
		"second document":       {map[string]string{"a.yaml": "kind: Namespace\n---\n" + deployment(web)}, "", 9000},
		"two, none http":        {map[string]string{"a.yaml": deployment("{ports: [{containerPort: 1}, {containerPort: 2}]}")}, "", 0},
		"two that differ":       {map[string]string{"a.yaml": deployment(web), "b.yaml": deployment(other)}, "", 0},
		"two alike":             {map[string]string{"a.yaml": deployment(web), "b.yaml": deployment(web)}, "", 9000},
		"UDP":                   {map[string]string{"a.yaml": deployment("{ports: [{containerPort: 53, protocol: UDP}]}")}, "", 0},
		"a sidecar":             {map[string]string{"a.yaml": deployment(web + "," + sidecar)}, "", 0},
		"a sidecar, told apart": {map[string]string{"a.yaml": deployment(web + "," + sidecar)}, "hello", 9000},
		"a worker without":      {map[string]string{"a.yaml": deployment(web), "b.yaml": deployment("{image: other}")}, "", 9000},
		"not to be read":        {map[string]string{"a.yaml": "{{ .Values }}: [", "b.yaml": deployment(web)}, "", 9000},
		"another type":          {map[string]string{"a.yaml": deployment("{ports: [{containerPort: http}]}")}, "", 0},
		"no port":               {map[string]string{"a.yaml": deployment("{ports: [{containerPort: 65536}, {containerPort: 0}]}")}, "", 0},
		"another file":          {map[string]string{"a.json": deployment(web)}, "", 0},
		"a registry with port":  {map[string]string{"a.yaml": deployment(elsewhere)}, "r:5000/a", 7},
	} {
		files := fstest.MapFS{}
		for file, text := range c.files {
			files[file] = &fstest.MapFile{Data: []byte(text)}
		}
		got, found := Find(files, c.image)
		if got.Port != c.want || found != (c.want != 0) {
			t.Errorf("%s: got %v, %v", name, got, found)
		}
		if found && c.files[got.File] == "" {
			t.Errorf("%s: there is no file %q", name, got.File)
		}
	}
}

func TestBase(t *testing.T) {
	file := &fstest.MapFile{}
	for want, files := range map[string]fstest.MapFS{
		"base": {"base/a.yaml": file, "overlays/b.yaml": file},
		".":    {"a.yaml": file},
	} {
		if got := Base(files); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
