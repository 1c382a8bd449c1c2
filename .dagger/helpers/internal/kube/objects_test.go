package kube

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"slipway/helpers/internal/object"
)

func TestRead(t *testing.T) {
	for name, test := range map[string]struct {
		answer reply
		there  bool
		want   string
	}{
		"there":         {okay, true, ""},
		"no object":     {status(404, "NotFound", `configmaps "c" not found`), false, ""},
		"lost its way":  {text(404, "404 page not found\n"), false, "page not found"},
		"other's 404":   {text(404, "<html>no such host</html>"), false, "no such host"},
		"other's JSON":  {text(404, `{"type":"error","message":"cluster not found"}`), false, "cluster not found"},
		"not allowed":   {status(403, "Forbidden", "cannot get"), false, "cannot get"},
		"empty message": {text(418, ""), false, "teapot"},
	} {
		t.Run(name, func(t *testing.T) {
			live, err := connected(t, replies(test.answer)).Read(t.Context(), configMap())
			if test.want != "" {
				contains(t, err, test.want)
			} else if err != nil || (live != nil) != test.there {
				t.Errorf("%v, %v", live, err)
			}
		})
	}
}

// A path that nobody serves is no error once the kind has really gone.
func TestKindGoes(t *testing.T) {
	went := object.Object{"apiVersion": "went.dev/v1", "kind": "Comet", "metadata": map[string]any{"name": "c"}}
	for name, ask := range map[string]func(c *Client) error{
		"read":   func(c *Client) error { _, err := c.Read(t.Context(), went); return err },
		"delete": func(c *Client) error { return c.Delete(t.Context(), went, DeleteOptions{}) },
	} {
		t.Run(name, func(t *testing.T) {
			c := connected(t, replies(text(404, "404 page not found\n")))
			c.resources[went.Type()] = Resource{Name: "comets"}
			if err := ask(c); err != nil {
				t.Error(err)
			}
			if _, served := c.Resource(went.Type()); served {
				t.Error("the kind is still known")
			}
		})
	}
}

// What each function asks for.
func TestRequests(t *testing.T) {
	ctx := t.Context()
	there := configMap()
	there.Set("9", "metadata", "resourceVersion")
	for name, test := range map[string]struct {
		do         func(c *Client) error
		want, body string
	}{
		"create": {func(c *Client) error { _, err := c.Create(ctx, configMap()); return err },
			"POST /api/v1/namespaces/shop/configmaps?fieldManager=slipway", `"name":"c"`},
		"apply": {func(c *Client) error { _, err := c.Apply(ctx, configMap(), ApplyOptions{}); return err },
			"PATCH /api/v1/namespaces/shop/configmaps/c?fieldManager=slipway&fieldValidation=Strict&force=false", `"name":"c"`},
		"dry run": {func(c *Client) error {
			_, err := c.Apply(ctx, configMap(), ApplyOptions{Force: true, DryRun: true, Manager: "kubectl"})
			return err
		}, "PATCH /api/v1/namespaces/shop/configmaps/c?dryRun=All&fieldManager=kubectl&fieldValidation=Strict&force=true", `"name":"c"`},
		"update": {func(c *Client) error { _, err := c.Update(ctx, there); return err },
			"PUT /api/v1/namespaces/shop/configmaps/c?fieldManager=slipway", `"resourceVersion":"9"`},
		"JSON patch": {func(c *Client) error {
			_, err := c.JSONPatch(ctx, there, []map[string]any{{"op": "remove", "path": "/data"}})
			return err
		}, "PATCH /api/v1/namespaces/shop/configmaps/c?fieldManager=slipway", `[{"op":"remove","path":"/data"}]`},
		"merge patch": {func(c *Client) error { _, err := c.MergePatch(ctx, there, object.Object{"data": nil}); return err },
			"PATCH /api/v1/namespaces/shop/configmaps/c?fieldManager=slipway", `{"data":null}`},
		"delete": {func(c *Client) error { return c.Delete(ctx, there, DeleteOptions{}) },
			"DELETE /api/v1/namespaces/shop/configmaps/c", `"propagationPolicy":"Foreground"`},
		"delete this one": {func(c *Client) error { return c.Delete(ctx, there, DeleteOptions{UID: "u", Propagation: "Orphan"}) },
			"DELETE /api/v1/namespaces/shop/configmaps/c", `"preconditions":{"uid":"u"},"propagationPolicy":"Orphan"`},
		"log": {func(c *Client) error { _, err := c.Log(ctx, "shop", "p", LogOptions{"main", 7, true}); return err },
			"GET /api/v1/namespaces/shop/pods/p/log?container=main&limitBytes=65536&previous=true&tailLines=7", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := replies(okay)
			if err := test.do(connected(t, s)); err != nil {
				t.Fatal(err)
			}
			if s.seen[0] != test.want || !strings.Contains(s.body[0], test.body) {
				t.Errorf("%s\n%s", s.seen[0], s.body[0])
			}
		})
	}
}

