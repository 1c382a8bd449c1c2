package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestBatchWriter(t *testing.T) {
	t.Parallel()
	got := make(chan string, 10)
	b := newBatchWriter(writerFunc(func(p []byte) (int, error) {
		got <- string(p)
		return len(p), nil
	}))
	for _, line := range []string{"a\n", "b\n"} {
		if _, err := b.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if lines := <-got; lines != "a\nb\n" { // By itself, after the delay.
		t.Errorf("wrote %q", lines)
	}
	large := strings.Repeat("x", batchSize)
	if _, err := b.Write([]byte(large)); err != nil {
		t.Fatal(err)
	}
	if lines := <-got; lines != large {
		t.Errorf("wrote %d bytes", len(lines))
	}
	if err := b.Flush(); err != nil || len(got) != 0 {
		t.Errorf("nothing to write, but wrote %d times, %v", len(got), err)
	}
}

func TestBatchWriterFails(t *testing.T) {
	t.Parallel()
	full := errors.New("no space left")
	b := newBatchWriter(writerFunc(func([]byte) (int, error) { return 0, full }))
	_, _ = b.Write([]byte("a\n"))
	if err := b.Flush(); !errors.Is(err, full) {
		t.Errorf("Flush returned %v", err)
	}
}

// A service that refuses many requests logs as many warnings: they must not cost
// a write each.
func TestLoggerGathersWarnings(t *testing.T) {
	t.Parallel()
	writes := 0
	out := newBatchWriter(writerFunc(func(p []byte) (int, error) {
		writes++
		return len(p), nil
	}))
	out.timer.Stop()
	log := newLogger(out, slog.LevelInfo)
	out.lines = append(out.lines, "so that the timer stays off\n"...)
	for range 10 {
		log.Warn("request", "status", 503)
	}
	if writes != 0 || bytes.Count(out.lines, []byte("\n")) != 11 {
		t.Errorf("wrote %d times, gathered %q", writes, out.lines)
	}
}

// writerFunc is a function that takes what is written.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
