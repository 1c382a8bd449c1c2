package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
)

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

func TestAccessLogLevels(t *testing.T) {
	t.Parallel()
	s, logs := newTestServer(t, config{})
	s.router.GET("/bad", func(c *gin.Context) { abort(c, http.StatusBadGateway) })
	for _, path := range []string{"/healthz", "/readyz", "/bad"} {
		s.router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
	}
	s.draining.Store(true)
	s.router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/readyz", nil))

	var got []string
	for _, entry := range logs.entries("request") {
		got = append(got, entry["level"].(string)+" "+entry["path"].(string))
	}
	if want := "WARN /bad,WARN /readyz"; strings.Join(got, ",") != want {
		t.Errorf("logged %v, want %s", got, want)
	}
}

func TestAccessLogBoundsWhatAClientChooses(t *testing.T) {
	t.Parallel()
	s, logs := newTestServer(t, config{})
	s.router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(strings.Repeat("M", 5000), "/"+strings.Repeat("x", 5000), nil))
	entry := logs.entry("request")
	if path, _ := entry["path"].(string); len(path) != maxLoggedPath {
		t.Errorf("logged a path of %d bytes, want %d", len(path), maxLoggedPath)
	}
	if entry["method"] != "_OTHER" {
		t.Errorf("logged the method %.20q", entry["method"])
	}
}

func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, forwarded, want string
		trusted               []string
	}{
		{"off", "203.0.113.9", "192.0.2.1", nil},
		{"trusted peer", "203.0.113.9", "203.0.113.9", []string{"192.0.2.0/24"}},
		{"trusted chain", "198.51.100.1, 203.0.113.9, 192.0.2.7", "203.0.113.9", []string{"192.0.2.0/24"}},
		{"other peer", "203.0.113.9", "192.0.2.1", []string{"10.0.0.0/8"}},
		{"no address", "unknown", "192.0.2.1", []string{"192.0.2.0/24"}},
		{"nothing", "", "192.0.2.1", []string{"192.0.2.0/24"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, logs := newTestServer(t, config{trustedProxies: tt.trusted})
			req := httptest.NewRequest(http.MethodGet, "/", nil) // From 192.0.2.1.
			if tt.forwarded != "" {
				req.Header.Set("X-Forwarded-For", tt.forwarded)
			}
			s.router.ServeHTTP(httptest.NewRecorder(), req)
			if got := logs.entry("request")["remote"]; got != tt.want {
				t.Errorf("the log says %v, want %s", got, tt.want)
			}
		})
	}
}
