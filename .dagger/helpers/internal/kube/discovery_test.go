package kube

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"slipway/helpers/internal/object"
)

func thing(version, kind string) object.Object {
	return object.Object{"apiVersion": version, "kind": kind, "metadata": map[string]any{"name": "x:y"}}
}

func TestDiscoverAggregated(t *testing.T) {
	var accept string
	h := discovered(http.NotFoundHandler())
	c := newClient(inProcess{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		accept = r.Header.Get("Accept")
		h.ServeHTTP(w, r)
	})}, "shop")
	if err := c.Discover(t.Context()); err != nil {
		t.Fatal(err)
	}
	v2, beta := strings.Index(accept, "v=v2;"), strings.Index(accept, "v=v2beta1;")
	if v2 < 0 || beta < v2 || !strings.HasSuffix(accept, ",application/json") {
		t.Error(accept)
	}
	if len(c.Kinds()) != 5 {
		t.Error(c.Kinds())
	}
	if !slices.Equal(c.Stale(), []string{"down.dev/v1"}) {
		t.Error(c.Stale())
	}
	for _, test := range []struct{ version, kind, path, served string }{
		{"v1", "ConfigMap", "/api/v1/namespaces/shop/configmaps/x:y", "v1"},
		{"v1", "Namespace", "/api/v1/namespaces/x:y", "v1"},
		{"apps/v1", "Deployment", "/apis/apps/v1/namespaces/shop/deployments/x:y", "apps/v1"},
		{"acme.dev/v1", "Rocket", "/apis/acme.dev/v1/rockets/x:y", "acme.dev/v1"},
		{"acme.dev/v1beta1", "Rocket", "", "acme.dev/v2"},
		{"acme.dev/v1", "Station", "", ""},
		{"extensions/v1beta1", "Deployment", "", ""},
		{"down.dev/v1", "Thing", "", "down.dev/v1"}, // perhaps there, so not gone
	} {
		o := thing(test.version, test.kind)
		path, err := c.Path(o)
		if path != test.path || (err == nil) != (test.path != "") {
			t.Errorf("%v: %q, %v", test, path, err)
		}
		if got := c.InServedVersion(o).Version(); got != test.served || o.Version() != test.version {
			t.Errorf("%v: served in %q", test, got)
		}
	}
	if got := c.Complete(thing("v1", "ConfigMap")).Namespace(); got != "shop" {
		t.Error(got)
	}
	if got := c.Complete(thing("v1", "Namespace")).Namespace(); got != "" {
		t.Error(got)
	}
	there := thing("v1", "ConfigMap")
	there.Set("other", "metadata", "namespace")
	if got := c.Complete(there).Namespace(); got != "other" {
		t.Error(got)
	}
}

// plain is a server without aggregated discovery.
func plain(down reply) http.Handler {
	list := func(resources ...string) string {
		return `{"kind":"APIResourceList","resources":[` + strings.Join(resources, ",") + `]}`
	}
	kind := func(name, kind string) string {
		return fmt.Sprintf(`{"name":%q,"kind":%q,"namespaced":true,"verbs":["list","watch"]}`, name, kind)
	}
	answers := map[string]string{
		"/api":    `{"kind":"APIVersions","versions":["v1"]}`,
		"/api/v1": list(kind("pods", "Pod"), kind("pods/log", "Pod"), kind("pods/eviction", "Eviction")),
		"/apis": `{"kind":"APIGroupList","groups":[
			{"name":"acme.dev","versions":[{"groupVersion":"acme.dev/v1beta1"},{"groupVersion":"acme.dev/v1"}],
				"preferredVersion":{"groupVersion":"acme.dev/v1"}},
			{"name":"down.dev","versions":[{"groupVersion":"down.dev/v1"}],"preferredVersion":{"groupVersion":"down.dev/v1"}},
			{"name":"went.dev","versions":[{"groupVersion":"went.dev/v1"}]}]}`,
		"/apis/acme.dev/v1":      list(kind("rockets", "Rocket"), kind("rockets/status", "Rocket")),
		"/apis/acme.dev/v1beta1": list(kind("rockets", "Rocket")),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch answer, ok := answers[r.URL.Path]; {
		case ok:
			fmt.Fprint(w, answer)
		case r.URL.Path == "/apis/down.dev/v1":
			down(w, r)
		default:
			http.NotFound(w, r)
		}
	})
}

func TestDiscoverPlain(t *testing.T) {
	for name, down := range map[string]reply{
		"unavailable": text(503, "service unavailable\n"),
		"timeout":     status(504, "Timeout", "no"),
		"silent":      hang,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newClient(inProcess{plain(down)}, "shop")
				if err := c.Discover(t.Context()); err != nil {
					t.Fatal(err)
				}
				if len(c.Kinds()) != 3 || !slices.Equal(c.Stale(), []string{"down.dev/v1"}) {
					t.Error(c.Kinds(), c.Stale())
				}
				if got := c.InServedVersion(thing("acme.dev/v1alpha1", "Rocket")).Version(); got != "acme.dev/v1" {
					t.Error(got)
				}
				if r, ok := c.Resource(object.Type{Version: "v1", Kind: "Pod"}); !ok || r.Name != "pods" || !r.Namespaced || len(r.Verbs) != 2 {
					t.Error(r)
				}
				_, err := c.Path(thing("down.dev/v1", "Thing"))
				contains(t, err, "kubectl get apiservices")
				_, err = c.Path(thing("none.dev/v1", "Thing"))
				contains(t, err, "is its CustomResourceDefinition installed?")
			})
		})
	}
}

// What was known of a group stays known while its server is down.
func TestDiscoverAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		c := newClient(inProcess{plain(func(w http.ResponseWriter, r *http.Request) {
			if calls.Add(1) == 1 {
				fmt.Fprint(w, `{"resources":[{"name":"things","kind":"Thing","namespaced":true}]}`)
				return
			}
			text(503, "service unavailable")(w, r)
		})}, "shop")
		for i := range 2 {
			if err := c.Discover(t.Context()); err != nil {
				t.Fatal(err)
			}
			path, err := c.Path(thing("down.dev/v1", "Thing"))
			if path != "/apis/down.dev/v1/namespaces/shop/things/x:y" || len(c.Stale()) != i {
				t.Error(path, err, c.Stale())
			}
		}
	})
}
