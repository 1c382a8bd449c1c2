package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDaemonThatEndedAtOnceIsNotAlive(t *testing.T) {
	d := Daemon{t.TempDir(), "engine"}
	if err := writeJSON(d.recordPath(), record{PID: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	if _, alive := d.Record(); alive {
		t.Error("a process that was gone before its start was noted is taken for alive")
	}
}

// TestRegistryThatEndsIsReported: whoever starts it has its listener too, and must not wait there for an answer.
func TestRegistryThatEndsIsReported(t *testing.T) {
	cache := t.TempDir()
	r := Registry{Daemon{filepath.Join(cache, "registry"), "-test.run=^$"}}
	ended := make(chan error, 1)
	go func() {
		_, err := r.Ensure(t.Context(), "key", &Steps{Cache: cache, Source: ".", Say: t.Logf})
		ended <- err
	}()
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "does not serve") {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("it is waited for though it has ended")
	}
}
