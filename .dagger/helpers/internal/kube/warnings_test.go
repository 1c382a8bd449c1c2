package kube

import (
	"net/http"
	"reflect"
	"strconv"
	"testing"
)

func TestWarnings(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) {
		// As captured from an API server.
		w.Header().Add("Warning", `299 - "unknown field \"spec.replica\""`)
		w.Header().Add("Warning", `299 - "would violate PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false"`)
		w.Header().Add("Warning", `299 - "unknown field \"spec.replica\""`)
		okay(w, r)
	}
	c := connected(t, replies(answer))
	if _, err := c.Read(t.Context(), configMap()); err != nil {
		t.Fatal(err)
	}
	if kept, more := c.Warnings(); len(kept) != 0 || more != 0 {
		t.Errorf("of a read: %q, and %d more", kept, more)
	}
	c = connected(t, replies(answer, answer))
	for range 2 {
		if _, err := c.Apply(t.Context(), configMap(), ApplyOptions{DryRun: true}); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{`unknown field "spec.replica"`, `would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false`}
	if kept, more := c.Warnings(); !reflect.DeepEqual(kept, want) || more != 0 {
		t.Errorf("%q, and %d more", kept, more)
	}
	for i := range warningLimit {
		c.warnings.add(http.Header{"Warning": {`299 - "` + strconv.Itoa(i) + `"`}})
	}
	if kept, more := c.Warnings(); len(kept) != warningLimit || more != 2 {
		t.Errorf("%d, and %d more", len(kept), more)
	}
}

func TestWarningTexts(t *testing.T) {
	for value, want := range map[string][]string{
		`299 - "a"`:                                            {"a"},
		`299 kube-apiserver "a \"b\", \\ c"`:                   {`a "b", \ c`},
		`299 - "a", 299 - "b" , 199 - "no", 299 - "c"`:         {"a", "b", "c"},
		`299 - "a" "Mon, 02 Jan 2006 15:04:05 GMT", 299 - "b"`: {"a", "b"},
		`299 - "" , 299 - "  "`:                                nil,
		``:                                                     nil,
		`299`:                                                  nil,
		`299 - a`:                                              nil,
		`299 - "a`:                                             nil,
		`299 - "a\`:                                            nil,
		`299 - "a" 299 - "b`:                                   {"a"},
		"299 - \"\x1b[2J\"":                                    {"\x1b[2J"}, // shown by what prints it
	} {
		if got := warningTexts(value); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q", value, got)
		}
	}
}
