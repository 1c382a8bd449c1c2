package main

import (
	"testing"

	"slipway/helpers/internal/object"
)

func TestIsClaimOf(t *testing.T) {
	set := object.Object{"metadata": map[string]any{"name": "db"}, "spec": map[string]any{
		"selector":             map[string]any{"matchLabels": map[string]any{"app": "db"}},
		"volumeClaimTemplates": []any{map[string]any{"metadata": map[string]any{"name": "data"}}},
	}}
	for _, c := range []struct {
		name, app string
		want      bool
	}{
		{"data-db-0", "db", true},
		{"data-db-12", "db", true},
		{"data-db-0", "other", false}, // another set's, of the same name
		{"data-db", "db", false},
		{"data-db-", "db", false},
		{"data-db-0a", "db", false},
		{"data-db-2-0", "db", false}, // of the set db-2
		{"logs-db-0", "db", false},
	} {
		claim := object.Object{"metadata": map[string]any{"name": c.name, "labels": map[string]any{"app": c.app}}}
		if got := isClaimOf(claim, set); got != c.want {
			t.Errorf("%s of %s: %v", c.name, c.app, got)
		}
	}
}
