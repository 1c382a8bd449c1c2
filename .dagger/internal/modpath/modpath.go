// Package modpath says from a Go module's path where its repository is.
package modpath

import (
	"regexp"
	"slices"
	"strings"
)

// owners are the hosts on which a repository is always an owner's: host/owner/repository.
var owners = []string{"bitbucket.org", "codeberg.org", "git.sr.ht", "gitea.com", "github.com"}

// major is the end that a module's path has from its second major version on.
var major = regexp.MustCompile(`^v([2-9]|[1-9][0-9]+)$`)

// Repository is the URL of the repository of a module that is in the directory dir of it, "."
// if that is not known. It is "" where the path names no host, and the path itself, as a
// URL, where the path is another name for the repository.
func Repository(module, dir string) string {
	elements := strings.Split(module, "/")
	if !strings.Contains(elements[0], ".") {
		return ""
	}
	if last := len(elements) - 1; last > 0 && major.MatchString(elements[last]) {
		elements = elements[:last]
	}
	// The directory may itself be the one of a major version: api/v2.
	below := strings.Split(dir, "/")
	if last := len(below) - 1; last > 0 && major.MatchString(below[last]) {
		below = below[:last]
	}
	if end := len(elements) - len(below); dir != "." && end > 0 && slices.Equal(elements[end:], below) {
		elements = elements[:end]
	}
	for i, element := range elements {
		// To go, too, this ends the repository's part of the path.
		if name, ok := strings.CutSuffix(element, ".git"); ok && i > 0 && name != "" {
			elements = append(slices.Clone(elements[:i]), name)
			break
		}
	}
	if slices.Contains(owners, elements[0]) && len(elements) > 3 {
		elements = elements[:3]
	}
	return "https://" + strings.Join(elements, "/")
}
