// Package sanitize makes foreign text harmless before it is printed: log lines, event
// messages and names that come from a cluster, and whatever could hold the value of a
// Secret. It reads and writes nothing by itself.
package sanitize

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const maxLine = 500 // characters of a foreign line

// spaces are what a foreign text uses for layout. In one line of ours it is a space.
var spaces = strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ")

// Line makes one harmless line of foreign text: newlines and tabs become spaces, control
// and invisible characters are escaped so that they can be seen, commands to a CI system
// have no effect. It is at most 500 characters long, with a note of how many are missing.
func Line(text string) string {
	text = oneLine(text)
	total := utf8.RuneCountInString(text)
	if total <= maxLine {
		return text
	}
	// The note is counted in, so that a line that goes through here twice stays as it is.
	note := fmt.Sprintf("… (%d more characters)", total)
	kept := maxLine - utf8.RuneCountInString(note)
	return firstRunes(text, kept) + fmt.Sprintf("… (%d more characters)", total-kept)
}

// colours are a terminal's for a log. They are nobody's loss.
var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Quote makes a block of foreign lines, such as a log, with a mark before each line
// that tells them from our own, and without colours.
func Quote(lines []string) []string {
	quoted := make([]string, len(lines))
	for i, line := range lines {
		quoted[i] = "  | " + Line(colours.ReplaceAllString(line, ""))
	}
	return quoted
}

func oneLine(text string) string {
	return disarm(visible(spaces.Replace(strings.TrimRight(text, "\r\n"))))
}

func firstRunes(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}

// visible escapes what a terminal obeys, or what nobody sees: control and format
// characters (text direction, zero width), line separators, bytes that are no UTF-8.
// Tabs stay.
func visible(text string) string {
	var out strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\x%02x`, text[0])
		case r == '\uFE0E' || r == '\uFE0F':
			// They only choose between two drawings of a sign, and are in many logs ("⚠️").
		case r == '\t' || !hidden(r):
			out.WriteString(text[:size])
		case r < utf8.RuneSelf:
			fmt.Fprintf(&out, `\x%02x`, r)
		case r <= 0xFFFF:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			fmt.Fprintf(&out, `\U%08x`, r)
		}
		text = text[size:]
	}
	return out.String()
}

// hidden says whether a character draws nothing. It must know all that Unicode tells
// programs to ignore: GitHub's runner compares by the rules of a language, which skip
// such characters, so that "#\u00ad#[" is "##[" to it.
func hidden(r rune) bool {
	return !unicode.IsGraphic(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// commands act anywhere in a line: GitHub's runner looks for "##[" with the name of a
// command after it, Azure's agent for "##vso[", TeamCity for "##teamcity[", Octopus for
// "##octopus[", and others for their name likewise.
var commands = regexp.MustCompile(`(?i)##(\w*\[|vso|teamcity)`)

// disarm takes the effect from the commands that CI systems read in the output of a
// step: with them a log line of a pod could set outputs, unmask values, or switch the
// masking of commands off. What breaks them can be seen.
//
// GitHub's runner takes "::name::" only at the start of a line, after white space of any
// kind, and needs a second "::", which may come from what is printed behind this text; so
// the first one is broken, whatever follows. GitLab's section_start and section_end need a
// carriage return and an escape character, as Jenkins' notes do; visible has taken these.
func disarm(text string) string {
	if rest := strings.TrimLeftFunc(text, unicode.IsSpace); strings.HasPrefix(rest, "::") {
		text = text[:len(text)-len(rest)] + ": " + rest[1:]
	}
	return commands.ReplaceAllString(text, "# #$1")
}
