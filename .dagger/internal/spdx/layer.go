package spdx

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// programLimit is the bytes of a program: one of a gigabyte is none of a service's.
const programLimit = 1 << 30

// Program is an image's binary, as it is in its layers.
type Program struct {
	Platform string // as linux/amd64
	Image    string // the image's digest
	Path     string // in the image
	Content  []byte
	SHA256   string
	Info     *buildinfo.BuildInfo
}

// Read finds a program of an image, and what Go noted in it; with which it starts, if file is "".
func Read(platform string, img v1.Image, file string) (Program, error) {
	p := Program{Platform: platform}
	digest, err := img.Digest()
	if err != nil {
		return p, err
	}
	p.Image = digest.String()
	config, err := img.ConfigFile()
	if err != nil {
		return p, err
	}
	if len(config.Config.Entrypoint) == 0 {
		return p, errors.New("the image has no entrypoint")
	}
	p.Path = cmp.Or(file, config.Config.Entrypoint[0])
	layers, err := img.Layers()
	if err != nil {
		return p, err
	}
	for _, layer := range slices.Backward(layers) { // What is above hides what is below.
		p.Content, err = find(layer, p.Path)
		if err != nil {
			return p, err
		}
		if p.Content == nil {
			continue
		}
		sum := sha256.Sum256(p.Content)
		p.SHA256 = hex.EncodeToString(sum[:])
		if p.Info, err = buildinfo.Read(bytes.NewReader(p.Content)); err != nil {
			return p, fmt.Errorf("%s says nothing of how Go built it: %w", p.Path, err)
		}
		return p, nil
	}
	return p, fmt.Errorf("%s is in none of the image's layers", p.Path)
}

// All are the Go programs of an image, by path, whoever made it.
func All(platform string, img v1.Image) ([]Program, error) {
	digest, err := img.Digest()
	if err != nil {
		return nil, err
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	found := map[string]Program{}
	for _, layer := range layers { // What comes later replaces what was there.
		err := each(layer, func(file string, body io.Reader) error {
			delete(found, file)
			magic := make([]byte, len(elf.ELFMAG))
			if n, _ := io.ReadFull(body, magic); n < len(magic) || string(magic) != elf.ELFMAG {
				return nil
			}
			rest, err := io.ReadAll(io.LimitReader(body, programLimit))
			if err != nil {
				return err
			}
			p := Program{Platform: platform, Image: digest.String(), Path: file, Content: append(magic, rest...)}
			if p.Info, err = buildinfo.Read(bytes.NewReader(p.Content)); err != nil {
				return nil //nolint:nilerr // It is not of Go.
			}
			sum := sha256.Sum256(p.Content)
			p.SHA256 = hex.EncodeToString(sum[:])
			found[file] = p
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	var all []Program
	for _, file := range slices.Sorted(maps.Keys(found)) {
		all = append(all, found[file])
	}
	return all, nil
}

// each calls a function for each regular file of a layer.
func each(layer v1.Layer, do func(file string, body io.Reader) error) error {
	r, err := layer.Uncompressed()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // What was read was checked.
	t := tar.NewReader(r)
	for {
		header, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if err := do(path.Clean("/"+header.Name), t); err != nil {
			return err
		}
	}
}

// find is a regular file of a layer, nil if the layer has none of that name.
func find(layer v1.Layer, file string) ([]byte, error) {
	var found []byte
	err := each(layer, func(name string, body io.Reader) error {
		if name != file {
			return nil
		}
		var err error
		found, err = io.ReadAll(io.LimitReader(body, programLimit+1))
		if err == nil && len(found) > programLimit {
			err = fmt.Errorf("%s is larger than 1 GiB", file)
		}
		return err
	})
	return found, err
}
