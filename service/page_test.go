package main

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
)

func TestHelloNegotiates(t *testing.T) {
	t.Parallel()
	const chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
	tests := []struct {
		name, accept string
		page         bool
	}{
		{"browser", chrome, true},
		{"curl", "*/*", false},
		{"nothing", "", false},
		{"text first", "text/plain, text/html", false},
		{"another type", "application/json", false},
		{"nonsense", ";;,text/html", true},
	}
	s, _ := newTestServer(t, config{identity: identity{Pod: "hello-1"}})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			req := httptest.NewRequest(http.MethodGet, "/", nil)
			req.Header.Set("Accept", tt.accept)
			rec := httptest.NewRecorder()
			s.router.ServeHTTP(rec, req)
			if rec.Code != 200 || rec.Header().Get("Vary") != "Accept" {
				t.Errorf("got %d, Vary %q", rec.Code, rec.Header().Get("Vary"))
			}
			if !tt.page {
				if rec.Body.String() != "Hello World" {
					t.Errorf("got %q", rec.Body)
				}
				return
			}
			for _, want := range []string{"<h1>Hello World</h1>", ">dev<", ">hello-1<"} {
				if !strings.Contains(rec.Body.String(), want) {
					t.Errorf("the page lacks %q", want)
				}
			}
			if rec.Header().Get("Content-Security-Policy") != contentSecurityPolicy {
				t.Error("the page has no Content-Security-Policy")
			}
		})
	}
}

// The policy forbids what is inline or elsewhere; a browser would only say so in
// its console.
func TestPageKeepsItsPolicy(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, config{})
	if strings.Contains(contentSecurityPolicy, "unsafe") {
		t.Error("the policy is not strict")
	}
	page := string(s.page)
	if inline := regexp.MustCompile(`(?i)<style|<script>|\sstyle=|\son[a-z]+=|https?://|\{\{`).FindString(page); inline != "" {
		t.Errorf("the page has %q", inline)
	}
	for _, ref := range regexp.MustCompile(`(?:href|src)="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		rec := httptest.NewRecorder()
		s.router.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/"+ref[1], nil))
		if rec.Code != 200 {
			t.Errorf("the page refers to %s, which answers %d", ref[1], rec.Code)
		}
	}
}

func TestPageEscapes(t *testing.T) {
	t.Parallel()
	if page, _ := loadPage(identity{Pod: "<script>"}); strings.Contains(string(page), "<script>") {
		t.Error("the pod's name gets into the page as markup")
	}
}

func TestAssets(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, config{})
	files, err := fs.ReadDir(pageFiles, "page")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if file.Name() == "index.html" {
			continue
		}
		t.Run(file.Name(), func(t *testing.T) {
			t.Parallel()
			rec := httptest.NewRecorder()
			req := httptest.NewRequest(http.MethodGet, path.Join("/assets", file.Name()), nil)
			s.router.ServeHTTP(rec, req)
			etag := rec.Header().Get("ETag")
			if rec.Code != 200 || rec.Body.Len() == 0 || etag == "" || rec.Header().Get("Cache-Control") != "no-cache" {
				t.Fatalf("got %d, %d bytes, %v", rec.Code, rec.Body.Len(), rec.Header())
			}
			req.Header.Set("If-None-Match", etag)
			rec = httptest.NewRecorder()
			s.router.ServeHTTP(rec, req)
			if rec.Code != 304 || rec.Body.Len() != 0 {
				t.Errorf("asked again: got %d, %d bytes", rec.Code, rec.Body.Len())
			}
		})
	}
}
