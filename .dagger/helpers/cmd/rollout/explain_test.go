package main

import (
	"strings"
	"testing"

	"slipway/helpers/internal/check"
	"slipway/helpers/internal/object"
)

func TestWayOut(t *testing.T) {
	service := object.Object{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "s"}}
	claim := object.Object{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": map[string]any{"name": "c"}}
	for _, c := range []struct {
		o             object.Object
		message, want string
	}{
		{service, "Required value", ""},
		{service, "field is immutable",
			": it cannot be changed in place: give the object another name, or delete it yourself and deploy again (kubectl delete service/s)"},
		{claim, "spec is immutable after creation",
			": it cannot be changed in place: leave the field as it was, or give the object another name"},
	} {
		if got := wayOut(c.o, c.message); got != c.want {
			t.Errorf("%s: %q, want %q", c.message, got, c.want)
		}
	}
}

// A name that ends a line would begin another that nobody wrote.
func TestFindingsAreLines(t *testing.T) {
	err := unfit([]check.Finding{{Where: "a.yaml: Pod/x", Text: "there is no ConfigMap y\nrelease 9 of web serves"}})
	if lines := strings.Count(err.Error(), "\n"); lines != 1 {
		t.Error(err)
	}
}
