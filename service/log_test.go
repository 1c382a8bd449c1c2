package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"reflect"
	"testing"
	"time"
)

// logBoth returns what our handler and slog's write of one record.
func logBoth(t testing.TB, message string, attrs ...slog.Attr) (ours, theirs []byte) {
	t.Helper()
	var a, b bytes.Buffer
	record := slog.NewRecord(time.Unix(1700000000, 120000), slog.LevelWarn, message, 0)
	record.AddAttrs(attrs...)
	for _, handler := range []slog.Handler{newLogger(&a, slog.LevelInfo).Handler(), slog.NewJSONHandler(&b, nil)} {
		if err := handler.Handle(t.Context(), record); err != nil {
			t.Fatal(err)
		}
	}
	return a.Bytes(), b.Bytes()
}

func TestLogLinesAreAsSlogWritesThem(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		attr slog.Attr
	}{
		{"string", slog.String("k", "v")},
		{"string with everything", slog.String(`"k"`, "\"\\\b\f\n\r\t\x00\x1f\x7f<&>é€😀\u2028\u2029\xff\xc3")},
		{"integer", slog.Int("k", math.MinInt64)},
		{"float", slog.Float64("k", 0.000123)},
		{"small float", slog.Float64("k", 1.5e-9)},
		{"large float", slog.Float64("k", 1e22)},
		{"zero", slog.Float64("k", 0)},
		{"infinity", slog.Float64("k", math.Inf(1))},
		{"not a number", slog.Float64("k", math.NaN())},
		{"error", slog.Any("k", errors.New("out of cheese"))},
		{"group", slog.Group("k", "a", 1)},
		{"duration", slog.Duration("k", time.Second)},
		{"empty", slog.Attr{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ours, theirs := logBoth(t, "message", slog.Int("n", 1), tt.attr, slog.String("z", "z"))
			var a, b map[string]any
			if err := json.Unmarshal(theirs, &b); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(ours, &a); err != nil || !reflect.DeepEqual(a, b) {
				t.Errorf("%v\nours:   %s\ntheirs: %s", err, ours, theirs)
			}
		})
	}
}

func TestLoggerWith(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	newLogger(&b, slog.LevelInfo).With("a", 1).WithGroup("g").Info("message", "b", 2)
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if group, _ := got["g"].(map[string]any); got["a"] != 1.0 || group["b"] != 2.0 {
		t.Errorf("logged %v", got)
	}
}

func FuzzLogLine(f *testing.F) {
	f.Add("request", "path", "/\xff\u2028\"", int64(200), 0.001)
	f.Fuzz(func(t *testing.T, message, key, value string, n int64, x float64) {
		ours, theirs := logBoth(t, message, slog.String("s"+key, value), slog.Int64("n", n), slog.Float64("x", x))
		var a, b map[string]any
		if err := json.Unmarshal(theirs, &b); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(ours, &a); err != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("%v\nours:   %q\ntheirs: %q", err, ours, theirs)
		}
		if bytes.Count(ours, []byte("\n")) != 1 {
			t.Errorf("not one line: %q", ours)
		}
	})
}
