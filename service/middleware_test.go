package main

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
)

func TestRequestID(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, sent string
		kept       bool
	}{
		{"every kind of character", "Az09._-", true},
		{"longest", strings.Repeat("a", 64), true},
		{"too long", strings.Repeat("a", 65), false},
		{"none", "", false},
		{"space", "a b", false},
		{"quote at the end", `a"`, false},
		{"markup", "<b>", false},
		{"not ASCII", "é", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, logs := newTestServer(t, config{})
			req := httptest.NewRequest(http.MethodGet, "/", nil)
			req.Header.Set("X-Request-Id", tt.sent)
			rec := httptest.NewRecorder()
			s.router.ServeHTTP(rec, req)

			got := rec.Header().Get("X-Request-Id")
			if kept := got == tt.sent; kept != tt.kept {
				t.Errorf("sent %q, got %q", tt.sent, got)
			}
			if !validRequestID(got) {
				t.Errorf("the response carries the request id %q", got)
			}
			if logged := logs.entry("request")["request_id"]; logged != got {
				t.Errorf("logged %q, answered %q", logged, got)
			}
		})
	}
}

func TestRequestIDsDiffer(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, config{})
	seen := make(map[string]bool)
	for range 10 {
		rec := httptest.NewRecorder()
		s.router.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
		seen[rec.Header().Get("X-Request-Id")] = true
	}
	if len(seen) != 10 {
		t.Errorf("10 requests got %d ids", len(seen))
	}
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	tests := []struct {
		method, target string
		status, bytes  float64
		level          string
	}{
		{"GET", "/", 200, 11, "INFO"},
		{"HEAD", "/", 200, 0, "INFO"},
		{"GET", "/nowhere", 404, 9, "INFO"},
		{"POST", "/version", 405, 18, "INFO"},
		{"GET", "/empty", 204, 0, "INFO"},
		{"GET", "/healthz", 200, 2, "DEBUG"},
		{"HEAD", "/readyz", 200, 0, "DEBUG"},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.target, func(t *testing.T) {
			t.Parallel()
			s, logs := newTestServer(t, config{logLevel: slog.LevelDebug})
			s.router.GET("/empty", func(c *gin.Context) { c.Status(http.StatusNoContent) })
			req := httptest.NewRequest(tt.method, tt.target+"?token=secret", nil)
			req.Header.Set("X-Forwarded-For", "203.0.113.9") // Anyone can send this.
			s.router.ServeHTTP(httptest.NewRecorder(), req)

			entry := logs.entry("request")
			for key, want := range map[string]any{
				"level": tt.level, "method": tt.method, "path": tt.target,
				"status": tt.status, "bytes": tt.bytes, "remote": "192.0.2.1",
			} {
				if entry[key] != want {
					t.Errorf("%s is %v, want %v", key, entry[key], want)
				}
			}
			if seconds, ok := entry["duration_seconds"].(float64); !ok || seconds <= 0 || seconds > 10 {
				t.Errorf("duration_seconds is %v", entry["duration_seconds"])
			}
			if logged := logs.buf.String(); strings.Contains(logged, "secret") {
				t.Errorf("the query was logged: %s", logged)
			}
		})
	}
}

func TestPanic(t *testing.T) {
	t.Parallel()
	s, logs := newTestServer(t, config{})
	s.router.GET("/panic", func(*gin.Context) { panic("out of cheese") })
	rec := httptest.NewRecorder()
	s.router.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/panic", nil))

	if rec.Code != 500 || rec.Body.String() != "Internal Server Error" {
		t.Errorf("got %d %q", rec.Code, rec.Body)
	}
	entry := logs.entry("panic")
	if entry["error"] != "out of cheese" || entry["request_id"] != rec.Header().Get("X-Request-Id") {
		t.Errorf("logged %v", entry)
	}
	if stack, _ := entry["stack"].(string); !strings.Contains(stack, "TestPanic") {
		t.Errorf("the stack does not show the handler: %s", stack)
	}
	if status := logs.entry("request")["status"]; status != 500.0 {
		t.Errorf("the access line says %v", status)
	}
}

func TestPanicWithinResponse(t *testing.T) {
	t.Parallel()
	s, logs := newTestServer(t, config{})
	s.router.GET("/panic", func(c *gin.Context) {
		c.String(http.StatusOK, "the first half")
		panic("out of cheese")
	})
	ts := listen(t, s)
	resp, err := ts.Client().Get(ts.URL + "/panic")
	if err == nil {
		t.Errorf("got %d %q, want a cut connection", resp.StatusCode, readBody(t, resp))
	}
	eventually(t, "the request is logged", func() bool { return len(logs.entries("request")) > 0 })
	logs.entry("panic")
}

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
		{"another error", "/other", 1, false, 200, ""},
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
	s.router.POST("/other", func(c *gin.Context) { _ = c.Error(errors.New("not about the size")) })
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
