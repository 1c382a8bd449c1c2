package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

// newLogger returns a logger that writes one JSON object per line to w. After a
// warning or an error it has w write what it gathered: often the end is near.
func newLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(&lineHandler{
		Handler: slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}),
		w:       w,
	})
}

// lineHandler writes what slog.JSONHandler writes, in a quarter of its time: the
// access log is most of what this service does. It takes the records that hold
// plain values, and leaves every other to the handler within.
type lineHandler struct {
	slog.Handler
	w    io.Writer // each line is one Write
	pool sync.Pool // of *[]byte
}

// Handle writes the record as one line, or returns the writer's error.
func (h *lineHandler) Handle(ctx context.Context, r slog.Record) error {
	err := h.handle(ctx, r)
	if gathers, ok := h.w.(*batchWriter); ok && r.Level >= slog.LevelWarn {
		err = errors.Join(err, gathers.Flush())
	}
	return err
}

func (h *lineHandler) handle(ctx context.Context, r slog.Record) error {
	line, ok := h.pool.Get().(*[]byte)
	if !ok {
		line = new([]byte)
	}
	defer h.pool.Put(line)

	b := append((*line)[:0], `{"time":"`...)
	b = r.Time.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","level":"`...)
	b = append(b, r.Level.String()...)
	b = append(b, `","msg":`...)
	b = appendString(b, r.Message)
	plain := true
	r.Attrs(func(a slog.Attr) bool {
		b = append(b, ',')
		b = appendString(b, a.Key)
		b = append(b, ':')
		b, plain = appendValue(b, a.Value)
		return plain
	})
	b = append(b, "}\n"...)
	*line = b
	if !plain || r.Time.IsZero() {
		return h.Handler.Handle(ctx, r)
	}
	_, err := h.w.Write(b)
	return err
}

// appendValue appends a value as JSON, or returns false for one that is not plain.
func appendValue(b []byte, v slog.Value) ([]byte, bool) {
	switch v.Kind() {
	case slog.KindString:
		return appendString(b, v.String()), true
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10), true
	case slog.KindFloat64:
		f := v.Float64()
		if math.IsInf(f, 0) || math.IsNaN(f) {
			return b, false // JSON has neither.
		}
		format := byte('f')
		if abs := math.Abs(f); f != 0 && (abs < 1e-6 || abs >= 1e21) {
			format = 'e'
		}
		return strconv.AppendFloat(b, f, format, -1, 64), true
	default:
		return b, false
	}
}

// appendString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0 // of what is not yet appended
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
			// The two line separators are legal in JSON but not in JavaScript.
			if (r != utf8.RuneError || size > 1) && r != '\u2028' && r != '\u2029' {
				i += size
				continue
			}
		}
		b = append(b, s[start:i]...)
		switch r {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		case utf8.RuneError:
			b = append(b, `\ufffd`...)
		case '\b':
			b = append(b, `\b`...)
		case '\f':
			b = append(b, `\f`...)
		default:
			b = append(b, '\\', 'u', hex[r>>12&0xf], hex[r>>8&0xf], hex[r>>4&0xf], hex[r&0xf])
		}
		i += size
		start = i
	}
	return append(append(b, s[start:]...), '"')
}
