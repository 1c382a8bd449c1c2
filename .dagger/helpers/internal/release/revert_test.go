package release

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
)

func TestChanges(t *testing.T) {
	for name, test := range map[string]struct{ from, to, want string }{
		"nothing":            {`{"a":1}`, `{"a":1}`, `{}`},
		"value":              {`{"a":1}`, `{"a":2}`, `{"a":2}`},
		"added":              {`{}`, `{"a":{"b":1}}`, `{"a":{"b":1}}`},
		"gone":               {`{"a":1,"b":2}`, `{"b":2}`, `{"a":null}`},
		"below":              {`{"s":{"a":1,"b":2,"c":3}}`, `{"s":{"a":1,"b":9,"d":4}}`, `{"s":{"b":9,"c":null,"d":4}}`},
		"equal below":        {`{"s":{"a":{"b":1}}}`, `{"s":{"a":{"b":1}}}`, `{}`},
		"a list is whole":    {`{"l":[1,2]}`, `{"l":[1,3]}`, `{"l":[1,3]}`},
		"list to nothing":    {`{"l":[1,2]}`, `{"l":[]}`, `{"l":[]}`},
		"map to text":        {`{"a":{"b":1}}`, `{"a":"t"}`, `{"a":"t"}`},
		"text to map":        {`{"a":"t"}`, `{"a":{"b":1}}`, `{"a":{"b":1}}`},
		"to an empty map":    {`{"a":{"b":1}}`, `{"a":{}}`, `{"a":{"b":null}}`},
		"emptyDir for claim": {`{"v":{"claim":{"name":"x"}}}`, `{"v":{"emptyDir":{}}}`, `{"v":{"claim":null,"emptyDir":{}}}`},
		"64 bits":            {`{"a":9223372036854775806}`, `{"a":9223372036854775807}`, `{"a":9223372036854775807}`},
	} {
		from, to := tree(t, test.from), tree(t, test.to)
		if got, _ := json.Marshal(changes(from, to)); string(got) != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
		back, _ := json.Marshal(merged(from, changes(from, to)))
		if string(back) != test.to {
			t.Errorf("%s: the patch leads to %s, not to %s", name, back, test.to)
		}
	}
}

func TestRelevant(t *testing.T) {
	o := tree(t, `{"apiVersion":"apps/v1","kind":"Deployment","spec":{"replicas":1},"status":{"replicas":1},"metadata":{
		"name":"web","namespace":"shop","uid":"u","resourceVersion":"1","generation":3,"managedFields":[{}],"creationTimestamp":"t",
		"labels":{"app":"web"},"annotations":{"team":"blue","deployment.kubernetes.io/revision":"4"},
		"finalizers":["x/y"],"ownerReferences":[{"uid":"o"}]}}`)
	want := `{"metadata":{"annotations":{"team":"blue"},"finalizers":["x/y"],"labels":{"app":"web"},` +
		`"ownerReferences":[{"uid":"o"}]},"spec":{"replicas":1}}`
	if got, _ := json.Marshal(relevant(o)); string(got) != want {
		t.Errorf("%s", got)
	}
	if o.Annotation("deployment.kubernetes.io/revision") != "4" || o.UID() != "u" || o.At("status") == nil {
		t.Error("the object itself has changed")
	}
	if got, _ := json.Marshal(relevant(thing("v1", "ConfigMap", "c"))); string(got) != `{"metadata":{}}` {
		t.Errorf("%s", got)
	}
}

