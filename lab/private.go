package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// privateDir makes a directory that only the lab's user enters, and closes one that was made open. What lies
// in the lab's directories are kubeconfigs, keys, the environment of daemons, and sockets to run as root by.
func privateDir(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	return closed(path, 0o700)
}

// privateFile makes a file that only the lab's user reads, empty, and closes one that was made open.
func privateFile(path string) (*os.File, error) {
	if err := privateDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	if err := closed(path, 0o600); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// replaceFile replaces a private file in one go, so that readers never see half of it.
func replaceFile(path string, content []byte) error {
	tmp := fmt.Sprintf("%s.%d", path, os.Getpid())
	f, err := privateFile(tmp)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// closed takes all rights on a path from others.
func closed(path string, mode os.FileMode) error {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return err
	}
	return os.Chmod(path, mode)
}
