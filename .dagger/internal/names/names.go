// Package names says what overlays, releases and namespaces can be called, before a name
// reaches a path, an argument or a label.
package names

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

const (
	longestOverlay = 255
	longestRelease = 53 // records add to it
)

var (
	label        = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	major        = regexp.MustCompile(`/v\d+$`)
	majorOfGopkg = regexp.MustCompile(`\.v\d+(-unstable)?$`)
	notInLabels  = regexp.MustCompile(`[^a-z0-9]+`)
)

// CheckOverlay refuses what is no directory inside the manifests directory.
func CheckOverlay(overlay string) error {
	name := strings.TrimSuffix(strings.TrimPrefix(overlay, "./"), "/")
	control := func(r rune) bool { return r < ' ' || r == 0x7f }
	if name == "." || len(name) > longestOverlay || !fs.ValidPath(name) || strings.ContainsFunc(name, control) {
		return fmt.Errorf("--overlay %q is not the name of a directory in the manifests directory: "+
			"give base, or one of those in overlays", overlay)
	}
	return nil
}

// IsLabel says whether a name is a label of DNS, which names of services, too, must be.
func IsLabel(name string) bool { return label.MatchString(name) }

// CheckNamespace refuses what no namespace can be called. "" is that none was given.
func CheckNamespace(namespace string) error {
	if namespace != "" && !IsLabel(namespace) {
		return fmt.Errorf("--namespace %q is not a namespace's name: give lower-case letters, digits and dashes, 63 at most", namespace)
	}
	return nil
}

// CheckRelease refuses what no release can be called.
func CheckRelease(release string) error {
	if len(release) > longestRelease || !IsLabel(release) {
		return fmt.Errorf("the release cannot be called %q: give --release lower-case letters, digits and dashes, %d at most",
			release, longestRelease)
	}
	return nil
}

// Release is what the release of a Go module is called unless it is said: the last element
// of its path that is no version, with dashes for what no release is called by.
func Release(module string) string {
	name := strings.ToLower(path.Base(withoutMajor(module)))
	return strings.Trim(notInLabels.ReplaceAllString(name, "-"), "-")
}

func withoutMajor(module string) string {
	if strings.HasPrefix(module, "gopkg.in/") {
		return majorOfGopkg.ReplaceAllString(module, "")
	}
	return major.ReplaceAllString(module, "")
}
