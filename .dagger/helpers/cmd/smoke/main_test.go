package main

import (
	"bytes"
	"encoding/json"
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

func TestSurveyIsNoCommand(t *testing.T) {
	var out bytes.Buffer
	const body = "##[add-mask]x\n::stop-commands::y"
	if err := (surveyed{Answers: []answered{{Body: body}}}).write(&out); err != nil {
		t.Fatal(err)
	}
	var back surveyed
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back.Answers[0].Body != body || strings.Contains(out.String(), "##") {
		t.Errorf("%v: %s", err, out.String())
	}
}
