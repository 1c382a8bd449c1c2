package gitref

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
)

// The kinds of entries of an index, by their mode.
const (
	kindMask    = 0o170000
	kindDir     = 0o040000 // of a sparse index
	kindLink    = 0o120000
	kindCommit  = 0o160000 // a submodule
	flagExtends = 0x4000
	flagStages  = 0x3000
	flagAbsent  = 0x4000 // of the second flags: the file is not checked out
	flagIntent  = 0x2000 // of the second flags: there is no content yet
)

// entry is a file as the index has it.
type entry struct {
	path   string
	mode   int
	hash   string
	merge  bool // in conflict, or without content yet
	absent bool // not checked out, as git's sparse checkout does
}

// index is what would be committed.
type index struct {
	entries []entry
	tree    string // the tree it was when it was last written as one, "" if it changed since or does not say
	told    bool   // it says something of trees
}

var errIndex = errors.New("its index cannot be read")

// readIndex reads .git/index, in versions 2 to 4.
func readIndex(text string, hashSize int) (index, error) {
	var ix index
	if len(text) < 12+hashSize || text[:4] != "DIRC" {
		return ix, errIndex
	}
	in := reader{text: text[4 : len(text)-hashSize]}
	version, count := in.number(4), in.number(4)
	if version < 2 || version > 4 {
		return ix, fmt.Errorf("its index has version %d, which is not known", version)
	}
	previous := ""
	for range count {
		before := len(in.text)
		in.take(24)
		e := entry{mode: in.number(4)}
		in.take(12)
		e.hash = hex.EncodeToString([]byte(in.take(hashSize)))
		flags, more := in.number(2), 0
		if flags&flagExtends != 0 {
			more = in.number(2)
		}
		if version == 4 {
			cut := in.varint()
			if cut > len(previous) {
				return ix, errIndex
			}
			e.path = previous[:len(previous)-cut] + in.until(0)
		} else {
			e.path = in.until(0)
			in.take((8 - (before-len(in.text))%8) % 8)
		}
		if in.bad {
			return ix, errIndex
		}
		previous = e.path
		e.merge, e.absent = flags&flagStages != 0 || more&flagIntent != 0, more&flagAbsent != 0
		ix.entries = append(ix.entries, e)
	}
	for in.text != "" {
		name, data := in.take(4), in.take(in.number(4))
		switch {
		case in.bad:
			return ix, errIndex
		case name == "link":
			return ix, errors.New("its index is split over two files")
		case name == "TREE":
			ix.readTree(data, hashSize)
		}
	}
	return ix, nil
}

// readTree reads of what the index remembers of trees the first, which is the root.
func (ix *index) readTree(data string, hashSize int) {
	in := reader{text: data}
	in.until(0)
	entries := in.until(' ')
	in.until('\n')
	ix.told = !in.bad
	if in.bad || strings.HasPrefix(entries, "-") {
		return
	}
	ix.tree = hex.EncodeToString([]byte(in.take(hashSize)))
}

// written is the hash of the tree that the index would be committed as.
func (ix index) written(hashSize int) string {
	hash, _ := writeTree(ix.entries, "", hashSize)
	return hash
}

// writeTree hashes the tree of the entries below a directory, which come first, and
// returns the others too. The index has the order of trees.
func writeTree(entries []entry, dir string, hashSize int) (string, []entry) {
	var tree strings.Builder
	for len(entries) > 0 && strings.HasPrefix(entries[0].path, dir) {
		e := entries[0]
		name, _, deeper := strings.Cut(strings.TrimPrefix(e.path, dir), "/")
		switch {
		case deeper && e.mode&kindMask != kindDir:
			e.mode = kindDir
			e.hash, entries = writeTree(entries, dir+name+"/", hashSize)
		default:
			entries = entries[1:]
		}
		raw, _ := hex.DecodeString(e.hash)
		fmt.Fprintf(&tree, "%o %s\x00%s", e.mode, name, raw)
	}
	return objectHash("tree", tree.String(), hashSize), entries
}

// objectHash is the name that git gives to an object.
func objectHash(kind, content string, hashSize int) string {
	var h hash.Hash = sha1.New() //nolint:gosec // It is git's choice.
	if hashSize == sha256.Size {
		h = sha256.New()
	}
	fmt.Fprintf(h, "%s %d\x00%s", kind, len(content), content)
	return hex.EncodeToString(h.Sum(nil))
}
