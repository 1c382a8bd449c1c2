package sanitize

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"plain":                {"ready, 3 of 3 – “ok” ⚠", "ready, 3 of 3 – “ok” ⚠"},
		"newlines and tabs":    {"a\nb\r\nc\td\n", "a b c d"},
		"carriage return":      {"50%\r100%", `50%\x0d100%`},
		"terminal colours":     {"\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		"title of a terminal":  {"\x1b]0;x\a", `\x1b]0;x\x07`},
		"C1 and DEL":           {"\u009b31m\x7f", `\u009b31m\x7f`},
		"invalid UTF-8":        {"a\xffb\xc3", `a\xffb\xc3`},
		"text direction":       {"a\u202eb\u2066c", `a\u202eb\u2066c`},
		"line separators":      {"a\u2028b\u2029c\u0085d", `a\u2028b\u2029c\u0085d`},
		"zero width":           {"a\u200bb\ufeffc", `a\u200bb\ufeffc`},
		"tag characters":       {"a\U000e0041b", `a\U000e0041b`},
		"other selectors":      {"#\ufe00#[a]\u034f", `#\ufe00#[a]\u034f`},
		"variation selector":   {"⚠\ufe0f hot", "⚠ hot"},
		"GitHub command":       {"::set-output name=a::b", ": :set-output name=a::b"},
		"after spaces":         {" \u00a0\u3000::add-mask::a", " \u00a0\u3000: :add-mask::a"},
		"after zero width":     {"\u200b::error::a", `\u200b::error::a`},
		"second half comes":    {"::stop-commands", ": :stop-commands"},
		"three colons":         {":::a::", ": ::a::"},
		"colons inside":        {"std::string at [::1]:80", "std::string at [::1]:80"},
		"GitHub's old command": {"a ##[set-env name=b]c", "a # #[set-env name=b]c"},
		"more number signs":    {"####[add-path]c", "### #[add-path]c"},
		"soft hyphen inside":   {"#\u00ad#[add-path]c", `#\u00ad#[add-path]c`},
		"selector inside":      {"#\ufe0f#[add-path]c", "# #[add-path]c"},
		"Azure":                {"a ##VSO[task.setvariable]b", "a # #VSO[task.setvariable]b"},
		"any other's":          {"##octopus[setVariable name='']", "# #octopus[setVariable name='']"},
		"TeamCity":             {"##teamcity[buildStop comment='']", "# #teamcity[buildStop comment='']"},
		"GitLab":               {"section_start:1:a\r\x1b[0Kb", `section_start:1:a\x0d\x1b[0Kb`},
		"long":                 {strings.Repeat("ä", 600), strings.Repeat("ä", 477) + "… (123 more characters)"},
		"just not long":        {strings.Repeat("ä", 500), strings.Repeat("ä", 500)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Line(c.text); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestQuote(t *testing.T) {
	got := strings.Join(Quote([]string{"start\r", "\x1b[1;31mred\x1b[0m \x1b[2J", "::error::no", "##[error]no"}), "\n")
	want := "  | start\n  | red \\x1b[2J\n  | : :error::no\n  | # #[error]no"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// active is what the CI systems look for.
var active = regexp.MustCompile(`(?i)^\s*::|##\[|##vso\[|##teamcity\[`)

func harmless(t *testing.T, line string, size int) {
	t.Helper()
	if !utf8.ValidString(line) || utf8.RuneCountInString(line) > size {
		t.Errorf("invalid or too long: %q", line)
	}
	for _, r := range line {
		if r != '\t' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)) {
			t.Errorf("%U in %q", r, line)
		}
	}
	if active.MatchString(strings.TrimLeftFunc(line, unicode.IsSpace)) {
		t.Errorf("command in %q", line)
	}
}

func FuzzLine(f *testing.F) {
	for _, seed := range []string{
		"", "plain", "\x1b[31m", "::error::a", "\u200b ::a::", "###[a]", "#\u00ad#vso[", "\xff\xfe", strings.Repeat("::\n", 300),
		strings.Repeat("\x00", 200), "##\ufe0f[x]", ":\ufe0f:a::",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		line := Line(text)
		harmless(t, line, maxLine)
		if strings.ContainsAny(line, "\t\n") {
			t.Errorf("tab or newline in %q", line)
		}
		if again := Line(line); again != line {
			t.Errorf("not stable: %q, then %q", line, again)
		}
	})
}
