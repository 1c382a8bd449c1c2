package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

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

func TestHandlerError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		gone   bool
		before func(c *gin.Context)
		status int
		logged int
	}{
		{"nothing answered", false, func(*gin.Context) {}, 500, 1},
		{"a status", false, func(c *gin.Context) { c.Status(http.StatusConflict) }, 409, 0},
		{"a body", false, func(c *gin.Context) { c.String(http.StatusOK, "a part") }, 200, 0},
		{"the client is gone", true, func(*gin.Context) {}, 499, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, logs := newTestServer(t, config{requestTimeout: time.Minute})
			s.router.GET("/fail", func(c *gin.Context) {
				tt.before(c)
				_ = c.Request.Context().Err() // As a query does: limitTime has then something to end.
				_ = c.Error(errors.New("out of cheese"))
				_ = c.Error(errors.New("out of wine"))
			})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if tt.gone {
				cancel()
			}
			rec := httptest.NewRecorder()
			s.router.ServeHTTP(rec, httptest.NewRequestWithContext(ctx, http.MethodGet, "/fail", nil))
			if rec.Code != tt.status {
				t.Errorf("got %d, want %d", rec.Code, tt.status)
			}
			failed := logs.entries("request failed")
			if len(failed) != tt.logged {
				t.Errorf("logged %v, want %d lines", failed, tt.logged)
			}
			for _, entry := range failed {
				if entry["level"] != "ERROR" || entry["error"] != "out of cheese; out of wine" ||
					entry["request_id"] != rec.Header().Get("X-Request-Id") {
					t.Errorf("logged %v", entry)
				}
			}
		})
	}
}

// Each of these cuts the connection, so that no client takes a part for the whole,
// and counts as a failure. What a handler does on purpose is not logged as a panic.
func TestPanicCutsTheConnection(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		written string
		cause   any
		panics  int
	}{
		{"within the response", "the first half", "out of cheese", 1},
		{"on purpose", "", http.ErrAbortHandler, 0},
		{"on purpose, wrapped", "", fmt.Errorf("upstream: %w", http.ErrAbortHandler), 0},
		{"on purpose within the response", "the first half", http.ErrAbortHandler, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, logs := newTestServer(t, config{})
			s.router.GET("/panic", func(c *gin.Context) {
				if tt.written != "" {
					c.String(http.StatusOK, tt.written)
				}
				panic(tt.cause)
			})
			ts := listen(t, s)
			resp, err := ts.Client().Get(ts.URL + "/panic")
			if err == nil {
				t.Errorf("got %d %q, want a cut connection", resp.StatusCode, readBody(t, resp))
			}
			eventually(t, "the request is logged", func() bool { return len(logs.entries("request")) > 0 })
			if entry := logs.entry("request"); entry["status"] != 500.0 || entry["level"] != "WARN" {
				t.Errorf("logged %v", entry)
			}
			if panics := logs.entries("panic"); len(panics) != tt.panics {
				t.Errorf("logged %d panics, want %d", len(panics), tt.panics)
			}
			want := `count{http_request_method="GET",http_response_status_code="500",http_route="/panic"} 1`
			if !strings.Contains(scrape(t, s), want) {
				t.Errorf("the metrics lack %s", want)
			}
		})
	}
}
