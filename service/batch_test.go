package main

import (
	"errors"
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

// writerFunc is a function that takes what is written.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
