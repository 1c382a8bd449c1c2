package main

import "testing"

func TestDaemonThatEndedAtOnceIsNotAlive(t *testing.T) {
	d := Daemon{t.TempDir(), "engine"}
	if err := writeJSON(d.recordPath(), record{PID: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	if _, alive := d.Record(); alive {
		t.Error("a process that was gone before its start was noted is taken for alive")
	}
}
