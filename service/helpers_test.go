package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// newTestServer returns a server and what it logs.
func newTestServer(t testing.TB, cfg config) (*server, *logBuffer) {
	t.Helper()
	logs := &logBuffer{t: t}
	s := newServer(cfg, newLogger(logs, cfg.logLevel))
	t.Cleanup(func() { _ = s.tracing.stop(context.Background()) })
	return s, logs
}

// listen serves s on a loopback port through its own http.Server.
func listen(t testing.TB, s *server) *httptest.Server {
	t.Helper()
	ts := httptest.NewUnstartedServer(nil)
	ts.Config = s.httpServer(s.router, s.conns)
	ts.Listener = boundedListener{ts.Listener, s.conns}
	ts.Start()
	t.Cleanup(ts.Close)
	return ts
}

// logBuffer collects JSON log lines; it may be written to and read at once.
type logBuffer struct {
	t   testing.TB
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// entries returns the lines logged so far with the given message.
func (b *logBuffer) entries(message string) []map[string]any {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []map[string]any
	for line := range bytes.Lines(b.buf.Bytes()) {
		var entry map[string]any
		if err := json.Unmarshal(line, &entry); err != nil {
			b.t.Fatalf("log line is not JSON: %q", line)
		}
		if entry["msg"] == message {
			found = append(found, entry)
		}
	}
	return found
}

// entry returns the one line logged so far with the given message.
func (b *logBuffer) entry(message string) map[string]any {
	b.t.Helper()
	entries := b.entries(message)
	if len(entries) != 1 {
		b.t.Fatalf("got %d %q lines, want 1:\n%v", len(entries), message, entries)
	}
	return entries[0]
}

func readBody(t testing.TB, resp *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long until %s", what)
		}
	}
}
