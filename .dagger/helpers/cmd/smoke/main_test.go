package main

import (
	"bytes"
	"strings"
	"testing"
)

// A service that never stops printing does not fill the log.
func TestOutputEnds(t *testing.T) {
	var out bytes.Buffer
	w := shown(&out)
	for range 40 {
		if _, err := w.Write([]byte(strings.Repeat("\x1b[2J::stop-commands::x\n", 10_000))); err != nil {
			t.Fatal(err)
		}
	}
	if out.Len() > limit+100 || !strings.HasSuffix(out.String(), "… output cut\n") || strings.Contains(out.String(), "\x1b") {
		t.Errorf("%d bytes, the last: %q", out.Len(), out.String()[out.Len()-50:])
	}
}
