package gitref

import (
	"bytes"
	"compress/zlib"
	"io"
	"regexp"
	"strings"
)

var looseObject = regexp.MustCompile(`^objects/[0-9a-f]{2}/([0-9a-f]{38}|[0-9a-f]{62})$`)

// objectLimit is more than any commit or tag that people write.
const objectLimit = 1 << 20

// Objects are the files of objects that tell more, where there are such files: the commit
// that is checked out, and tags that may be annotated. One is a pattern.
func (r Repository) Objects() []string {
	if r.head == "" {
		return nil
	}
	files := []string{objectFile(r.head), commitGraph, commitGraphs}
	for ref, hash := range r.refs {
		if _, loose := r.files[ref]; loose && strings.HasPrefix(ref, "refs/tags/") && hash != r.head && commitHash.MatchString(hash) {
			files = append(files, objectFile(hash))
		}
	}
	return files
}

func objectFile(hash string) string { return "objects/" + hash[:2] + "/" + hash[2:] }

// object reads an object that is a file of its own, and not in a pack.
func (r Repository) object(hash string) (kind, text string, ok bool) {
	if !commitHash.MatchString(hash) {
		return "", "", false
	}
	packed, ok := r.files[objectFile(hash)]
	if !ok {
		return "", "", false
	}
	unpacked, err := zlib.NewReader(strings.NewReader(packed))
	if err != nil {
		return "", "", false
	}
	content, err := io.ReadAll(io.LimitReader(unpacked, objectLimit))
	header, body, found := bytes.Cut(content, []byte{0})
	if err != nil || !found {
		return "", "", false
	}
	kind, _, _ = strings.Cut(string(header), " ")
	return kind, string(body), true
}

// field is a line of a commit's or tag's header.
func field(text, name string) string {
	header, _, _ := strings.Cut(text, "\n\n")
	for line := range strings.Lines(header) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
