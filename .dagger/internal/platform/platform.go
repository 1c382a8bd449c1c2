// Package platform knows the platforms for which programs are built.
package platform

import (
	"fmt"
	"slices"
	"strings"
)

// Platform is one of them, as Go calls it.
type Platform struct {
	Name string // as registries call it: linux/arm/v7
	Arch string // GOARCH
	Arm  string // GOARM, "" where it does not apply
}

// known are those for which both Go compiles and the public base images exist.
var known = []Platform{
	{"linux/386", "386", ""},
	{"linux/amd64", "amd64", ""},
	{"linux/arm/v6", "arm", "6"},
	{"linux/arm/v7", "arm", "7"},
	{"linux/arm64", "arm64", ""},
	{"linux/ppc64le", "ppc64le", ""},
	{"linux/riscv64", "riscv64", ""},
	{"linux/s390x", "s390x", ""},
}

// All are the platforms.
func All() []Platform { return slices.Clone(known) }

// Parse reads a platform's name.
func Parse(name string) (Platform, error) {
	// The variant that every arm64 machine is of, which some engines name.
	plain := name
	if name == "linux/arm64/v8" {
		plain = "linux/arm64"
	}
	at := slices.IndexFunc(known, func(p Platform) bool { return p.Name == plain })
	if at < 0 {
		return Platform{}, fmt.Errorf("platform %q is not supported: use one of %s", name, names())
	}
	return known[at], nil
}

// ParseAll reads the names of those that one image is made for, and sorts them: in whichever
// order they were given, the image is the same.
func ParseAll(given []string) ([]string, error) {
	if len(given) == 0 {
		return nil, fmt.Errorf("there is no platform to build for: give one or several of %s", names())
	}
	parsed := make([]string, len(given))
	for i, name := range given {
		p, err := Parse(name)
		if err != nil {
			return nil, err
		}
		parsed[i] = p.Name
	}
	slices.Sort(parsed)
	return slices.Compact(parsed), nil
}

func names() string {
	list := make([]string, len(known))
	for i, p := range known {
		list[i] = p.Name
	}
	return strings.Join(list, ", ")
}
