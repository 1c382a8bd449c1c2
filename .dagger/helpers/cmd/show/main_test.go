package main

import (
	"strings"
	"testing"
)

func TestShow(t *testing.T) {
	for name, c := range map[string]struct {
		script, out, complaints string
		status                  int
		failed                  bool
	}{
		"both outputs": {"echo out; echo err >&2", "out\n", "err\n", 0, false},
		"a terminal's commands": {`printf 'a\033[2Jb\n'; printf '\033]0;title\007' >&2; exit 3`,
			"a\\x1b[2Jb\n", "\\x1b]0;title\\x07\n", 3, false},
		"a CI system's": {`echo '::stop-commands::x'; echo '##vso[task.setvariable]a'; echo '  ##[error]b'`,
			": :stop-commands::x\n# #vso[task.setvariable]a\n  # #[error]b\n", "", 0, false},
		"killed": {"kill -9 $$", "", "", notRun, true},
	} {
		t.Run(name, func(t *testing.T) {
			var out, complaints strings.Builder
			status, err := show(&out, &complaints, "sh", "-c", c.script)
			if status != c.status || (err != nil) != c.failed {
				t.Errorf("got status %d, %v", status, err)
			}
			if out.String() != c.out || complaints.String() != c.complaints {
				t.Errorf("got %q and %q, want %q and %q", out.String(), complaints.String(), c.out, c.complaints)
			}
		})
	}
	t.Run("without end", func(t *testing.T) {
		var out, complaints strings.Builder
		status, err := show(&out, &complaints, "sh", "-c", "yes | head -c 3000000")
		if status != 0 || err != nil || out.Len() > limit+100 || !strings.HasSuffix(out.String(), "output cut\n") {
			t.Errorf("got status %d, %v, %d bytes", status, err, out.Len())
		}
	})
	t.Run("no program", func(t *testing.T) {
		var out, complaints strings.Builder
		if status, err := show(&out, &complaints, "/none"); status != notRun || err == nil {
			t.Errorf("got status %d, %v", status, err)
		}
	})
}
