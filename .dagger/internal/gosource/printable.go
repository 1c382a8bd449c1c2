package gosource

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable refuses a file whose name would be obeyed where it is printed, by go, by Dagger
// or in an error: it has control characters, or what some CI systems take for a command.
func Printable(file string) error {
	hidden := func(r rune) bool { return !unicode.IsGraphic(r) }
	if strings.ContainsFunc(file, hidden) || strings.Contains(file, "##") || !utf8.ValidString(file) {
		return fmt.Errorf("the file %q has a control character, or # twice, in its name: rename it", strings.ReplaceAll(file, "##", "# #"))
	}
	return nil
}

// isRead says whether the go command reads a file of that name wherever it is.
func isRead(file string) bool {
	switch name := path.Base(file); name {
	case "go.mod", "go.sum", "go.work", "go.work.sum":
		return true
	default:
		return path.Ext(name) == ".go" || slices.Contains(texts, path.Ext(name)) || strings.HasSuffix("/"+file, "/"+vendorList)
	}
}
