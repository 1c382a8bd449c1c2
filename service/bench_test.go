package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkHello is a request without the network: what this program adds to
// net/http. service/benchmark measures the whole.
func BenchmarkHello(b *testing.B) {
	cfg, err := parseConfig(nil, func(string) string { return "" })
	if err != nil {
		b.Fatal(err)
	}
	s := newServer(cfg, newLogger(io.Discard, cfg.logLevel))
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	w := discard{}
	b.ReportAllocs()
	for b.Loop() {
		clear(w)
		s.router.ServeHTTP(w, req)
	}
}

// discard is a ResponseWriter that keeps nothing but the headers.
type discard http.Header

func (d discard) Header() http.Header         { return http.Header(d) }
func (d discard) WriteHeader(int)             {}
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
