package main

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
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
	files, err := s.Source.Glob(ctx, ".git/**")
	if err != nil {
		return st, err
	}
	head := ""
	if slices.Contains(files, ".git/HEAD") {
		if head, err = s.Source.File(".git/HEAD").Contents(ctx); err != nil {
			return st, err
		}
	}
	commit := strings.TrimSpace(head)
	ref, onBranch := strings.CutPrefix(commit, "ref: ")
	refs, err := s.refs(ctx, slices.DeleteFunc(files, func(file string) bool {
		tag := strings.HasPrefix(file, ".git/refs/tags/") && !strings.HasSuffix(file, "/")
		return !tag && file != ".git/"+ref && file != packedRefs
	}))
	if err != nil {
		return st, err
	}
	if onBranch {
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

const packedRefs = ".git/packed-refs"

// refs maps each ref in the files to its commit. One with a file of its own
// wins over its line in packed-refs.
func (s *Slipway) refs(ctx context.Context, files []string) (map[string]string, error) {
	texts := make([]string, len(files))
	reads, ctx := errgroup.WithContext(ctx)
	reads.SetLimit(8)
	for i, file := range files {
		reads.Go(func() (err error) {
			texts[i], err = s.Source.File(file).Contents(ctx)
			return err
		})
	}
	if err := reads.Wait(); err != nil {
		return nil, err
	}
	refs := map[string]string{}
	if i := slices.Index(files, packedRefs); i >= 0 {
		unpackRefs(texts[i], refs)
	}
	for i, file := range files {
		if file != packedRefs {
			refs[strings.TrimPrefix(file, ".git/")] = strings.TrimSpace(texts[i])
		}
	}
	return refs, nil
}

// unpackRefs reads packed-refs; an annotated tag is the commit it points at (the
// "^" line that follows it).
func unpackRefs(text string, refs map[string]string) {
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
