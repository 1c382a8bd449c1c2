package gitref

import (
	"encoding/binary"
	"encoding/hex"
	"regexp"
	"sort"
)

// Where git keeps what it knows of many commits at once. It writes it when it packs them, and so tells the
// tree of a commit that is in a pack.
const (
	commitGraph  = "objects/info/commit-graph"
	commitGraphs = "objects/info/commit-graphs/*.graph"
)

var graphFile = regexp.MustCompile(`^objects/info/(commit-graph|commit-graphs/[^/]+\.graph)$`)

// tree is the hash of a commit's tree, where it can be told.
func (r Repository) tree(commit string) (string, bool) {
	if kind, text, ok := r.object(commit); ok && kind == "commit" {
		return field(text, "tree"), true
	}
	raw, err := hex.DecodeString(commit)
	if err != nil || !commitHash.MatchString(commit) {
		return "", false
	}
	for file, text := range r.files {
		if !graphFile.MatchString(file) {
			continue
		}
		if tree := graphTree(text, string(raw)); tree != "" {
			return hex.EncodeToString([]byte(tree)), true
		}
	}
	return "", false
}

// graphTree finds a commit's tree in a commit-graph file: a header of 8 bytes, a table of chunks, and in these
// the commits in order, and of each its tree and 16 bytes more. It is "" if the file does not have it.
func graphTree(text, commit string) string {
	const header, row = 8, 12
	if len(text) < header+row || text[:4] != "CGPH" || text[4] != 1 {
		return ""
	}
	chunks := map[string]string{}
	for i := range int(text[6]) {
		at := header + i*row
		if at+2*row > len(text) {
			return ""
		}
		from, to := offset(text[at+4:]), offset(text[at+row+4:])
		if from > to || to > uint64(len(text)) {
			return ""
		}
		chunks[text[at:at+4]] = text[from:to]
	}
	size := len(commit)
	names, data := chunks["OIDL"], chunks["CDAT"]
	count := len(names) / size
	if len(data) < count*(size+16) {
		return ""
	}
	i := sort.Search(count, func(i int) bool { return names[i*size:(i+1)*size] >= commit })
	if i == count || names[i*size:(i+1)*size] != commit {
		return ""
	}
	return data[i*(size+16):][:size]
}

func offset(text string) uint64 { return binary.BigEndian.Uint64([]byte(text[:8])) }
