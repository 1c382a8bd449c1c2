package kube

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestMissing(t *testing.T) {
	c := connected(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		allowed := strings.Contains(string(body), `"verb":"get"`)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"kind":"SelfSubjectAccessReview","status":{"allowed":%t}}`, allowed)
	}))
	var rights []Right
	for i := range 40 {
		rights = append(rights, Right{Verb: []string{"get", "patch"}[i%2], Group: "apps", Resource: "deployments", Namespace: fmt.Sprint(i)})
	}
	missing, err := c.Missing(t.Context(), rights)
	if err != nil || len(missing) != 20 || missing[0] != rights[1] || missing[19] != rights[39] {
		t.Error(missing, err)
	}
	_, err = connected(t, replies(status(403, "Forbidden", "cannot create reviews"))).Missing(t.Context(), rights)
	contains(t, err, "cannot create reviews")
}

func TestRightString(t *testing.T) {
	for want, r := range map[string]Right{
		"patch deployments.apps in namespace shop": {"patch", "apps", "deployments", "", "shop"},
		"create pods/portforward in namespace a":   {"create", "", "pods", "portforward", "a"},
		"get namespaces":                           {"get", "", "namespaces", "", ""},
	} {
		if r.String() != want {
			t.Error(r)
		}
	}
}
