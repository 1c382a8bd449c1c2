package gosource

import (
	"path"
	"strings"
	"testing"
)

func TestPattern(t *testing.T) {
	for file, want := range map[string]string{
		"web/a+b (1).js":     "web/a+b (1).js",
		"web/[id].html":      `web/\[id\].html`,
		"!x":                 `\!x`,
		"web/[a]+{b}.js":     `web/\[a\]\+\{b\}.js`,
		"web/trail ":         "web/trail[ ]",
		" lead/x":            "[ ]lead/x",
		" ":                  "[ ]",
		"web/a [b]\u00a0":    `web/a \[b\][` + "\u00a0]",
		"web/ in the/mid /x": "web/ in the/mid /x",
	} {
		got := Pattern(file)
		if fits, err := path.Match(got, file); got != want || strings.TrimSpace(got) != got || !fits || err != nil {
			t.Errorf("%q: got %q, want %q; it matches: %v, %v", file, got, want, fits, err)
		}
	}
}
