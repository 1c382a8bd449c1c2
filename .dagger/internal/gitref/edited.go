package gitref

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Edited says what keeps files from being as the commit has them, "" if nothing does. It
// fails where that cannot be told. used are the paths in the work tree, which source has;
// exists says whether the work tree has a path.
func (r Repository) Edited(used []string, source fs.ReadLinkFS, exists func(string) bool) (string, error) {
	text, ok := r.files[r.at+"index"]
	if !ok {
		return "", errors.New("its .git has no index")
	}
	hashSize := len(r.head) / 2
	ix, err := readIndex(text, hashSize)
	if err != nil {
		return "", err
	}
	known := map[string]entry{}
	dirs, all := map[string]bool{}, map[string]bool{}
	for _, file := range used {
		dirs[path.Dir(file)] = true
		// What is no Go file may be there since its directory is named.
		if path.Ext(file) != ".go" && !strings.HasPrefix(path.Base(file), "go.") {
			all[path.Dir(file)] = true
		}
	}
	for _, e := range ix.entries {
		known[e.path] = e
		if !e.absent && e.mode&kindMask != kindDir && e.mode&kindMask != kindCommit && near(e.path, dirs, all) && !exists(e.path) {
			return fmt.Sprintf("%q is deleted", e.path), nil
		}
	}
	for _, file := range used {
		e, ok := known[file]
		switch {
		case !ok && inSubmodule(file, known):
			return "", fmt.Errorf("%q is in a submodule", file)
		case !ok || e.merge:
			return fmt.Sprintf("%q is not committed", file), nil
		}
		same, err := sameFile(source, file, e, hashSize)
		if err != nil {
			return "", err
		}
		if !same {
			return fmt.Sprintf("%q is edited", file), nil
		}
	}
	return r.staged(ix, hashSize)
}

// near says whether a file is one that would be used beside those that are: in one of dirs, or
// anywhere below one of all.
func near(file string, dirs, all map[string]bool) bool {
	dir := path.Dir(file)
	if dirs[dir] {
		return true
	}
	for ; dir != "."; dir = path.Dir(dir) {
		if all[dir] {
			return true
		}
	}
	return false
}

func inSubmodule(file string, known map[string]entry) bool {
	for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
		if known[dir].mode&kindMask == kindCommit {
			return true
		}
	}
	return false
}

// sameFile compares a file with what the index has of it. Git may have changed the line
// ends of what it checked out, or put another file in the place of a pointer to it.
func sameFile(source fs.ReadLinkFS, file string, e entry, hashSize int) (bool, error) {
	info, err := source.Lstat(file)
	if err != nil {
		return false, err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		to, err := source.ReadLink(file)
		return e.mode&kindMask == kindLink && objectHash("blob", to, hashSize) == e.hash, err
	}
	raw, err := fs.ReadFile(source, file)
	if err != nil {
		return false, err
	}
	content := string(raw)
	for _, stored := range []string{
		content,
		strings.ReplaceAll(content, "\r\n", "\n"),
		fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%x\nsize %d\n", sha256.Sum256(raw), len(raw)),
	} {
		if objectHash("blob", stored, hashSize) == e.hash {
			return e.mode&kindMask != kindLink, nil
		}
	}
	return false, nil
}

// staged says whether the index is other than the commit. Where its tree is not known, as of one in a
// pack that came from elsewhere, it counts that the index has not changed since it was last made of
// a commit, or written as one.
func (r Repository) staged(ix index, hashSize int) (string, error) {
	const changes = "there are staged changes"
	tree, ok := r.tree(r.head)
	switch {
	case ok:
		if ix.written(hashSize) != tree {
			return changes, nil
		}
	case !ix.told:
		return "", errors.New("its index does not say what is staged")
	case ix.tree == "":
		return changes, nil
	}
	return "", nil
}
