// Package assets checks the files that a service finds beside its program, and makes them
// the same on every machine.
package assets

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Find returns the files that a name means: the file itself, or those below the directory.
// has and below say what the source has; at is the name's path in it.
func Find(name, at string, has func(string) bool, below func(string) []string) ([]string, error) {
	switch files := below(at); {
	case len(files) > 0:
		return files, nil
	case has(at):
		return []string{at}, nil
	case slices.Contains(strings.Split(at, "/"), "node_modules"):
		return nil, fmt.Errorf("%s is in node_modules, which is not loaded: have the files copied elsewhere first", name)
	case strings.ContainsAny(name, `*?[`):
		return nil, fmt.Errorf("%s is neither a file nor a directory of the service's module, and patterns are not known: name the directory", name)
	}
	return nil, fmt.Errorf("%s is neither a file nor a directory of the service's module", name)
}

// Check refuses what would not be in the image what it is in the source: links that lead out
// of the files, or nowhere, and what is no file at all. names are what was asked for.
func Check(source fs.ReadLinkFS, files, names []string) error {
	for _, file := range files {
		info, err := source.Lstat(file)
		if err != nil {
			return err
		}
		switch kind := info.Mode().Type(); {
		case kind == fs.ModeSymlink:
			if err := checkLink(source, file, files, names); err != nil {
				return err
			}
		case !kind.IsRegular():
			return fmt.Errorf("%q is neither a file nor a directory", file)
		}
	}
	return nil
}

func checkLink(source fs.ReadLinkFS, file string, files, names []string) error {
	to, err := source.ReadLink(file)
	if err != nil {
		return err
	}
	target := path.Join(path.Dir(file), to)
	inside := func(name string) bool { return name == target || strings.HasPrefix(target, name+"/") }
	if path.IsAbs(to) || !fs.ValidPath(target) || !slices.ContainsFunc(names, inside) {
		return fmt.Errorf("%q is a symbolic link to %q, which is not among the files: put the file itself there, or name that too", file, to)
	}
	there := func(other string) bool { return other == target || strings.HasPrefix(other, target+"/") }
	if !slices.ContainsFunc(files, there) {
		return fmt.Errorf("%q is a symbolic link to %q, which is not there", file, to)
	}
	return nil
}

// Normalize gives everything in a directory of the machine the permissions that git keeps, which
// are whether a file can be executed. Everybody may read it.
func Normalize(dir string) error {
	return filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		mode := fs.FileMode(0o755)
		if !entry.IsDir() {
			info, err := entry.Info()
			if err != nil {
				return err
			}
			if info.Mode()&0o100 == 0 {
				mode = 0o644
			}
		}
		return os.Chmod(file, mode) //nolint:gosec // They are no secrets: they are in the image.
	})
}
