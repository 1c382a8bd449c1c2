package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"

	"slipway/helpers/internal/sanitize"
)

const (
	// sure is how much of a text must be that of known licences, in percent.
	sure = 75
	// textLimit is the bytes of a file that are read. The longest licences have some 40 KiB.
	textLimit = 1 << 20
)

// licensed is a module and what its files say.
type licensed struct {
	module module
	ids    []string // of its licences, in SPDX's words
	texts  []text
	others []string // files with a licence, or something else, that is not known
	limits []string // those of them that limit what may be done
}

type text struct{ name, body string }

var (
	// licenceFile is the name of a file with a licence, noticeFile of one that must ship with it.
	licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense|copyright)([-._].*)?$`)
	noticeFile  = regexp.MustCompile(`(?i)^(notice|patents)([-._].*)?$`)
	// limit is what a text says that allows less than the licence beside it, as the Commons Clause does. Of 1,342
	// licence files of modules in use that are known, it is in none.
	limit = regexp.MustCompile(`(?i)\b(commons clause|(non-?)?commercial|(may|must|shall) not|not (be used|permitted|allowed)|prohibit\w*|` +
		`additional (terms?|conditions?|restrictions?)|proprietary and confidential|all other rights)\b`)
	program = regexp.MustCompile(`(?i)\.(go|sh|py|js|json|ya?ml)$`)
)

// read looks at the files at the top of a module.
func read(m module, dir string) (licensed, error) {
	l := licensed{module: m}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return l, fmt.Errorf("the files of %s are not there: %w", sanitize.Line(m.Path), err)
	}
	for _, e := range entries {
		licence := licenceFile.MatchString(e.Name())
		if !e.Type().IsRegular() || program.MatchString(e.Name()) || !licence && !noticeFile.MatchString(e.Name()) {
			continue
		}
		body, err := readText(filepath.Join(dir, e.Name()))
		if err != nil {
			return l, err
		}
		l.texts = append(l.texts, text{e.Name(), body})
		if !licence {
			continue
		}
		known := identify(body)
		if len(known) == 0 {
			l.others = append(l.others, sanitize.Line(e.Name()))
			// One that holds known licences, too, lists those of others.
			if limit.MatchString(body) && len(licensecheck.Scan([]byte(body)).Match) == 0 {
				l.limits = append(l.limits, sanitize.Line(e.Name()))
			}
		}
		for _, id := range known {
			if !slices.Contains(l.ids, id) {
				l.ids = append(l.ids, id)
			}
		}
	}
	slices.Sort(l.ids)
	return l, nil
}

func readText(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // It was only read.
	body, err := io.ReadAll(io.LimitReader(f, textLimit))
	return string(body), err
}

// identify are the licences of a text, none if too much of it is something else, or what else it says limits them.
func identify(body string) []string {
	coverage := licensecheck.Scan([]byte(body))
	if coverage.Percent < sure {
		return nil
	}
	var ids []string
	end := 0
	for _, match := range coverage.Match {
		if limit.MatchString(body[end:max(end, match.Start)]) {
			return nil
		}
		end = max(end, match.End)
		ids = append(ids, match.ID)
	}
	if limit.MatchString(body[end:]) {
		return nil
	}
	return ids
}

func (l licensed) names() string {
	names := cmp.Or(strings.Join(l.ids, ", "), "unknown")
	if len(l.ids) > 0 && len(l.others) > 0 {
		names += "; not known: " + strings.Join(l.others, ", ")
	}
	return names
}

// files are the names of those that were looked at.
func (l licensed) files() string {
	var names []string
	for _, t := range l.texts {
		names = append(names, sanitize.Line(t.name))
	}
	return cmp.Or(strings.Join(names, ", "), "it has no file with a licence")
}

// shipped are the texts, each below the module that it is of.
func shipped(found []licensed) string {
	var b strings.Builder
	for _, l := range found {
		for _, t := range l.texts {
			fmt.Fprintf(&b, "%s %s, %s\n\n%s\n\n%s\n\n",
				l.module.Path, l.module.Version, t.name, strings.TrimSpace(t.body), strings.Repeat("-", 80))
		}
	}
	return b.String()
}
