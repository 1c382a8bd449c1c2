package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
)

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		path    string
		size    int
		chunked bool
		status  int
		body    string
	}{
		{"largest", "/upload", maxBodyBytes, false, 200, "read"},
		{"largest, chunked", "/upload", maxBodyBytes, true, 200, "read"},
		{"too large", "/upload", maxBodyBytes + 1, false, 413, "Request Entity Too Large"},
		{"too large, chunked", "/upload", maxBodyBytes + 1, true, 413, "Request Entity Too Large"},
		{"too large, without a handler", "/", maxBodyBytes + 1, false, 413, "Request Entity Too Large"},
		{"too large, but answered already", "/answered", 1, false, 400, "too long"},
		{"another error", "/other", 1, false, 500, "Internal Server Error"},
		{"another reader's limit", "/other-limit", 1, false, 500, "Internal Server Error"},
		{"another reader's timeout", "/other-timeout", 1, false, 500, "Internal Server Error"},
	}
	s, _ := newTestServer(t, config{})
	s.router.POST("/upload", func(c *gin.Context) {
		if _, err := io.Copy(io.Discard, c.Request.Body); err != nil {
			_ = c.Error(err)
			return
		}
		c.String(http.StatusOK, "read")
	})
	s.router.POST("/answered", func(c *gin.Context) {
		c.String(http.StatusBadRequest, "too long")
		_ = c.Error(&http.MaxBytesError{})
	})
	for path, err := range map[string]error{
		"/other":         errors.New("not about the size"),
		"/other-limit":   &http.MaxBytesError{},
		"/other-timeout": os.ErrDeadlineExceeded,
	} {
		s.router.POST(path, func(c *gin.Context) { _ = c.Error(err) })
	}
	ts := listen(t, s)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var body io.Reader = strings.NewReader(strings.Repeat("x", tt.size))
			if tt.chunked {
				body = io.MultiReader(body) // Hides the length from the client.
			}
			resp, err := ts.Client().Post(ts.URL+tt.path, "text/plain", body)
			if err != nil {
				t.Fatal(err)
			}
			if got := readBody(t, resp); resp.StatusCode != tt.status || got != tt.body {
				t.Errorf("got %d %q, want %d %q", resp.StatusCode, got, tt.status, tt.body)
			}
		})
	}
}

func TestBrokenBody(t *testing.T) {
	t.Parallel()
	s, logs := newTestServer(t, config{})
	s.router.POST("/upload", func(c *gin.Context) {
		if _, err := io.Copy(io.Discard, c.Request.Body); err != nil {
			_ = c.Error(fmt.Errorf("read the upload: %w", err))
		}
	})
	ts := listen(t, s)
	got := exchange(t, ts.Listener.Addr().String(), "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
	if !slices.Equal(got, []int{400}) {
		t.Errorf("got %v, want 400", got)
	}
	if failed := logs.entries("request failed"); len(failed) > 0 {
		t.Errorf("what a client does is logged as our failure: %v", failed)
	}
}

func TestSlowBody(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, config{})
	s.router.POST("/upload", func(c *gin.Context) {
		if _, err := io.Copy(io.Discard, c.Request.Body); err != nil {
			_ = c.Error(err)
		}
	})
	ts := httptest.NewUnstartedServer(nil)
	ts.Config = s.httpServer(s.router, s.conns)
	ts.Config.ReadTimeout = 50 * time.Millisecond
	ts.Start()
	defer ts.Close()
	body, stuck := io.Pipe()
	defer func() { _ = stuck.Close() }()
	resp, err := ts.Client().Post(ts.URL+"/upload", "text/plain", body)
	if err != nil {
		t.Fatal(err)
	}
	if readBody(t, resp); resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("got %d, want 408", resp.StatusCode)
	}
}

func TestRequestLimit(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, config{maxRequests: 1})
	entered, release := make(chan struct{}), make(chan struct{})
	s.router.GET("/slow", func(*gin.Context) {
		close(entered)
		<-release
	})
	done := make(chan struct{})
	go func() {
		s.router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/slow", nil))
		close(done)
	}()
	<-entered
	expect := func(path string, status int, retryAfter string) {
		t.Helper()
		rec := httptest.NewRecorder()
		s.router.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
		if got := rec.Header().Get("Retry-After"); rec.Code != status || got != retryAfter {
			t.Errorf("GET %s: got %d, Retry-After %q; want %d, %q", path, rec.Code, got, status, retryAfter)
		}
	}
	expect("/", 503, "1")
	expect("/healthz", 200, "")
	expect("/readyz", 200, "")
	close(release)
	<-done
	expect("/", 200, "")
}

func TestRequestTimeout(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, config{requestTimeout: time.Millisecond})
	s.router.GET("/slow", func(c *gin.Context) {
		if at, ok := c.Request.Context().Deadline(); !ok || time.Until(at) > time.Millisecond {
			t.Errorf("the deadline is %v, %t", at, ok)
		}
		<-c.Request.Context().Done()
		_ = c.Error(c.Request.Context().Err())
	})
	rec := httptest.NewRecorder()
	s.router.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/slow", nil))
	if rec.Code != 503 || rec.Header().Get("Retry-After") != "1" {
		t.Errorf("got %d, Retry-After %q; want 503, 1", rec.Code, rec.Header().Get("Retry-After"))
	}
}

func TestDeadlineTakesNoGoroutine(t *testing.T) {
	t.Parallel()
	d := &deadline{Context: t.Context(), at: time.Now().Add(time.Hour)}
	const contexts = 1000 // Many more than the goroutines that other tests start and end meanwhile.
	before := runtime.NumGoroutine()
	derived := make([]context.Context, contexts)
	for i := range derived {
		var cancel context.CancelFunc
		derived[i], cancel = context.WithCancel(d)
		defer cancel()
	}
	if more := runtime.NumGoroutine() - before; more > contexts/2 {
		t.Errorf("%d contexts took %d goroutines", contexts, more)
	}
	d.stop()
	for _, ctx := range derived {
		<-ctx.Done()
	}
}

func TestDeadlineFollowsItsParent(t *testing.T) {
	t.Parallel()
	parent, cancel := context.WithCancel(t.Context())
	d := &deadline{Context: parent, at: time.Now().Add(time.Hour)}
	defer d.stop()
	if err := d.Err(); err != nil {
		t.Errorf("the context ended early: %v", err)
	}
	cancel()
	<-d.Done()
	if err := d.Err(); !errors.Is(err, context.Canceled) {
		t.Errorf("the context ended with %v", err)
	}
}
