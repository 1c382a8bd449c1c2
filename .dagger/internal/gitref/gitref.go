// Package gitref reads version and revision out of the few files of .git that say them.
package gitref

import (
	"cmp"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Unknown is the revision where none can be told.
const Unknown = "unknown"

// Stamp is what a build says of itself.
type Stamp struct {
	Version  string // a tag, 0.0.0-<commit>, 0.0.0-unknown, or 0.0.0 outside of git
	Revision string // full commit hash, or Unknown
}

var commitHash = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// Wanted says whether Read needs a file.
func Wanted(file string) bool {
	return file == ".git" || file == ".git/HEAD" || file == ".git/packed-refs" ||
		strings.HasPrefix(file, ".git/refs/heads/") || strings.HasPrefix(file, ".git/refs/tags/")
}

// Read finds the stamp of the module in a directory. files maps the paths that Wanted
// names to their texts. A .git that is a file, as in a worktree or a submodule, leads
// to a place outside: then the revision is unknown, and the version says so.
func Read(files map[string]string, module string) Stamp {
	if len(files) == 0 {
		return Stamp{"0.0.0", Unknown}
	}
	refs := map[string]string{}
	unpack(files[".git/packed-refs"], refs)
	for file, text := range files {
		if ref, ok := strings.CutPrefix(file, ".git/refs/"); ok {
			refs["refs/"+ref] = strings.TrimSpace(text)
		}
	}
	commit := strings.TrimSpace(files[".git/HEAD"])
	// A reference may name another; one that leads in a circle names no commit.
	for range 5 {
		ref, symbolic := strings.CutPrefix(commit, "ref: ")
		if !symbolic {
			break
		}
		commit = refs[strings.TrimSpace(ref)]
	}
	if !commitHash.MatchString(commit) {
		return Stamp{"0.0.0-unknown", Unknown}
	}
	return Stamp{cmp.Or(version(commit, refs, module), "0.0.0-"+commit[:12]), commit}
}

// unpack reads packed-refs; an annotated tag is the commit it points at (the "^" line
// that follows it).
func unpack(text string, refs map[string]string) {
	last := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if peeled, ok := strings.CutPrefix(line, "^"); ok {
			refs[last] = peeled
		} else if commit, ref, ok := strings.Cut(line, " "); ok && commitHash.MatchString(commit) {
			refs[ref], last = commit, ref
		}
	}
}

var majorDir = regexp.MustCompile(`(^|/)v[0-9]+$`)

// version is the best tag of a commit: one with the prefix that Go gives to a module in
// a sub-directory, as in web/v1.2.3, or else one of the whole repository. Another
// module's tag is none. Versions go before other words.
func version(commit string, refs map[string]string, module string) string {
	prefix := majorDir.ReplaceAllString(module, "")
	if prefix == "." || prefix == "" {
		prefix = ""
	} else {
		prefix += "/"
	}
	for _, prefix := range []string{prefix, ""} {
		best := ""
		for ref, at := range refs {
			tag, ok := strings.CutPrefix(ref, "refs/tags/"+prefix)
			if ok && at == commit && path.Base(tag) == tag && (best == "" || less(best, tag)) {
				best = tag
			}
		}
		if best != "" {
			return best
		}
	}
	return ""
}

var semantic = regexp.MustCompile(`^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$`)

// less compares two tags as semantic versions: 1.9 comes before 1.10, and a candidate
// before its release. What is no version comes before all that are.
func less(a, b string) bool {
	x, y := semantic.FindStringSubmatch(a), semantic.FindStringSubmatch(b)
	if x == nil || y == nil {
		if (x == nil) != (y == nil) {
			return x == nil
		}
		return a < b
	}
	for i := 1; i <= 3; i++ {
		if c := compareNumbers(x[i], y[i]); c != 0 {
			return c < 0
		}
	}
	if x[4] == "" || y[4] == "" {
		if (x[4] == "") != (y[4] == "") {
			return x[4] != ""
		}
		return a < b
	}
	return lessCandidate(x[4], y[4], a < b)
}

// lessCandidate compares what follows the dash, word by word.
func lessCandidate(a, b string, otherwise bool) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := 0; i < len(x) && i < len(y); i++ {
		_, xErr := strconv.ParseUint(x[i], 10, 64)
		_, yErr := strconv.ParseUint(y[i], 10, 64)
		switch {
		case xErr == nil && yErr == nil:
			if c := compareNumbers(x[i], y[i]); c != 0 {
				return c < 0
			}
		case (xErr == nil) != (yErr == nil):
			return xErr == nil
		case x[i] != y[i]:
			return x[i] < y[i]
		}
	}
	if len(x) != len(y) {
		return len(x) < len(y)
	}
	return otherwise
}

// compareNumbers compares decimal numbers of any length; none is 0.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