// A deletion without a name would be one of everything.
func TestNameless(t *testing.T) {
	s := replies(okay)
	c := connected(t, s)
	o := configMap()
	o.Delete("metadata", "name")
	contains(t, c.Delete(t.Context(), o, DeleteOptions{}), "without a name")
	_, err := c.MergePatch(t.Context(), o, object.Object{})
	contains(t, err, "without a name")
	if s.count() != 0 {
		t.Error(s.seen)
	}
}

func TestDelete(t *testing.T) {
	other := status(409, "Conflict", `Operation cannot be
			fulfilled on configmaps "c": Precondition failed: UID in precondition: u, UID in object meta: v`)
	for name, test := range map[string]struct {
		answer reply
		opts   DeleteOptions
		want   string
	}{
		"gone":          {status(404, "NotFound", "gone"), DeleteOptions{}, ""},
		"lost its way":  {text(404, "404 page not found\n"), DeleteOptions{}, "page not found"},
		"other of name": {other, DeleteOptions{UID: "u"}, ""},
		"forbidden":     {status(403, "Forbidden", "cannot delete"), DeleteOptions{}, "cannot delete"},
		"no way":        {text(404, "<html>wrong host</html>"), DeleteOptions{}, "wrong host"},
	} {
		t.Run(name, func(t *testing.T) {
			err := connected(t, replies(test.answer)).Delete(t.Context(), configMap(), test.opts)
			if test.want != "" {
				contains(t, err, test.want)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	c := connected(t, http.NotFoundHandler())
	named := func(version string) object.Object {
		return object.Object{"apiVersion": version, "kind": "Thing", "metadata": map[string]any{"name": "t"}}
	}
	if err := c.Delete(t.Context(), named("gone.dev/v1"), DeleteOptions{}); err != nil {
		t.Errorf("of a kind that is served no longer: %v", err)
	}
	contains(t, c.Delete(t.Context(), named("down.dev/v1"), DeleteOptions{}), "is down")
}

func TestCreate(t *testing.T) {
	exists := status(409, "AlreadyExists", `configmaps "c" already exists`)
	generated := object.Object{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"generateName": "c-"}}
	for name, test := range map[string]struct {
		object   object.Object
		answers  []reply
		want     string
		not      string
		attempts int
	}{
		"there already":              {configMap(), []reply{exists}, "already exists", "perhaps", 1},
		"there after a lost answer":  {configMap(), []reply{cut, exists}, "perhaps made by this request's first attempt", "", 2},
		"there after waiting":        {configMap(), []reply{status(429, "TooManyRequests", "wait"), exists}, "already exists", "perhaps", 2},
		"quota changed meanwhile":    {configMap(), []reply{status(409, "Conflict", "quota: the object has been modified"), okay}, "", "", 2},
		"generated, answer lost":     {generated, []reply{cut, okay}, "reset by peer", "", 1},
		"generated, told to wait":    {generated, []reply{status(429, "TooManyRequests", "wait"), okay}, "", "", 2},
		"generated, not acceptable":  {generated, []reply{status(422, "Invalid", "no")}, "no", "", 1},
		"answer lost before it came": {configMap(), []reply{cut, okay}, "", "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := replies(test.answers...)
				_, err := connected(t, s).Create(t.Context(), test.object)
				if test.want != "" {
					contains(t, err, test.want)
				} else if err != nil {
					t.Error(err)
				}
				if test.not != "" && strings.Contains(err.Error(), test.not) {
					t.Error(err)
				}
				if strings.Contains(test.want, "perhaps") && !IsReason(err, "AlreadyExists") {
					t.Error("the reason is lost")
				}
				if s.count() != test.attempts {
					t.Errorf("%d attempts", s.count())
				}
			})
		})
	}
}

