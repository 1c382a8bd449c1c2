package gosource

import (
	"strings"
	"unicode/utf8"
)

// Pattern is the pattern, as Dagger's filters take it, that matches a path and no other.
func Pattern(file string) string {
	if !strings.ContainsAny(file, `*?[]\!`) && strings.TrimSpace(file) == file {
		return file
	}
	var b strings.Builder
	for i, r := range file {
		switch end := i + utf8.RuneLen(r); {
		case (i == 0 || end == len(file)) && strings.TrimSpace(string(r)) == "":
			b.WriteString("[" + string(r) + "]") // or else it is trimmed
		case strings.ContainsRune(`*?[]\!(){}+|^`, r):
			b.WriteString(`\` + string(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
