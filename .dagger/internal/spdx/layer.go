package spdx

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
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

// find is a regular file of a layer, nil if the layer has none of that name.
func find(layer v1.Layer, file string) ([]byte, error) {
	r, err := layer.Uncompressed()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // What was read was checked.
	t := tar.NewReader(r)
	for {
		header, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if path.Clean("/"+header.Name) != file || header.Typeflag != tar.TypeReg {
			continue
		}
		if header.Size > programLimit {
			return nil, fmt.Errorf("%s is larger than 1 GiB", file)
		}
		return io.ReadAll(t)
	}
}
