package main

import (
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	// What a process that is killed can lose of its log, errors too: an orderly end
	// and a failure flush it. It is too short to notice.
	batchDelay = 10 * time.Millisecond
	// In bytes: some 80 lines of the access log.
	batchSize = 16 << 10
)

// newLogger returns a logger that writes one JSON object per line to w.
func newLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
}

// batchWriter gathers lines and writes them together: under load, a system call
// for each line costs more than all else that the access log does.
type batchWriter struct {
	mu    sync.Mutex
	w     io.Writer
	lines []byte
	timer *time.Timer
	err   error // of the last write
}

func newBatchWriter(w io.Writer) *batchWriter {
	b := &batchWriter{w: w}
	b.timer = time.AfterFunc(batchDelay, func() { _ = b.Flush() }) // The next Write returns the error.
	return b
}

// Write takes a line, which is written within batchDelay. It returns the error of
// an earlier write, if there was one.
func (b *batchWriter) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.lines) == 0 {
		b.timer.Reset(batchDelay)
	}
	b.lines = append(b.lines, line...)
	if len(b.lines) >= batchSize {
		b.flush()
	}
	return len(line), b.err
}

// Flush writes what was gathered, and returns the error of doing so.
func (b *batchWriter) Flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flush()
	return b.err
}

func (b *batchWriter) flush() {
	if len(b.lines) > 0 {
		_, b.err = b.w.Write(b.lines)
		b.lines = b.lines[:0]
	}
}
