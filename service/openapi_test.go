package main

import (
	"bytes"
	"mime"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// document is openapi.json with its $refs to components resolved by get.
type document struct {
	t    *testing.T
	root map[string]any
}

func loadDocument(t *testing.T) document {
	t.Helper()
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(openAPI))
	if err != nil {
		t.Fatal(err)
	}
	return document{t, root.(map[string]any)}
}

// get walks to a member, and returns its place without $refs as a JSON pointer.
func (d document) get(pointer string) (value map[string]any, at string) {
	d.t.Helper()
	value, at = d.root, "#"
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "#/"), "/") {
		member, ok := value[strings.NewReplacer("~1", "/", "~0", "~").Replace(token)].(map[string]any)
		if !ok {
			return nil, ""
		}
		value, at = member, at+"/"+token
		if ref, ok := value["$ref"].(string); ok {
			value, at = d.get(ref)
		}
	}
	return value, at
}

func escape(token string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(token)
}

// check holds a response against what the document says of it.
func (d document) check(method, template string, resp *http.Response, body string) {
	d.t.Helper()
	operation := "#/paths/" + escape(template) + "/" + strings.ToLower(method)
	response := operation + "/responses/" + strconv.Itoa(resp.StatusCode)
	if said, _ := d.get(response); said == nil {
		d.t.Errorf("%s %s answers %s, of which the document says nothing", method, template, resp.Status)
		return
	}
	headers, _ := d.get(response + "/headers")
	for name := range headers {
		header, at := d.get(response + "/headers/" + name)
		values := resp.Header.Values(name)
		if len(values) == 0 && header["required"] == true {
			d.t.Errorf("%s %s: header %s is missing", method, template, name)
		}
		for _, value := range values {
			d.validate(at+"/schema", value)
		}
	}
	contents, _ := d.get(response + "/content")
	if contents == nil || method == http.MethodHead {
		if body != "" {
			d.t.Errorf("%s %s has a body, the document says none", method, template)
		}
		return
	}
	contentType := resp.Header.Get("Content-Type")
	_, at := d.get(response + "/content/" + escape(contentType) + "/schema")
	if at == "" {
		d.t.Errorf("%s %s is %s, of which the document says nothing", method, template, contentType)
		return
	}
	var instance any = body
	if media, _, _ := mime.ParseMediaType(contentType); media == "application/json" {
		var err error
		if instance, err = jsonschema.UnmarshalJSON(strings.NewReader(body)); err != nil {
			d.t.Errorf("%s %s: %v", method, template, err)
		}
	}
	d.validate(at, instance)
}

func (d document) validate(at string, instance any) {
	d.t.Helper()
	compiler := jsonschema.NewCompiler() // Its default is the draft that OpenAPI 3.1 has.
	if err := compiler.AddResource("openapi.json", d.root); err != nil {
		d.t.Fatal(err)
	}
	schema, err := compiler.Compile("openapi.json" + at)
	if err != nil {
		d.t.Fatalf("%s is no schema: %v", at, err)
	}
	if err := schema.Validate(instance); err != nil {
		d.t.Errorf("%v is not what %s says: %v", instance, at, err)
	}
}

// template turns gin's notation for a route into OpenAPI's.
func template(route string) string {
	parts := strings.Split(route, "/")
	for i, part := range parts {
		if name, ok := strings.CutPrefix(part, ":"); ok {
			parts[i] = "{" + name + "}"
		}
	}
	return strings.Join(parts, "/")
}

func TestOpenAPIListsTheRoutes(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, config{})
	var served, documented []string
	for _, route := range s.router.Routes() {
		served = append(served, route.Method+" "+template(route.Path))
	}
	d := loadDocument(t)
	paths, _ := d.get("#/paths")
	ids := make(map[any]bool)
	for path, item := range paths {
		for method, operation := range item.(map[string]any) {
			if method == "parameters" {
				continue
			}
			documented = append(documented, strings.ToUpper(method)+" "+path)
			id := operation.(map[string]any)["operationId"]
			if ids[id] {
				t.Errorf("two operations are called %v", id)
			}
			ids[id] = true
		}
	}
	slices.Sort(served)
	slices.Sort(documented)
	if !slices.Equal(served, documented) {
		t.Errorf("served:     %v\ndocumented: %v", served, documented)
	}
}

// Every response that the document lists is brought about, and is as it says.
func TestOpenAPIHoldsTheAnswers(t *testing.T) {
	t.Parallel()
	healthy, _ := newTestServer(t, config{})
	busy, _ := newTestServer(t, config{maxRequests: 1})
	busy.active.Store(1)
	draining, _ := newTestServer(t, config{})
	draining.draining.Store(true)
	etag := healthy.assets["page.css"].etag

	tests := []struct {
		server           *server
		template, target string
		header, value    string
	}{
		{healthy, "/", "/", "", ""},
		{healthy, "/", "/", "Accept", "text/html"},
		{healthy, "/", "/", "X-Request-Id", "mine"},
		{busy, "/", "/", "", ""},
		{healthy, "/api/whoami", "/api/whoami", "", ""},
		{busy, "/api/whoami", "/api/whoami", "", ""},
		{healthy, "/assets/{file}", "/assets/page.css", "", ""},
		{healthy, "/assets/{file}", "/assets/page.js", "", ""},
		{healthy, "/assets/{file}", "/assets/icon.svg", "", ""},
		{healthy, "/assets/{file}", "/assets/page.css", "If-None-Match", etag},
		{healthy, "/assets/{file}", "/assets/index.html", "", ""},
		{busy, "/assets/{file}", "/assets/page.css", "", ""},
		{healthy, "/healthz", "/healthz", "", ""},
		{draining, "/healthz", "/healthz", "", ""},
		{healthy, "/openapi.json", "/openapi.json", "", ""},
		{busy, "/openapi.json", "/openapi.json", "", ""},
		{healthy, "/readyz", "/readyz", "", ""},
		{draining, "/readyz", "/readyz", "", ""},
		{healthy, "/version", "/version", "", ""},
		{busy, "/version", "/version", "", ""},
	}
	d := loadDocument(t)
	seen := make(map[string]bool)
	for _, tt := range tests {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			ts := httptest.NewServer(tt.server.router)
			req, err := http.NewRequestWithContext(t.Context(), method, ts.URL+tt.target, nil)
			if err != nil {
				t.Fatal(err)
			}
			if tt.header != "" {
				req.Header.Set(tt.header, tt.value)
			}
			resp, err := ts.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			d.check(method, tt.template, resp, readBody(t, resp))
			seen[method+" "+tt.template+" "+strconv.Itoa(resp.StatusCode)] = true
			ts.Close()
		}
	}
	paths, _ := d.get("#/paths")
	for path := range paths {
		for _, method := range []string{"get", "head"} {
			responses, _ := d.get("#/paths/" + escape(path) + "/" + method + "/responses")
			for status := range responses {
				if !seen[strings.ToUpper(method)+" "+path+" "+status] {
					t.Errorf("no test brings about %s %s %s", method, path, status)
				}
			}
		}
	}
}
