// Licenses says under which licences the modules of a program are, by the files in their
// directories, and writes the texts that ship with them.
//
//	licenses REQUEST-FILE TEXTS-FILE
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"slipway/helpers/internal/sanitize"
)

// request is what the caller asks for.
type request struct {
	Modules []module
	Allow   []string // SPDX identifiers, none to allow all that are known
	Vendor  string   // directory with the modules, "" for Go's module cache
}

// module is one of the program's. The source calls it As, which is another name if it is replaced.
type module struct{ Path, Version, As string }

// standardLibrary is what the SBOM calls Go's own.
const standardLibrary = "stdlib"

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: licenses REQUEST-FILE TEXTS-FILE")
		os.Exit(2)
	}
	out, progress := sanitize.NewWriter(os.Stdout), sanitize.NewWriter(os.Stderr)
	list, err := run(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprint(progress, list)
		fmt.Fprintln(out, err)
	} else {
		fmt.Fprint(out, list)
	}
	if err := errors.Join(err, out.Flush(), progress.Flush()); err != nil {
		os.Exit(1)
	}
}

// run returns the list of licences, also beside an error that refuses some of them.
func run(from, texts string) (string, error) {
	text, err := os.ReadFile(from)
	if err != nil {
		return "", err
	}
	var r request
	if err := json.Unmarshal(text, &r); err != nil {
		return "", err
	}
	roots, err := exec.Command("go", "env", "GOROOT", "GOMODCACHE").Output()
	if err != nil {
		return "", err
	}
	root, cache, _ := strings.Cut(strings.TrimSpace(string(roots)), "\n")
	var found []licensed
	for _, m := range r.Modules {
		dir := m.dir(root, cache, r.Vendor)
		if _, err := os.Stat(dir); err != nil && r.Vendor == "" { // The cache may have been emptied since.
			if said, err := exec.Command("go", "mod", "download", m.Path+"@"+m.Version).CombinedOutput(); err != nil {
				return "", fmt.Errorf("the files of %s cannot be had: %s", sanitize.Line(m.Path), said)
			}
		}
		l, err := read(m, dir)
		if err != nil {
			return "", err
		}
		found = append(found, l)
	}
	var list strings.Builder
	table := tabwriter.NewWriter(&list, 0, 0, 2, ' ', 0)
	for _, l := range found {
		fmt.Fprintf(table, "%s\t%s\t%s\n", sanitize.Line(l.module.Path), sanitize.Line(l.module.Version), l.names())
	}
	if err := table.Flush(); err != nil {
		return "", err
	}
	if err := os.WriteFile(texts, []byte(shipped(found)), 0o600); err != nil {
		return "", err
	}
	return list.String(), refused(found, r.Allow)
}

// dir is where a module's files are.
func (m module) dir(root, cache, vendor string) string {
	switch {
	case m.Path == standardLibrary:
		return root
	case vendor != "":
		return filepath.Join(vendor, filepath.FromSlash(m.As))
	}
	return filepath.Join(cache, filepath.FromSlash(escaped(m.Path)+"@"+escaped(m.Version)))
}

// escaped is a path as the module cache has it, which may be on a disk that knows no case.
func escaped(path string) string {
	var b strings.Builder
	for _, r := range path {
		if unicode.IsUpper(r) {
			b.WriteByte('!')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// refused says of which modules the licence is unknown or not allowed.
func refused(found []licensed, allow []string) error {
	var problems []string
	for _, l := range found {
		name := sanitize.Line(l.module.Path)
		if len(l.ids) == 0 {
			problems = append(problems, fmt.Sprintf("%s has no licence that is known: read what it says of itself (%s)", name, l.files()))
			continue
		}
		for _, file := range l.limits {
			problems = append(problems, fmt.Sprintf("%s has a file that limits what %s allows: read %s", name, strings.Join(l.ids, ", "), file))
		}
		for _, id := range l.ids {
			if len(allow) > 0 && !slices.ContainsFunc(allow, func(a string) bool { return strings.EqualFold(a, id) }) {
				problems = append(problems, fmt.Sprintf("%s is under %s, which --allow does not list", name, id))
			}
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("not all licences will do:\n%s", strings.Join(problems, "\n"))
}
