// Package linkvars reads the variables that are set when a program is linked.
package linkvars

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Always are set in each program; one that has no such variables is the same without them.
var Always = []string{"main.version={version}", "main.revision={revision}"}

var (
	// variable is the path of a package, a dot, and a name of Go. The path holds what Go admits
	// in an import path and in the address of a module.
	variable = regexp.MustCompile(`^[A-Za-z0-9_~][A-Za-z0-9._~/+-]*\.[\pL_][\pL\pN_]*$`)
	// literal is what a value may hold. With neither spaces nor quotes it stays one word to go,
	// and so cannot be another flag of the linker.
	literal = regexp.MustCompile(`^[A-Za-z0-9._~/+:=@%!-]*$`)
	// word is what a version may be, which may come from a tag: one word to go as well.
	word = regexp.MustCompile("^[^\\s\\pC'\"`\\\\{}]*$")
)

// Flags are the linker's flags that set the variables.
func Flags(given []string, version, revision string) (string, error) {
	if !word.MatchString(version) {
		return "", fmt.Errorf("the version %q cannot be stamped: give one without spaces, quotes and braces as --version", version)
	}
	var flags strings.Builder
	for _, assignment := range slices.Concat(Always, given) {
		if err := Check(assignment); err != nil {
			return "", err
		}
		flags.WriteString(" -X " + strings.NewReplacer("{version}", version, "{revision}", revision).Replace(assignment))
	}
	return flags.String(), nil
}

// Check refuses what is no variable with its value.
func Check(assignment string) error {
	name, value, found := strings.Cut(assignment, "=")
	switch {
	case !found:
		return fmt.Errorf("--link-vars %q has no value: give importpath.Name=value, "+
			"for example example.com/app/build.Version={version}", assignment)
	case !variable.MatchString(name):
		return fmt.Errorf("--link-vars %q names no variable: "+
			"give the import path of its package (main for the program), a dot and its name", assignment)
	case !literal.MatchString(strings.NewReplacer("{version}", "", "{revision}", "").Replace(value)):
		return fmt.Errorf("--link-vars %q has a value that cannot be set: "+
			"give {version}, {revision}, letters, digits and ._~/+:=@%%!-", assignment)
	}
	return nil
}
