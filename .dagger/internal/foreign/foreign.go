// Package foreign makes texts harmless that come from a source, a registry or whoever else, before
// they are a part of an error or a result, which Dagger prints as they are. The helpers, which share no
// code with this module, have the same in their package sanitize.
package foreign

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const longest = 500 // characters

// commands are those that CI systems obey anywhere in a line.
var commands = regexp.MustCompile(`(?i)##(\w*\[|vso|teamcity)`)

// selectors choose between two drawings of the sign before them, such as an emoji's.
var selectors = strings.NewReplacer("\ufe0e", "", "\ufe0f", "")

// Line is a text as one line of bounded length, in which a terminal and a CI system find nothing
// to obey: what they would can be seen.
func Line(text string) string {
	text = selectors.Replace(text)
	var b strings.Builder
	for n := 0; len(text) > 0; n++ {
		if n == longest {
			b.WriteString("…")
			break
		}
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case r == '\n' || r == '\t':
			b.WriteByte(' ')
		case !hidden(r):
			b.WriteString(text[:size])
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		text = text[size:]
	}
	line := b.String()
	if rest := strings.TrimLeftFunc(line, unicode.IsSpace); strings.HasPrefix(rest, "::") {
		line = line[:len(line)-len(rest)] + ": " + rest[1:]
	}
	return commands.ReplaceAllString(line, "# #$1")
}

// Quote is the same in quotes, so that a reader sees where the text ends.
func Quote(text string) string { return `"` + Line(strings.ReplaceAll(text, `"`, `\"`)) + `"` }

// Error is an error whose text is foreign.
func Error(err error) error { return harmless{err} }

type harmless struct{ error }

func (h harmless) Error() string { return Line(h.error.Error()) }
func (h harmless) Unwrap() error { return h.error }

// Obeyed says whether a text holds what Line would change, save ends of lines and tabs.
func Obeyed(text string) bool {
	text = selectors.Replace(text)
	return strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && hidden(r) }) ||
		!utf8.ValidString(text) || commands.MatchString(text)
}

// hidden says whether a character draws nothing. Some CI systems compare without those that
// Unicode tells programs to ignore.
func hidden(r rune) bool {
	return !unicode.IsGraphic(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
