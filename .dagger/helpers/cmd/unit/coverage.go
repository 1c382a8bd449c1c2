package main

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// profileFile is, beside the recordings, the profile that go test wrote: its mode, and the
// packages without tests. No package's path begins with a dot.
const profileFile = ".coverage"

// mergeProfiles writes the coverage of all packages to a file: what go test knew when it
// compiled, and the profiles that the programs wrote to a directory.
func mergeProfiles(to, compiled, dir string) error {
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := appendProfile(out, compiled, true); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := appendProfile(out, filepath.Join(dir, entry.Name()), false); err != nil {
			return err
		}
	}
	return out.Close()
}

// appendProfile copies a profile, without the line that says its mode unless that is wanted.
func appendProfile(to io.Writer, file string, mode bool) error {
	in, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer in.Close()
	r := bufio.NewReader(in)
	if !mode {
		if _, err := r.ReadString('\n'); err != nil {
			return nil // a program that was killed before it wrote any
		}
	}
	_, err = io.Copy(to, r)
	return err
}
