package sanitize

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	maxOutputLine = 8 << 10  // bytes
	maxPending    = 16 << 10 // bytes of a line that are kept while its end has not come
	leastMasked   = 6        // bytes: a shorter value is part of ordinary words
	longLine      = 16       // bytes: lines of a value that are masked on their own
)

// Writer writes lines to another writer. Control characters become visible, commands to
// CI systems lose their effect, values of Secrets are masked, lines and the total are
// bounded. Several goroutines may use it. Tabs and newlines stay, so that tables do.
type Writer struct {
	mu      sync.Mutex
	to      io.Writer
	masker  masker
	pending []byte // of the unfinished line
	dropped int    // bytes of the unfinished line that were too many
	limit   int    // bytes in all, 0 for any number
	written int    // bytes
	silent  bool   // the limit was reached
}

// NewWriter is a Writer to w, without a limit.
func NewWriter(w io.Writer) *Writer { return &Writer{to: w} }

// Mask names values that must not appear from now on, neither as they are nor in base64,
// in quotes (JSON, Go) or in a URL. Of a value with several lines the lines of at least
// 16 bytes are masked too, or those of at least 6 if it has no longer one. Values shorter
// than 6 bytes are not masked: they would hide ordinary words.
func (w *Writer) Mask(values ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, value := range values {
		line := leastMasked
		for l := range strings.Lines(value) {
			if len(strings.TrimSpace(l)) >= longLine {
				line = longLine
			}
		}
		for _, s := range spellings(value, line) {
			if len(strings.TrimSpace(s)) >= leastMasked && len(strings.TrimSpace(value)) >= leastMasked {
				w.masker.add(s)
			}
		}
	}
}

// Limit bounds what is written in all, in bytes: the line that would pass it is replaced
// by a note, and nothing follows. 0 is no limit.
func (w *Writer) Limit(bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limit = bytes
}

// Write takes text in pieces of any size and writes the lines that are complete. Its
// errors are those of the writer below.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []byte
	for rest := p; len(rest) > 0; {
		part, after, complete := bytes.Cut(rest, []byte("\n"))
		room := min(len(part), maxPending-len(w.pending))
		w.pending = append(w.pending, part[:room]...)
		w.dropped += len(part) - room
		if complete {
			out = w.finish(out)
		}
		rest = after
	}
	if err := w.send(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes the unfinished line, if there is one, and ends it: were it continued, a
// value or a command could be put together from its two halves.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending) == 0 {
		return nil
	}
	return w.send(w.finish(nil))
}

func (w *Writer) send(out []byte) error {
	if len(out) == 0 {
		return nil
	}
	_, err := w.to.Write(out)
	return err
}

// finish appends the pending line to out and begins a new one.
func (w *Writer) finish(out []byte) []byte {
	line := w.clean(string(w.pending), w.dropped) + "\n"
	w.pending, w.dropped = w.pending[:0], 0
	if w.silent {
		return out
	}
	w.written += len(line)
	if w.limit > 0 && w.written > w.limit {
		w.silent = true
		return append(out, "… output cut\n"...)
	}
	return append(out, line...)
}

// clean makes a line harmless. It masks before characters are escaped, since a value
// may have some, and again at the end, since escaping may put a value together.
func (w *Writer) clean(line string, dropped int) string {
	line = strings.TrimSuffix(line, "\r")
	if dropped > 0 {
		line += "…" // tells the masker that a value may be cut here
	}
	line = disarm(visible(w.mask(line)))
	if dropped > 0 || len(line) > maxOutputLine {
		const noteRoom = 40 // bytes
		kept := min(len(line), maxOutputLine-noteRoom)
		for kept > 0 && kept < len(line) && !utf8.RuneStart(line[kept]) {
			kept--
		}
		line = fmt.Sprintf("%s… (%d more bytes)", line[:kept], len(line)-kept+dropped)
	}
	return w.mask(line)
}

// mask masks until nothing is left to mask, since a replacement may complete a value
// that has asterisks of its own. It ends: each replacement is shorter than the value.
func (w *Writer) mask(line string) string {
	for {
		next := w.masker.mask(line)
		if next == line {
			return line
		}
		line = next
	}
}
