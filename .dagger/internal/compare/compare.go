// Package compare finds the first difference between two images, from outside in: index,
// manifest, config, layer, file. It reads layers only where their digests differ.
package compare

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const (
	// fileLimit is how many files of a layer are looked at, and unpackedLimit how many of its bytes:
	// the published image may be anybody's.
	fileLimit     = 100_000
	unpackedLimit = 4 << 30
)

// Indexes says what the first difference is, "" if there is none.
func Indexes(published, rebuilt v1.ImageIndex) (string, error) {
	theirs, err := published.IndexManifest()
	if err != nil {
		return "", err
	}
	ours, err := rebuilt.IndexManifest()
	if err != nil {
		return "", err
	}
	if same, err := sameDigest(published, rebuilt); same || err != nil {
		return "", err
	}
	if a, b := platforms(theirs), platforms(ours); !slices.Equal(a, b) {
		return fmt.Sprintf("the index: it lists %q, rebuilt %q", a, b), nil
	}
	for i, d := range theirs.Manifests {
		if d.Digest == ours.Manifests[i].Digest {
			continue
		}
		a, err := published.Image(d.Digest)
		if err != nil {
			return "", err
		}
		b, err := rebuilt.Image(ours.Manifests[i].Digest)
		if err != nil {
			return "", err
		}
		what, err := images(a, b)
		return platforms(theirs)[i] + ": " + what, err
	}
	return "the index: it lists the same images in another way", nil
}

func sameDigest(a, b interface{ Digest() (v1.Hash, error) }) (bool, error) {
	x, err := a.Digest()
	if err != nil {
		return false, err
	}
	y, err := b.Digest()
	return x == y, err
}

func platforms(index *v1.IndexManifest) []string {
	var all []string
	for _, d := range index.Manifests {
		name := string(d.MediaType)
		if d.Platform != nil {
			name = d.Platform.String()
		}
		all = append(all, name)
	}
	return all
}

func images(published, rebuilt v1.Image) (string, error) {
	a, err := published.ConfigFile()
	if err != nil {
		return "", err
	}
	b, err := rebuilt.ConfigFile()
	if err != nil {
		return "", err
	}
	if what := configs(a, b); what != "" {
		return "the config: " + what, nil
	}
	theirs, err := published.Layers()
	if err != nil {
		return "", err
	}
	ours, err := rebuilt.Layers()
	if err != nil {
		return "", err
	}
	if len(theirs) != len(ours) {
		return fmt.Sprintf("the layers: it has %d, rebuilt %d", len(theirs), len(ours)), nil
	}
	for i := range theirs {
		if same, err := sameDigest(theirs[i], ours[i]); err != nil {
			return "", err
		} else if same {
			continue
		}
		what, err := layers(theirs[i], ours[i])
		return fmt.Sprintf("layer %d: %s", i+1, what), err
	}
	if x, y := configDigest(published), configDigest(rebuilt); x != y {
		return fmt.Sprintf("the config: it is %s, rebuilt %s", x, y), nil
	}
	return "the manifest: config and layers are the same", nil
}

func configDigest(img v1.Image) string {
	digest, err := img.ConfigName()
	if err != nil {
		return err.Error()
	}
	return digest.String()
}

// configs compares what the image says of how it runs. What its layers hold follows.
func configs(published, rebuilt *v1.ConfigFile) string {
	a, b := published.Config, rebuilt.Config
	for _, field := range []struct {
		name            string
		theirs, rebuilt any
	}{
		{"its platform", published.Platform(), rebuilt.Platform()},
		{"its time", published.Created.UTC(), rebuilt.Created.UTC()},
		{"the user", a.User, b.User},
		{"the entrypoint", a.Entrypoint, b.Entrypoint},
		{"the arguments", a.Cmd, b.Cmd},
		{"the working directory", a.WorkingDir, b.WorkingDir},
		{"the environment", a.Env, b.Env},
		{"the ports", slices.Sorted(maps.Keys(a.ExposedPorts)), slices.Sorted(maps.Keys(b.ExposedPorts))},
	} {
		if x, y := fmt.Sprintf("%q", field.theirs), fmt.Sprintf("%q", field.rebuilt); x != y {
			return fmt.Sprintf("%s: %.200s, rebuilt %.200s", field.name, x, y)
		}
	}
	keys := slices.Sorted(maps.Keys(a.Labels))
	for _, key := range slices.Concat(keys, slices.Sorted(maps.Keys(b.Labels))) {
		if a.Labels[key] != b.Labels[key] {
			return fmt.Sprintf("label %.100q: %.200q, rebuilt %.200q", key, a.Labels[key], b.Labels[key])
		}
	}
	return ""
}

// file is what a layer says of a file.
type file struct {
	kind byte
	mode int64
	uid  int
	gid  int
	link string
	sum  string
	size int64
}

func layers(published, rebuilt v1.Layer) (string, error) {
	a, err := published.DiffID()
	if err != nil {
		return "", err
	}
	b, err := rebuilt.DiffID()
	if err != nil {
		return "", err
	}
	if a == b {
		return "the same files, compressed in another way: another release of Slipway or Go has published it", nil
	}
	theirs, err := files(published)
	if err != nil {
		return "", err
	}
	ours, err := files(rebuilt)
	if err != nil {
		return "", err
	}
	for _, name := range slices.Sorted(maps.Keys(merged(theirs, ours))) {
		x, is := theirs[name]
		y, was := ours[name]
		switch {
		case !was:
			return fmt.Sprintf("%.200q is not in the rebuilt one", name), nil
		case !is:
			return fmt.Sprintf("%.200q is only in the rebuilt one", name), nil
		case x.sum != y.sum:
			return fmt.Sprintf("%.200q has other content: %d bytes with SHA-256 %s, rebuilt %d with %s", name, x.size, x.sum, y.size, y.sum), nil
		case x != y:
			return fmt.Sprintf("%.200q has another mode, owner or kind", name), nil
		}
	}
	return "the same files, packed in another way", nil
}

func merged(a, b map[string]file) map[string]file {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

func files(layer v1.Layer) (map[string]file, error) {
	r, err := layer.Uncompressed()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // It was only read.
	all := map[string]file{}
	t := tar.NewReader(io.LimitReader(r, unpackedLimit))
	for len(all) < fileLimit {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, t); err != nil {
			return nil, err
		}
		all[path.Clean("/"+h.Name)] = file{h.Typeflag, h.Mode, h.Uid, h.Gid, h.Linkname, hex.EncodeToString(sum.Sum(nil)), h.Size}
	}
	return nil, fmt.Errorf("a layer has more than %d files", fileLimit)
}
