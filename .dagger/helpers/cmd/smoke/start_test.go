package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// A service that listens nowhere is told long before it is given up, with what it says.
func TestStartedNowhere(t *testing.T) {
	control := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(state{Log: []string{"1", "2", "3", "4", "5", "no answer from db:5432"}})
	}))
	defer control.Close()
	var progress bytes.Buffer
	err := subject{"http://127.0.0.1:1", control.URL, time.Second, &progress}.started()
	if err == nil || !strings.Contains(err.Error(), "did not listen on port 1 within 1s, nor on any other") ||
		!strings.Contains(err.Error(), "needs: {start: 3m}") {
		t.Errorf("got %v", err)
	}
	control.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(state{Listens: []netip.AddrPort{netip.MustParseAddrPort("[::]:9090")}})
	})
	err = subject{"http://127.0.0.1:1", control.URL, time.Second, io.Discard}.started()
	if err == nil || !strings.Contains(err.Error(), "the service listens on port 9090, not on 1: give --port 9090") {
		t.Errorf("on another port: got %v", err)
	}
	const want = "the service listens nowhere yet, and has until 1s after its start to listen on port 1; its last log lines:\n" +
		"  | 2\n  | 3\n  | 4\n  | 5\n  | no answer from db:5432\n"
	if got := progress.String(); got != want {
		t.Errorf("got %q", got)
	}
}
