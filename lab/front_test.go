package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"
)

// FuzzNoRequestWritesAStandIn compares the front's reading of a request with that of the registry behind it,
// which takes everything between /v2/ and the last words of a path for the repository.
func FuzzNoRequestWritesAStandIn(f *testing.F) {
	for _, target := range []string{
		"/v2/library/golang/manifests/1", "/v2/hello/blobs/uploads/", "/v2/hello/blobs/uploads/1?digest=sha256:0",
		"/v2/kubectl/manifests/v1?ns=docker.io",
		"/v2/hello/../library/golang/manifests/1", "/v2/library%2fgolang/manifests/1", "//v2//kubectl//manifests//v1",
		"http://docker.io/v2/kubectl/manifests/v1",
		"/v2/blobs/uploads/manifests/kubectl", "/v2/_catalog", "/v2/hello/tags/list",
		"/v2/hello\\..\\kubectl/manifests/v1", "/v2/hello/manifests/..%00",
	} {
		for _, method := range []string{"GET", "PUT", "POST", "PATCH", "DELETE"} {
			f.Add(method, target)
		}
	}
	own := map[string]string{"library/golang": "docker.io", "kubectl": "registry.k8s.io", "rancher/k3s": "docker.io"}
	f.Fuzz(func(t *testing.T, method, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		reads := method == http.MethodGet || method == http.MethodHead
		behind := func(standIns bool) http.Handler {
			return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if reads {
					return
				}
				words := strings.Split(strings.TrimSuffix(r.URL.Path, "/"), "/")
				if standIns || len(words) < 5 {
					t.Fatalf("%s %q reaches the stand-ins or no repository", method, target)
				}
				repository := r.URL.Host + path.Join(words[2:len(words)-2]...)
				if words[len(words)-2] == "uploads" {
					repository = r.URL.Host + path.Join(words[2:len(words)-3]...)
				}
				if own[repository] != "" || !publishable.MatchString(repository) {
					t.Fatalf("%s %q writes to %q", method, target, repository)
				}
			})
		}
		r := (&http.Request{Method: method, URL: u, Header: http.Header{}}).WithContext(t.Context())
		front{own, behind(true), behind(false)}.ServeHTTP(httptest.NewRecorder(), r)
	})
}
