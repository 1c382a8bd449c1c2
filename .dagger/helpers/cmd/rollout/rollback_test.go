package main

import (
	"strings"
	"testing"

	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
)

func TestRunsVerified(t *testing.T) {
	const image, other = "registry.test/web@sha256:aa", "registry.test/web@sha256:bb"
	pods := func(images ...string) []object.Object {
		var containers []any
		for _, i := range images {
			containers = append(containers, map[string]any{"name": "c", "image": i})
		}
		return []object.Object{
			{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "web"}},
			{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web"},
				"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": containers}}}},
		}
	}
	for name, c := range map[string]struct {
		record release.Record
		want   string
	}{
		"runs it":           {release.Record{Image: image, Objects: pods(image)}, ""},
		"beside a sidecar":  {release.Record{Image: image, Objects: pods("proxy:1", image)}, ""},
		"was changed":       {release.Record{Image: other, Objects: pods(other)}, "is no longer what was verified"},
		"runs another":      {release.Record{Image: image, Objects: pods("registry.test/evil@sha256:aa")}, "nothing in it runs"},
		"runs another, too": {release.Record{Image: image, Objects: pods(image, other)}, "runs registry.test/web@sha256:bb, which is not"},
		"runs a tag, too":   {release.Record{Image: image, Objects: pods(image, "registry.test/web:latest")}, "web:latest, which is not"},
		"runs nothing":      {release.Record{Image: image, Objects: pods()}, "nothing in it runs"},
	} {
		err := runsVerified(c.record, image)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q", name, err, c.want)
		}
	}
}
