package main

import (
	"bufio"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"dagger/slipway/internal/dagger"
)

// stamp is what a build says of itself.
type stamp struct {
	version  string // a tag, or 0.0.0-<commit>
	revision string // full commit hash, "unknown" outside a git checkout
}

var commitHash = regexp.MustCompile(`^[0-9a-f]{40,64}$`)

// stamp reads HEAD and the refs out of .git by hand: they are a few small
// files, while asking git itself would mean uploading the whole history and
// missing the cache each time git touches its index.
func (s *Slipway) stamp(ctx context.Context) (stamp, error) {
	st := stamp{version: s.Version, revision: "unknown"}
	tmp, err := os.MkdirTemp("", "git")
	if err != nil {
		return st, err
	}
	defer os.RemoveAll(tmp)
	if _, err := s.Source.Filter(dagger.DirectoryFilterOpts{Include: []string{".git"}}).Export(ctx, tmp); err != nil {
		return st, err
	}
	git := filepath.Join(tmp, ".git")
	refs := packedRefs(git)
	looseRefs(git, refs)

	head, _ := os.ReadFile(filepath.Join(git, "HEAD"))
	commit := strings.TrimSpace(string(head))
	if ref, ok := strings.CutPrefix(commit, "ref: "); ok {
		commit = refs[ref]
	}
	if commitHash.MatchString(commit) {
		st.revision = commit
	}
	if st.version == "" {
		st.version = versionOf(st.revision, refs)
	}
	return st, nil
}

func versionOf(revision string, refs map[string]string) string {
	version := ""
	for ref, commit := range refs {
		tag, ok := strings.CutPrefix(ref, "refs/tags/")
		if ok && commit == revision && tag > version {
			version = tag
		}
	}
	switch {
	case version != "":
		return version
	case revision == "unknown":
		return "0.0.0"
	default:
		return "0.0.0-" + revision[:12]
	}
}

// packedRefs maps each ref to its commit; an annotated tag to the commit it
// points at (the "^" line that follows it).
func packedRefs(git string) map[string]string {
	refs := map[string]string{}
	f, err := os.Open(filepath.Join(git, "packed-refs"))
	if err != nil {
		return refs
	}
	defer f.Close()
	var last string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if peeled, ok := strings.CutPrefix(lines.Text(), "^"); ok {
			refs[last] = peeled
		} else if commit, ref, ok := strings.Cut(lines.Text(), " "); ok && commitHash.MatchString(commit) {
			refs[ref], last = commit, ref
		}
	}
	return refs
}

// looseRefs adds the refs that have a file of their own, which win over packed ones.
func looseRefs(git string, refs map[string]string) {
	_ = filepath.WalkDir(filepath.Join(git, "refs"), func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		commit, err := os.ReadFile(file)
		if ref, relErr := filepath.Rel(git, file); err == nil && relErr == nil {
			refs[filepath.ToSlash(ref)] = strings.TrimSpace(string(commit))
		}
		return nil
	})
}