func TestReplicasAreScaled(t *testing.T) {
	for name, want := range map[string]bool{"foreign": true, "ours": false, "scaled": true} {
		if got := replicasAreScaled(captured(t, name)); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if replicasAreScaled(nil) || replicasAreScaled(managed(fields("keda", "Update", "scale", "apps/v1", "spec.other"))) {
		t.Error("something is scaled without a number of pods")
	}
}

func TestConflicts(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"another write": {&kube.StatusError{Code: 409, Reason: "Conflict"}, true},
		"failed test": {fmt.Errorf("x: %w", &kube.StatusError{Code: 422, Reason: "Invalid",
			Message: "the server rejected our request due to an error in our request"}), true},
		"invalid": {&kube.StatusError{Code: 422, Reason: "Invalid", Message: "spec.x: Required value"}, false},
		"no way":  {errors.New("the server rejected our request"), false},
		"none":    {nil, false},
	} {
		if got := conflicts(test.err); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// An object goes back to what it was, with those who had set its fields; what others
// changed since stays.
func TestRevert(t *testing.T) {
	before := captured(t, "foreign")
	before.Set("shop", "metadata", "namespace")
	before.Delete("metadata", "managedFields")
	before.Set([]any{
		fields("helm", "Update", "", "apps/v1", "spec.template"), fields("kube-controller-manager", "Update", "status", "apps/v1", "status.old"),
	}, "metadata", "managedFields")
	after := before.Clone()
	after.Set("registry/shop:2", "spec", "template", "spec", "image")
	after.Set("new", "metadata", "labels", "made-by-release")
	after.Delete("metadata", "annotations", "team")
	after.Set(json.Number("5"), "spec", "replicas")
	after.Set([]any{fields("slipway", "Apply", "", "apps/v1", "spec.template")}, "metadata", "managedFields")
	now := after.Clone()
	now.Set("kept", "metadata", "labels", "of-somebody")
	now.Set("7", "metadata", "annotations", "deployment.kubernetes.io/revision")
	status := fields("kube-controller-manager", "Update", "status", "apps/v1", "status.new")
	now.Set([]any{fields("slipway", "Apply", "", "apps/v1", "spec.template"), status}, "metadata", "managedFields")
	scaled := now.Clone()
	scaled.Set(json.Number("9"), "spec", "replicas")
	scaled.Set(append(now.At("metadata", "managedFields").([]any), fields("hpa", "Update", "scale", "apps/v1", "spec.replicas")),
		"metadata", "managedFields")
	another := now.Clone()
	another.Set("another", "metadata", "uid")

	for name, test := range map[string]struct {
		now, after object.Object
		replicas   string
		somebodys  string // the label that somebody else set since
	}{
		"changed":                   {now, after, "2", "kept"},
		"nobody knows what it made": {now, nil, "2", ""},
		"scaled since":              {scaled, after, "9", "kept"},
		"another of its name":       {another, after, "2", ""},
		"gone":                      {nil, after, "2", ""},
		"unchanged":                 {before, before, "2", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var there []object.Object
			if test.now != nil {
				there = append(there, test.now)
			}
			client, server := connect(t, there...)
			if err := Revert(t.Context(), client, before, test.after); err != nil {
				t.Fatal(err)
			}
			got := server.live(t, client, before)
			template, _ := json.Marshal(got.At("spec", "template"))
			if want, _ := json.Marshal(before.At("spec", "template")); string(template) != string(want) {
				t.Errorf("template %s, want %s", template, want)
			}
			if fmt.Sprint(got.At("spec", "replicas")) != test.replicas || got.Annotation("team") != "blue" || got.Label("made-by-release") != "" ||
				got.Label("of-somebody") != test.somebodys {
				t.Errorf("replicas %v, annotations %v, labels %v", got.At("spec", "replicas"), got.At("metadata", "annotations"),
					got.At("metadata", "labels"))
			}
			if test.now != nil && got.Annotation("deployment.kubernetes.io/revision") != test.now.Annotation("deployment.kubernetes.io/revision") {
				t.Error("the controller's annotation went back")
			}
			set, _ := got.At("metadata", "managedFields").([]any)
			if entry(set, Manager) != nil || entry(set, "helm") == nil {
				t.Errorf("who set what: %q", managers(set))
			}
			if e := entry(set, "kube-controller-manager"); test.now != nil && name != "unchanged" && e.At("fieldsV1", "f:status", "f:new") == nil {
				t.Errorf("what a controller set went back: %v", set)
			}
			if name == "unchanged" && len(server.writes) != 0 {
				t.Errorf("%q", server.writes)
			}
		})
	}
}

func TestRevertFails(t *testing.T) {
	before := thing("apps/v1", "Deployment", "web")
	before.Set([]any{fields("helm", "Update", "", "apps/v1", "spec.a")}, "metadata", "managedFields")
	after := before.Clone()
	after.Set("1", "spec", "a")
	after.Set("u", "metadata", "uid")
	after.Set([]any{fields("slipway", "Apply", "", "apps/v1", "spec.a")}, "metadata", "managedFields")
	client, server := connect(t, after)
	if err := Revert(t.Context(), client, thing("acme.dev/v1", "Rocket", "r"), nil); err == nil {
		t.Error("an object of an unknown kind went back")
	}
	old := thing("apps/v1beta1", "Deployment", "old") // as it was applied: nobody knows who had set what
	if err := Revert(t.Context(), client, old, nil); err != nil || server.live(t, client, thing("apps/v1", "Deployment", "old")) == nil {
		t.Errorf("of a version that is served no longer: %v", err)
	}
	anew := after.Clone()
	anew.Set("anew", "metadata", "uid")
	anew.Set("shop.another", "metadata", "annotations", Key)
	another, server2 := connect(t, anew)
	if err := Revert(t.Context(), another, before, after); err == nil || !strings.Contains(err.Error(), "made it anew") ||
		len(server2.writes) != 0 {
		t.Errorf("%v, %q", err, server2.writes)
	}
	// Somebody changes the object each time between reading and writing it.
	patches := 0
	server.refuse = func(r *http.Request) (int, string) {
		if r.Header.Get("Content-Type") == "application/json-patch+json" {
			patches++
			return http.StatusConflict, "Conflict"
		}
		return 0, ""
	}
	if err := Revert(t.Context(), client, before, after); err != nil || patches != 10 {
		t.Errorf("%v after %d attempts", err, patches)
	}
	server.refuse = func(r *http.Request) (int, string) {
		if r.Method == http.MethodPatch {
			return http.StatusForbidden, "Forbidden"
		}
		return 0, ""
	}
	if err := Revert(t.Context(), client, before, after); !kube.IsReason(err, "Forbidden") {
		t.Errorf("%v", err)
	}
}
