package render

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"slipway/helpers/internal/object"
)

func TestSetImages(t *testing.T) {
	tests := []struct {
		name, runs string // images of the manifests
		imageName  string
		others     map[string]string
		want       string // what is run then, or the refusal
	}{
		{"one", "hello:1", "", nil, "NEW"},
		{"one in many containers", "hello:1 hello@sha256:00", "", nil, "NEW NEW"},
		{"a name", "hello:1 redis:8", "hello", nil, "NEW redis:8"},
		{"the one that is left", "hello:1 acme/web:1", "", map[string]string{"acme/web": "WEB"}, "NEW WEB"},
		{"a third stays", "hello web redis:8", "hello", map[string]string{"web": "WEB"}, "NEW WEB redis:8"},
		{"several are left", "hello web redis:8", "", map[string]string{"web": "WEB"}, "! several images: say which one to set with --image-name: hello, redis"},
		{"none is left", "web", "", map[string]string{"web": "WEB"}, "! no image but those of --images"},
		{"a name that is not there", "hello", "hallo", nil, "! --image-name hallo: the manifests run no image of that name; they run: hello"},
		{"another that is not there", "hello", "", map[string]string{"web": "WEB"}, "! --images web: the manifests run no image of that name; they run: hello"},
		{"twice", "hello web", "web", map[string]string{"web": "WEB"}, "! both name web"},
		{"no container", "", "", nil, "! run no container"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var containers []any
			for image := range strings.FieldsSeq(tt.runs) {
				containers = append(containers, map[string]any{"image": image})
			}
			before := maps.Clone(tt.others)
			objects := []object.Object{{"kind": "Pod", "spec": map[string]any{"containers": containers}}}
			err := setImages(objects, "NEW", tt.imageName, tt.others)
			var runs []string
			for _, c := range containers {
				runs = append(runs, c.(map[string]any)["image"].(string))
			}
			if refusal, bad := strings.CutPrefix(tt.want, "! "); bad {
				if err == nil || !strings.Contains(err.Error(), refusal) || strings.Join(runs, " ") != tt.runs {
					t.Errorf("got %v and %v, want %q", err, runs, refusal)
				}
			} else if err != nil || !slices.Equal(runs, strings.Fields(tt.want)) {
				t.Errorf("got %v, %v, want %s", runs, err, tt.want)
			}
			if !maps.Equal(before, tt.others) {
				t.Error("the others have changed")
			}
		})
	}
}
