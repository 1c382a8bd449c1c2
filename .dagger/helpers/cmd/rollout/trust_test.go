package main

import (
	"reflect"
	"testing"

	"slipway/helpers/internal/object"
)

// A live object is compared by the fields that a record has of it: what the API server
// adds is no difference, what somebody changed is one.
func TestOnly(t *testing.T) {
	live := parse(t, `{"kind":"ClusterRole","metadata":{"name":"a","uid":"1","annotations":{"x":"y"}},
		"rules":[{"verbs":["get"],"extra":1}],"added":true}`)
	for like, want := range map[string]string{
		`{"kind":"ClusterRole","metadata":{"name":"a"},"rules":[{"verbs":["get"]}]}`: "",

		`{"kind":"ClusterRole","rules":[{"verbs":["list"]}]}`:       `{"kind":"ClusterRole","rules":[{"verbs":["get"]}]}`,
		`{"kind":"ClusterRole","rules":[{"verbs":["get","list"]}]}`: `{"kind":"ClusterRole","rules":[{"verbs":["get"]}]}`,
		`{"kind":"ClusterRole","rules":[]}`:                         `{"kind":"ClusterRole","rules":[{"verbs":["get"],"extra":1}]}`,
		`{"kind":"ClusterRole","gone":1}`:                           `{"kind":"ClusterRole"}`,
		`{"kind":"ClusterRole","metadata":"text"}`:                  `{"kind":"ClusterRole","metadata":{"name":"a","uid":"1","annotations":{"x":"y"}}}`,
	} {
		if want == "" {
			want = like
		}
		got := only(map[string]any(live), map[string]any(parse(t, like)))
		if o := object.Object(got.(map[string]any)); !reflect.DeepEqual(o, parse(t, want)) {
			t.Errorf("%s: %v", like, o)
		}
	}
}

// How much of what others wrote is shown of a failure.
func TestEvidence(t *testing.T) {
	for level, want := range map[string][2]int{"": {10, 5}, "short": {10, 5}, "full": {200, 50}, "none": {0, 0}} {
		r := request{Evidence: level}
		if got := [2]int{r.evidenceLines(), r.evidenceEvents()}; got != want {
			t.Errorf("%q: %v", level, got)
		}
	}
}
