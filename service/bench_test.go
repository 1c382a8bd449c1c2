package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
)

func BenchmarkHello(b *testing.B) {
	null, _ := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	cfg, _ := parseConfig(nil, func(string) string { return "" })
	s := newServer(cfg, newLogger(null, cfg.logLevel))
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	req.RemoteAddr = "127.0.0.1:2134"
	w := &discard{h: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.h)
		s.router.ServeHTTP(w, req)
	}
}

type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
