package render

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"slipway/helpers/internal/object"
)

const (
	maxBases = 20 // repositories at a commit, in all
	// MaxDepth is how many bases may be between the manifests directory and another base,
	// that one counted in.
	MaxDepth = 5
)

// fetched is the directory of the copy with what the bases name, by their names.
const fetched = "bases"

// remote has the repositories that others have fetched. Nothing is fetched here.
type remote struct {
	dir     string // where they are, by the names of their bases
	target  string // where they are copied to
	allowed Allowed
	trees   map[string]*tree
	missing []Base
}

var (
	errNotAllowed = errors.New("is fetched from elsewhere, and may be something else tomorrow: commit a copy in the manifests " +
		"directory and name that, or allow its repository with --remote-bases and name the full hash of a commit")
	errDepth = fmt.Errorf("is a base of bases, more than %d deep: commit a copy in the manifests directory", MaxDepth)
	errCount = fmt.Errorf("is one base too many, there may be %d: commit copies in the manifests directory", maxBases)
)

// base copies a directory of a repository that an entry names, if it has been fetched, and
// returns how the kustomization in the copy names it. It is "" if it has yet to be fetched.
func (t *tree) base(r ref) (string, error) {
	if len(t.remote.allowed) == 0 {
		return "", errNotAllowed
	}
	b, err := parseBase(r.entry)
	switch {
	case err != nil:
		return "", err
	case !t.remote.allowed.has(b):
		return "", fmt.Errorf("is of a repository that is not allowed: allow %s with --remote-bases, or commit a copy in the manifests directory",
			strings.TrimPrefix(strings.TrimSuffix(b.Repository, ".git"), "https://"))
	case t.depth >= MaxDepth:
		return "", errDepth
	}
	sub := t.remote.trees[b.Name()]
	if sub == nil {
		if slices.ContainsFunc(t.remote.missing, func(m Base) bool { return m.Name() == b.Name() }) {
			return "", nil
		}
		if len(t.remote.trees)+len(t.remote.missing) >= maxBases {
			return "", errCount
		}
		source, err := os.OpenRoot(filepath.Join(t.remote.dir, b.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			t.remote.missing = append(t.remote.missing, b)
			return "", nil
		}
		if err != nil {
			return "", err
		}
		sub = &tree{
			source: source, target: filepath.Join(t.remote.target, b.Name()), shared: t.shared, seen: map[visited]bool{},
			name: b.Name(), outside: errOutsideBase, depth: t.depth + 1,
		}
		t.remote.trees[b.Name()] = sub
	}
	// The way by which it is reached is not the shortest one always.
	sub.depth = min(sub.depth, t.depth+1)
	dir, err := sub.resolve(".", b.Dir)
	if err != nil || !sub.isDir(dir) {
		return "", fmt.Errorf("is no directory of that repository at that commit: correct the path or the hash")
	}
	if err := sub.visit(dir, ""); err != nil {
		return "", &inBase{err}
	}
	return filepath.Rel(filepath.Join(t.target, r.from), filepath.Join(sub.target, dir))
}

// inBase is an error that names a file of a base, so that it needs no other name.
type inBase struct{ error }

func (e *inBase) Unwrap() error { return e.error }

// rename has a kustomization in the copy name directories of the copy.
func (t *tree) rename(dir, name string, text []byte, names map[string]string) error {
	data, err := yaml.YAMLToJSON(text)
	if err != nil {
		return err
	}
	var k object.Object
	if err := object.Decode(data, &k); err != nil {
		return err
	}
	for field, value := range k {
		entries, _ := value.([]any)
		if !slices.ContainsFunc([]string{"resources", "bases", "components"}, func(f string) bool { return strings.EqualFold(f, field) }) {
			continue
		}
		for i, entry := range entries {
			if text, ok := entry.(string); ok && names[text] != "" {
				entries[i] = names[text]
			}
		}
	}
	// It may be a link, and what it leads to another directory's kustomization as well.
	file := filepath.Join(t.target, dir, name)
	if err := os.Remove(file); err != nil {
		return err
	}
	return writeYAML(file, map[string]any(k))
}

// close lets go of the directories that are read.
func (t *tree) close() {
	_ = t.source.Close()
	for _, base := range t.remote.trees {
		_ = base.source.Close()
	}
}
