// Package gitref reads version and revision out of the few files of .git that say them,
// and says whether files are as the commit has them.
package gitref

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Unknown is the revision where none can be told.
const Unknown = "unknown"

// Stamp is what a build says of itself.
type Stamp struct {
	Version  string // a tag, 0.0.0-<commit>, 0.0.0-unknown, or 0.0.0 outside of git
	Revision string // full commit hash, or Unknown
	Doubt    string // why the revision is Unknown
	Note     string // why the version may be another
}

// Repository is what the files of a .git directory say.
type Repository struct {
	files map[string]string // as Wanted names them
	refs  map[string]string // to hash, or "ref: " and another
	head  string            // commit that is checked out, "" if it cannot be told
	at    string            // directory of HEAD and the index: "" or worktrees/NAME/

	elsewhere bool // there are no files, as they are not in the source
}

var commitHash = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// Wanted says whether a file of .git, by its path in there, is one of those that Open takes.
func Wanted(file string) bool {
	if rest, ok := strings.CutPrefix(file, "worktrees/"); ok {
		_, file, _ = strings.Cut(rest, "/")
	}
	return slices.Contains([]string{"HEAD", "index", "packed-refs"}, file) || looseObject.MatchString(file) || graphFile.MatchString(file) ||
		strings.HasPrefix(file, "refs/heads/") || strings.HasPrefix(file, "refs/tags/") || strings.HasPrefix(file, "reftable/")
}

// Worktree is the name by which a repository knows the worktree whose .git is a file with
// that text; "" for a submodule, which has a repository of its own.
func Worktree(text string) string {
	dir := strings.TrimSpace(strings.TrimPrefix(strings.ReplaceAll(text, `\`, "/"), "gitdir:"))
	if path.Base(path.Dir(dir)) == "worktrees" {
		return path.Base(dir)
	}
	return ""
}

// WorktreeDir is where in .git a worktree of that name has what is its own.
func WorktreeDir(name string) string {
	if name == "" {
		return ""
	}
	return "worktrees/" + name
}

// Open takes the files that Wanted names, for a worktree of that name or, if it is "",
// for the repository's main one.
func Open(files map[string]string, worktree string) Repository {
	r := Repository{files: files, refs: map[string]string{}}
	if worktree != "" {
		r.at = WorktreeDir(worktree) + "/"
	}
	unpack(files["packed-refs"], r.refs)
	for file, text := range files {
		if strings.HasPrefix(file, "refs/") {
			r.refs[file] = strings.TrimSpace(text)
		}
	}
	r.refs["HEAD"] = strings.TrimSpace(files[r.at+"HEAD"])
	for _, dir := range slices.Compact([]string{"", r.at}) {
		unpackTables(files, dir+"reftable/", r.refs)
	}
	r.head = r.refs["HEAD"]
	// A reference may name another; one that leads in a circle names no commit.
	for range 5 {
		ref, symbolic := strings.CutPrefix(r.head, "ref: ")
		if !symbolic {
			break
		}
		r.head = r.refs[strings.TrimSpace(ref)]
	}
	if !commitHash.MatchString(r.head) {
		r.head = ""
	}
	return r
}

// Elsewhere is the repository of a source whose .git is a file that leads out of it.
func Elsewhere() Repository { return Repository{elsewhere: true} }

// Stamp finds the stamp of the module in a directory. rooted says that the repository has
// a module at its root too, of which the tags without a prefix are then.
func (r Repository) Stamp(module string, rooted bool) Stamp {
	switch {
	case r.elsewhere:
		return unknown("0.0.0-unknown", `.git in the source is a file, as in a worktree or a submodule: give --git-dir "$(git rev-parse --git-common-dir)"`)
	case len(r.files) == 0:
		return unknown("0.0.0", "the source has no .git")
	case r.files[r.at+"HEAD"] == "":
		return unknown("0.0.0-unknown", "its .git has no "+r.at+"HEAD")
	case r.head == "":
		return unknown("0.0.0-unknown", "nothing is committed yet")
	}
	tag, unread := r.version(module, rooted)
	stamp := Stamp{Version: cmp.Or(tag, "0.0.0-"+r.head[:12]), Revision: r.head}
	if tag == "" && unread != "" {
		stamp.Note = "whether the tag " + unread + " is on this commit cannot be told: git pack-refs --all makes it known, or give --version"
	}
	return stamp
}

func unknown(version, doubt string) Stamp {
	return Stamp{Version: version, Revision: Unknown, Doubt: doubt}
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

// notInName are the characters that git lets no reference have.
func notInName(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r) }

var majorDir = regexp.MustCompile(`(^|/)v[0-9]+$`)

// version is the best tag of the commit: one with the prefix that Go gives to a module in
// a sub-directory, as in web/v1.2.3. Where no module is at the root, one without a prefix
// is of the whole repository, and the next best. Another module's tag is none. Versions go
// before other words. unread is the best of the tags that may be annotated, of which the
// files do not say on which commit they are.
func (r Repository) version(module string, rooted bool) (best, unread string) {
	for _, prefix := range prefixes(module, rooted) {
		for ref := range r.refs {
			tag, ok := strings.CutPrefix(ref, "refs/tags/"+prefix)
			if !ok || path.Base(tag) != tag || strings.ContainsFunc(tag, notInName) {
				continue
			}
			at, told := r.commit(ref)
			switch {
			case at == r.head && (best == "" || less(best, tag)):
				best = tag
			case !told && (unread == "" || less(unread, tag)):
				unread = tag
			}
		}
		if best != "" {
			return best, ""
		}
	}
	return "", unread
}

// prefixes are what a module's tags begin with, the best first.
func prefixes(module string, rooted bool) []string {
	dir := majorDir.ReplaceAllString(module, "")
	switch {
	case dir == "." || dir == "":
		return []string{""}
	case rooted:
		return []string{dir + "/"}
	}
	return []string{dir + "/", ""}
}

// Tagged is the commit that a version's tag is on, with or without a v before it, "" if there is no
// such tag or it cannot be told.
func (r Repository) Tagged(version, module string, rooted bool) string {
	bare := strings.TrimPrefix(version, "v")
	for _, prefix := range prefixes(module, rooted) {
		for _, tag := range []string{"v" + bare, bare} {
			if at, told := r.commit("refs/tags/" + prefix + tag); told && at != "" {
				return at
			}
		}
	}
	return ""
}

// commit is what a tag is on. It is not told if the tag is in a file of its own, which
// holds the hash of the commit or else that of an annotated tag, and the object is not there.
func (r Repository) commit(ref string) (hash string, told bool) {
	hash = r.refs[ref]
	if _, loose := r.files[ref]; !loose || hash == r.head {
		return hash, true
	}
	for range 5 { // A tag may be of a tag.
		kind, text, ok := r.object(hash)
		if !ok || kind != "tag" {
			return hash, ok
		}
		hash = field(text, "object")
	}
	return hash, true
}
