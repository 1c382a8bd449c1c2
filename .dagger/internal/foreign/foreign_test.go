package foreign

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestLine(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"plain":              {"unknown blob: “a” – 3 of 3", "unknown blob: “a” – 3 of 3"},
		"terminal":           {"\x1b]0;x\a\x1b[2J\r", `\x1b]0;x\x07\x1b[2J\x0d`},
		"link of a terminal": {"\x1b]8;;http://x\x1b\\y", `\x1b]8;;http://x\x1b\y`},
		"C1":                 {"\u009b2J \x9b2J", `\u009b2J \x9b2J`},
		"direction":          {"a\u202eb", `a\u202eb`},
		"GitHub":             {" ::add-mask::x", " : :add-mask::x"},
		"GitHub, next line":  {"a\n::add-mask::x", "a ::add-mask::x"},
		"GitHub, old":        {"a ##[error]x", "a # #[error]x"},
		"ignored inside":     {"#\u034f#[error]x", `#\u034f#[error]x`},
		"Azure":              {"##vso[task.complete]", "# #vso[task.complete]"},
		"Octopus":            {"##octopus[setVariable]", "# #octopus[setVariable]"},
		"an emoji":           {"⚠\ufe0f test", "⚠ test"},
		"hidden by a choice": {"#\ufe0f#[error]x", "# #[error]x"},
		"long":               {strings.Repeat("ä", 600), strings.Repeat("ä", 500) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Line(c.text); got != c.want || Line(got) != got && name != "long" {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if changed := Line(c.text) != c.text; Obeyed(c.text) && !changed {
				t.Error("obeyed, and not changed")
			}
			if name == "an emoji" && Obeyed(c.text) {
				t.Error("an emoji is obeyed")
			}
		})
	}
}

func TestError(t *testing.T) {
	err := Error(errors.Join(io.EOF, errors.New("\x1b[2J##[error]")))
	if want := `EOF \x1b[2J# #[error]`; err.Error() != want || !errors.Is(err, io.EOF) {
		t.Errorf("got %q", err)
	}
	if got := Quote("a\"\x1b##[error]"); got != `"a\"\x1b# #[error]"` {
		t.Errorf("got %s", got)
	}
}
