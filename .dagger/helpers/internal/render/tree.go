package render

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

const (
	maxBytes = 64 << 20 // of all that is copied
	maxLinks = 40       // on the way to one file, as Linux has it
)

// tree copies from the manifests directory, or from a base's repository, what its
// kustomizations name. Directories in it are real ones, slash-separated, "." at the top.
type tree struct {
	source  *os.Root
	target  string
	name    string // of the base, "" for the manifests directory
	outside error  // for what leads out of it
	depth   int    // bases on the way to it
	seen    map[visited]bool
	*shared
}

// shared is what the trees of one rendering have in common.
type shared struct {
	bytes  int64
	keep   keeper
	remote remote
}

// visited is a kustomization that was read, for its resources or for configurations
// that name files as seen from another directory.
type visited struct{ dir, plugins string }

func newTree(source *os.Root, target string, bases remote) *tree {
	return &tree{source: source, target: target, outside: errOutside, seen: map[visited]bool{}, shared: &shared{remote: bases}}
}

// layer copies what the rendering of a layer takes.
func (t *tree) layer(l layer) error {
	dir, err := t.resolve(".", l.dir)
	if err != nil {
		return err
	}
	if len(l.plain) == 0 {
		return t.visit(dir, "")
	}
	// In that directory, because kustomize takes files only from below.
	if err := writeYAML(filepath.Join(t.target, dir, kustomizationFiles[0]), map[string]any{"resources": l.plain}); err != nil {
		return err
	}
	for _, file := range l.plain {
		if err := t.take(ref{from: dir, entry: file}, ""); err != nil {
			return err
		}
	}
	return nil
}

var (
	errOutside = errors.New("leads out of the manifests directory, of which alone releases are made: " +
		"copy it there, or give --manifests a directory that holds both")
	errOutsideBase = errors.New("leads out of the base's repository, of which alone it is made: name another commit, or commit a copy " +
		"of both in the manifests directory")
	errMissing = errors.New("is not there: correct the path")
	errRemote  = errors.New("is fetched from elsewhere, and may be something else tomorrow: " +
		"commit a copy in the manifests directory and name that")
	errIrregular = errors.New("is neither a file nor a directory")
	errSize      = fmt.Errorf("is too much: kustomizations may name %d MiB of files", maxBytes>>20)
)

// resolve follows a path from a directory to the real one. Links on the way are made
// in the copy too. What leads out of the manifests directory is refused, be it by dots
// or by a link.
func (t *tree) resolve(dir, name string) (string, error) {
	if path.IsAbs(name) {
		return "", t.outside
	}
	rest, links := strings.Split(name, "/"), 0
	for len(rest) > 0 {
		element := rest[0]
		rest = rest[1:]
		switch {
		case element == "" || element == ".":
			continue
		case element == ".." && dir == ".":
			return "", t.outside
		case element == "..":
			dir = path.Dir(dir)
			continue
		}
		next := path.Join(dir, element)
		info, err := t.source.Lstat(next)
		if err != nil {
			return "", errMissing
		}
		if info.IsDir() {
			// Dots may lead back from it.
			if err := os.MkdirAll(filepath.Join(t.target, next), 0o755); err != nil {
				return "", err
			}
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			dir = next
			continue
		}
		link, err := t.source.Readlink(next)
		if links++; err != nil || links > maxLinks {
			return "", errMissing
		}
		if path.IsAbs(link) {
			return "", t.outside
		}
		if err := t.link(link, next); err != nil {
			return "", err
		}
		rest = append(strings.Split(link, "/"), rest...)
	}
	return dir, nil
}

// link makes in the copy a link that the manifests directory has.
func (t *tree) link(to, name string) error {
	file := filepath.Join(t.target, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.Symlink(to, file); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// copy copies a file and returns what is in it.
func (t *tree) copy(name string) ([]byte, error) {
	info, err := t.source.Lstat(name)
	switch {
	case err != nil:
		return nil, errMissing
	case !info.Mode().IsRegular():
		return nil, errIrregular
	}
	if t.bytes += info.Size(); t.bytes > maxBytes {
		return nil, errSize
	}
	text, err := t.source.ReadFile(name)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(t.target, name)
	if _, err := os.Lstat(file); err == nil { // Copied before, and maybe renamed in since.
		return text, nil
	}
	return text, write(file, text)
}

// isDir says whether a real path is a directory.
func (t *tree) isDir(name string) bool {
	info, err := t.source.Lstat(name)
	return err == nil && info.IsDir()
}

// secrets are the values that the files copied seem to keep secret.
func (t *tree) secrets() []string { return t.keep.values }
