package object

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

var (
	label   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	group   = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)
	version = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	kind    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)
)

const (
	labelLimit = 63  // characters of a namespace's name
	nameLimit  = 253 // of any other name
)

// IsLabel says whether a text is a name as namespaces have it: RFC 1123's label.
func IsLabel(text string) bool { return len(text) <= labelLimit && label.MatchString(text) }

// IsName says whether a text can be the name of any object. It becomes a part of a path
// and of lines that people read, so it has no slash, no white space and nothing that is
// not seen. Roles have colons, and custom kinds what they like.
func IsName(text string) bool {
	hidden := func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar }
	return text != "" && len(text) <= nameLimit && text != "." && text != ".." &&
		!strings.ContainsAny(text, "/%") && !strings.ContainsFunc(text, hidden)
}

// Misnamed says which of the names by which an object is found is none, "" if all are. An
// object without a name or kind is another matter.
func (o Object) Misnamed() string {
	groupOf, versionOf, found := strings.Cut(o.Version(), "/")
	if !found {
		groupOf, versionOf = "", o.Version()
	}
	id := o.ID()
	id.Group = groupOf
	if versionOf != "" && !version.MatchString(versionOf) {
		return fmt.Sprintf("apiVersion %q is none", o.Version())
	}
	return id.Misnamed()
}

// Misnamed says which part of the identity is no name, "" if all are.
func (id ID) Misnamed() string {
	switch {
	case id.Group != "" && !group.MatchString(id.Group):
		return fmt.Sprintf("API group %q is none", id.Group)
	case id.Kind != "" && !kind.MatchString(id.Kind):
		return fmt.Sprintf("kind %q is none", id.Kind)
	case id.Namespace != "" && !IsLabel(id.Namespace):
		return fmt.Sprintf("namespace %q is none", id.Namespace)
	case id.Name != "" && !IsName(id.Name):
		return fmt.Sprintf("name %q is none", id.Name)
	}
	return ""
}
