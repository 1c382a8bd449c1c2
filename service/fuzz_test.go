package main

import (
	"errors"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzRequest asks the handlers, with everything that a client chooses.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/", "a=b", "text/html", "id", someParent, "203.0.113.9", "")
	f.Add("BREW", "/assets/page.css", "%", "*/*", "<b>", "00-0-0-01", "a, b", `"*"`)
	f.Add("HEAD", "//..\x00\xff", "", ";q=", strings.Repeat("a", 65), "", ",,", "W/")
	s, logs := newTestServer(f, config{trustedProxies: []string{"192.0.2.0/24"}, logLevel: slog.LevelDebug})
	f.Fuzz(func(t *testing.T, method, path, query, accept, id, parent, forwarded, etag string) {
		logs.t = t
		logs.buf.Reset()
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.Method, req.URL = method, &url.URL{Path: path, RawQuery: query}
		for name, value := range map[string]string{
			"Accept": accept, "X-Request-Id": id, "Traceparent": parent,
			"X-Forwarded-For": forwarded, "If-None-Match": etag, "Range": etag,
		} {
			req.Header.Set(name, value)
		}
		rec := httptest.NewRecorder()
		s.router.ServeHTTP(rec, req)

		switch rec.Code {
		case 200, 206, 304, 404, 405, 416:
		default:
			t.Errorf("got %d", rec.Code)
		}
		if rec.Code == 405 && rec.Header().Get("Allow") == "" {
			t.Error("405 without Allow")
		}
		entry := logs.entry("request") // Which is JSON, on one line.
		if got, _ := entry["request_id"].(string); !validRequestID(got) {
			t.Errorf("logged the request id %q", got)
		}
		if trace, ok := entry["trace_id"].(string); ok && len(trace) != 32 {
			t.Errorf("logged the trace %q", trace)
		}
		if got := s.active.Load(); got != 0 {
			t.Errorf("%d requests are still counted", got)
		}
	})
}

// FuzzConnection sends any bytes: each answer must be HTTP, and nothing panic.
func FuzzConnection(f *testing.F) {
	f.Add("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	f.Add("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /version HTTP/1.0\r\n\r\n")
	f.Add("GET /assets/page.js HTTP/1.1\r\nHost: a\r\nRange: bytes=1-2,3-4\r\nExpect: 100-continue\r\n\r\n")
	s, logs := newTestServer(f, config{logLevel: slog.LevelError})
	ts := listen(f, s)
	f.Fuzz(func(t *testing.T, raw string) {
		if strings.Contains(raw, "HEAD") {
			t.Skip("the answer's length can't be told")
		}
		logs.t = t
		exchange(t, ts.Listener.Addr().String(), raw)
		if panics := logs.entries("panic"); len(panics) > 0 {
			t.Errorf("it panicked: %v", panics)
		}
	})
}

// FuzzConfig gives any arguments and environment: the configuration is valid or
// there is an error, which says what it is about.
func FuzzConfig(f *testing.F) {
	f.Add("--port=1 --trusted-proxies=::/0", "10s", "http://c:4318", "k=v,%=")
	f.Add("--drain-delay --help -", "-1", "://", "=")
	f.Add("---port=80 -=x", "", "", "")
	f.Fuzz(func(t *testing.T, args, env, endpoint, headers string) {
		cfg, err := parseConfig(strings.Fields(args), func(name string) string {
			switch name {
			case "OTEL_EXPORTER_OTLP_ENDPOINT":
				return endpoint
			case "OTEL_EXPORTER_OTLP_HEADERS":
				return headers
			}
			return env
		})
		switch {
		case errors.Is(err, flag.ErrHelp):
		case err != nil:
			if strings.TrimSpace(err.Error()) == "" {
				t.Error("the error says nothing")
			}
		case cfg.drainDelay < 0 || cfg.maxRequests < 0 || cfg.port != 0 && cfg.port == cfg.metricsPort:
			t.Errorf("accepted %+v", cfg)
		default:
			newTestServer(t, cfg) // Must not panic.
		}
	})
}
