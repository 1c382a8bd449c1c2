package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	const (
		plain  = "text/plain; charset=utf-8"
		asJSON = "application/json; charset=utf-8"
	)
	versionBody := fmt.Sprintf(`{"version":"dev","revision":"unknown","go":%q}`, runtime.Version())
	tests := []struct {
		method, target string
		status         int
		contentType    string
		body           string
		allow          string
	}{
		{"GET", "/", 200, plain, "Hello World", ""},
		{"GET", "/?name=value", 200, plain, "Hello World", ""},
		{"GET", "/healthz", 200, plain, "ok", ""},
		{"GET", "/readyz", 200, plain, "ok", ""},
		{"GET", "/version", 200, asJSON, versionBody, ""},
		{"HEAD", "/", 200, plain, "", ""},
		{"HEAD", "/healthz", 200, plain, "", ""},
		{"HEAD", "/readyz", 200, plain, "", ""},
		{"HEAD", "/version", 200, asJSON, "", ""},
		{"GET", "/nowhere", 404, plain, "Not Found", ""},
		{"GET", "/healthz/", 404, plain, "Not Found", ""},
		{"HEAD", "/nowhere", 404, plain, "", ""},
		{"POST", "/nowhere", 404, plain, "Not Found", ""},
		{"OPTIONS", "*", 404, plain, "Not Found", ""},
		{"POST", "/", 405, plain, "Method Not Allowed", "GET, HEAD"},
		{"DELETE", "/version", 405, plain, "Method Not Allowed", "GET, HEAD"},
		{"OPTIONS", "/healthz", 405, plain, "Method Not Allowed", "GET, HEAD"},
	}
	s, _ := newTestServer(t, config{})
	ts := listen(t, s)
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.target, func(t *testing.T) {
			t.Parallel()
			req, err := http.NewRequestWithContext(t.Context(), tt.method, ts.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.URL.Opaque = tt.target // Sent as it is, which "*" needs.
			resp, err := ts.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body := readBody(t, resp)
			if resp.StatusCode != tt.status || body != tt.body {
				t.Errorf("got %d %q, want %d %q", resp.StatusCode, body, tt.status, tt.body)
			}
			if tt.method == http.MethodHead && resp.ContentLength <= 0 {
				t.Errorf("Content-Length is %d, want that of the body GET gives", resp.ContentLength)
			}
			for name, want := range map[string]string{
				"Content-Type":           tt.contentType,
				"Allow":                  tt.allow,
				"X-Content-Type-Options": "nosniff",
			} {
				if got := resp.Header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if resp.Header.Get("X-Request-Id") == "" {
				t.Error("X-Request-Id is missing")
			}
		})
	}
}

func TestAbortDropsTheHeadersOfAnotherAnswer(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, config{})
	s.router.GET("/late", func(c *gin.Context) {
		for _, name := range []string{"Cache-Control", "Content-Encoding", "Content-Length", "Content-Type", "ETag", "Last-Modified"} {
			c.Header(name, "7")
		}
		c.Header("Vary", "Accept")
		panic("out of cheese")
	})
	rec := httptest.NewRecorder()
	s.router.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/late", nil))
	want := http.Header{
		"Content-Type":           {"text/plain; charset=utf-8"},
		"Vary":                   {"Accept"},
		"X-Content-Type-Options": {"nosniff"},
		"X-Request-Id":           rec.Header()["X-Request-Id"],
	}
	if got := rec.Header(); rec.Code != 500 || !reflect.DeepEqual(got, want) {
		t.Errorf("got %d %v, want %v", rec.Code, got, want)
	}
}

func TestHeaderLimit(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, config{})
	ts := listen(t, s)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, ts.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", strings.Repeat("x", 2*maxHeaderBytes))
	resp, err := ts.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	readBody(t, resp)
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got %d, want 431", resp.StatusCode)
	}
}