// An apply that asks for a certain resourceVersion would meet its lock again.
func TestApplyOfVersion(t *testing.T) {
	s := replies(status(409, "Conflict", "the object has been modified"))
	o := configMap()
	o.Set("9", "metadata", "resourceVersion")
	_, err := connected(t, s).Apply(t.Context(), o, ApplyOptions{})
	if !IsReason(err, "Conflict") || s.count() != 1 {
		t.Errorf("%v after %d attempts", err, s.count())
	}
}

func TestList(t *testing.T) {
	page := func(next string, names ...string) reply {
		items := make([]string, len(names))
		for i, name := range names {
			items[i] = fmt.Sprintf(`{"metadata":{"name":%q}}`, name)
		}
		return text(200, fmt.Sprintf(`{"kind":"ConfigMapList","metadata":{"continue":%q},"items":[%s]}`, next, strings.Join(items, ",")))
	}
	expired := status(410, "Expired", "the provided continue parameter is too old")
	for name, test := range map[string]struct {
		answers []reply
		want    string
		last    string
	}{
		"pages": {[]reply{page("x", "a", "b"), page("", "c")}, "a b c",
			"GET /api/v1/namespaces/shop/configmaps?continue=x&labelSelector=a%3Db&limit=500"},
		"expired": {[]reply{page("x", "a"), expired, page("", "a", "b")}, "a b",
			"GET /api/v1/namespaces/shop/configmaps?labelSelector=a%3Db"},
		"none": {[]reply{page("")}, "", "GET /api/v1/namespaces/shop/configmaps?labelSelector=a%3Db&limit=500"},
	} {
		t.Run(name, func(t *testing.T) {
			s := replies(test.answers...)
			query := url.Values{"labelSelector": {"a=b"}}
			items, err := connected(t, s).List(t.Context(), object.Type{Version: "v1", Kind: "ConfigMap"}, "shop", query)
			var names []string
			for _, item := range items {
				names = append(names, item.Name())
				if item.Type() != (object.Type{Version: "v1", Kind: "ConfigMap"}) {
					t.Error(item)
				}
			}
			if err != nil || strings.Join(names, " ") != test.want || s.seen[len(s.seen)-1] != test.last || len(query) != 1 {
				t.Errorf("%v, %v\n%s", names, err, s.seen[len(s.seen)-1])
			}
		})
	}
	s := replies(page(""))
	if _, err := connected(t, s).List(t.Context(), object.Type{Version: "v1", Kind: "ConfigMap"}, "", nil); err != nil ||
		s.seen[0] != "GET /api/v1/configmaps?limit=500" {
		t.Error(s.seen, err)
	}
	_, err := connected(t, s).List(t.Context(), object.Type{Version: "x.dev/v1", Kind: "X"}, "", nil)
	var unknown *UnknownKindError
	if !errors.As(err, &unknown) || unknown.Type.Kind != "X" {
		t.Error(err)
	}
}

func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			answer reply
			want   string
			after  time.Duration
		}{
			{status(500, "InternalError", "node is gone"), "node is gone", 0},
			{hang, "no log within 10s", logWait},
		} {
			s := replies(test.answer)
			start := time.Now()
			_, err := connected(t, s).Log(t.Context(), "shop", "p", LogOptions{})
			contains(t, err, test.want)
			if s.count() != 1 || time.Since(start) != test.after || strings.Contains(s.seen[0], "container") {
				t.Error(s.seen, time.Since(start))
			}
		}
	})
	got, err := connected(t, replies(text(200, strings.Repeat("x", logLimit+9)))).Log(t.Context(), "shop", "p", LogOptions{})
	if len(got) != logLimit || err != nil {
		t.Error(len(got), err)
	}
}
