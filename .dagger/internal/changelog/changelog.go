// Package changelog finds a version's section in a changelog in Markdown.
package changelog

import "strings"

// Section is what the changelog says of a version, without the heading: up to the next one of
// the same level or above. ok is false if it has no such heading. The heading may have more
// than the version, as in "## [1.2.3] - 2026-01-31", and the version a leading v.
func Section(text, version string) (section string, ok bool) {
	var found strings.Builder
	level, code := 0, false
	for line := range strings.Lines(text) {
		if fence := strings.TrimSpace(line); strings.HasPrefix(fence, "```") || strings.HasPrefix(fence, "~~~") {
			code = !code
		}
		depth := len(line) - len(strings.TrimLeft(line, "#"))
		heading := !code && depth > 0 && strings.HasPrefix(line[depth:], " ")
		switch {
		case level == 0 && heading && names(line[depth:], version):
			level = depth
		case level > 0 && heading && depth <= level:
			return trimmed(found.String()), true
		case level > 0:
			found.WriteString(line)
		}
	}
	return trimmed(found.String()), level > 0
}

// names says whether the first word of a heading is the version.
func names(heading, version string) bool {
	first, _, _ := strings.Cut(strings.TrimSpace(heading), " ")
	first, _, _ = strings.Cut(strings.TrimPrefix(first, "["), "]")
	bare := func(v string) string { return strings.TrimPrefix(strings.ToLower(v), "v") }
	return bare(strings.TrimRight(first, ":,\r\n")) == bare(version)
}

func trimmed(section string) string { return strings.Trim(section, "\r\n") + "\n" }
