package main

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// tarLayer is an uncompressed layer: everything that reads it is on this machine, where unpacking
// is dearer than copying.
type tarLayer struct {
	path string
	hash v1.Hash
	size int64
}

func newTarLayer(path string) (v1.Layer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	hash, size, err := v1.SHA256(f)
	return &tarLayer{path, hash, size}, err
}

func (l *tarLayer) Digest() (v1.Hash, error)             { return l.hash, nil }
func (l *tarLayer) DiffID() (v1.Hash, error)             { return l.hash, nil }
func (l *tarLayer) Size() (int64, error)                 { return l.size, nil }
func (l *tarLayer) MediaType() (types.MediaType, error)  { return types.OCIUncompressedLayer, nil }
func (l *tarLayer) Compressed() (io.ReadCloser, error)   { return os.Open(l.path) }
func (l *tarLayer) Uncompressed() (io.ReadCloser, error) { return os.Open(l.path) }

// tarWriter writes layers in which owner, mode and time do not depend on who built them.
type tarWriter struct {
	*tar.Writer
	time time.Time
}

// writeTar writes an archive with what fill puts into it.
func writeTar(path string, fill func(w *tarWriter) error) error {
	epoch, err := strconv.ParseInt(sourceDateEpoch, 10, 64)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := &tarWriter{tar.NewWriter(f), time.Unix(epoch, 0)}
	err = fill(w)
	if err == nil {
		err = w.Close()
	}
	return errors.Join(err, f.Close())
}

// dirs adds directories, each after its parents.
func (w *tarWriter) dirs(mode fs.FileMode, names ...string) error {
	for _, name := range names {
		h := &tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: int64(mode), ModTime: w.time}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
	}
	return nil
}

func (w *tarWriter) bytes(name string, content []byte) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: w.time}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err := w.Write(content)
	return err
}

// tree adds the file or directory at src under the given name, without the directories
// below it that skip names.
func (w *tarWriter) tree(name, src string, skip ...string) error {
	return filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		for _, s := range skip {
			if rel == s && d.IsDir() {
				return filepath.SkipDir
			}
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		link := ""
		if info.Mode().Type() == fs.ModeSymlink {
			if link, err = os.Readlink(path); err != nil {
				return err
			}
		}
		h, err := tar.FileInfoHeader(info, link)
		if err != nil {
			return err
		}
		h.Name = filepath.Join(name, rel)
		h.Uid, h.Gid, h.Uname, h.Gname = 0, 0, "", ""
		h.ModTime, h.Mode = w.time, 0o644
		if d.IsDir() {
			h.Name += "/"
		}
		if d.IsDir() || info.Mode()&0o111 != 0 {
			h.Mode = 0o755
		}
		if err := w.WriteHeader(h); err != nil || h.Typeflag != tar.TypeReg {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	})
}

// fileFromTar is the content of one regular file of an archive.
func fileFromTar(archive, name string) ([]byte, error) {
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err != nil {
			return nil, &fs.PathError{Op: "find in " + archive, Path: name, Err: err}
		}
		if strings.TrimPrefix(h.Name, "./") == name && h.Typeflag == tar.TypeReg {
			return io.ReadAll(r)
		}
	}
}
