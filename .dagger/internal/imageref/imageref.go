// Package imageref says what is the name of an image, before it reaches a registry, a
// manifest or an argument.
package imageref

import (
	"fmt"
	"regexp"
	"strings"
)

// What a reference may be, from the grammar that registries and nodes share.
const (
	hostLabel   = `[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?`
	host        = `(?:` + hostLabel + `(?:\.` + hostLabel + `)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?`
	pathElement = `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`
	tag         = `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`
	digest      = `sha256:[0-9a-f]{64}`

	longestRepository = 255
)

var reference = regexp.MustCompile(`^((?:` + host + `/)?` + pathElement + `(?:/` + pathElement + `)*)` +
	`(:` + tag + `)?(@` + digest + `)?$`)

// Parts are repository, :tag and @digest of a reference; ok is false for what is none.
func Parts(image string) (repository, tag, digest string, ok bool) {
	found := reference.FindStringSubmatch(image)
	if found == nil || len(found[1]) > longestRepository {
		return "", "", "", false
	}
	return found[1], found[2], found[3], true
}

// CheckImages refuses what the flags give as images to run and is none. It may have a tag,
// a digest or both; with both, the digest is what counts.
func CheckImages(images map[string]string) error {
	for flag, image := range images {
		if _, _, _, ok := Parts(image); !ok {
			return fmt.Errorf("--%s %q is not an image: give one like golang:1.26.8 or golang:1.26.8@sha256:…, "+
				"the name in lower case", flag, image)
		}
	}
	return nil
}

// CheckDigest refuses an image to deploy that can change under its name.
func CheckDigest(image string) error {
	switch _, _, digest, ok := Parts(image); {
	case !ok:
		return fmt.Errorf("--image %q is not an image by digest: give repository@sha256:… in lower case, which is what publish returns", image)
	case digest == "":
		return fmt.Errorf("--image %q names no digest: give repository@sha256:…, which is what publish returns", image)
	}
	return nil
}

// CheckName refuses what is no image's name as it stands in manifests, without tag. "" is
// that none was given.
func CheckName(name string) error {
	if name == "" {
		return nil
	}
	if _, tag, digest, ok := Parts(name); !ok || tag != "" || digest != "" {
		return fmt.Errorf("--image-name %q is not the name of an image: give it as in the manifests, without tag and digest", name)
	}
	return nil
}

// ParseImages reads what --images gives: addresses by digest, by the names in the manifests
// whose images they replace.
func ParseImages(given []string) (map[string]string, error) {
	images := map[string]string{}
	for _, image := range given {
		name, address, found := strings.Cut(image, "=")
		if !found || name == "" {
			return nil, fmt.Errorf("--images %q is not NAME=ADDRESS: give it as in web=ghcr.io/acme/web@sha256:…, "+
				"the name as in the manifests without tag", image)
		}
		if _, tag, digest, ok := Parts(name); !ok || tag != "" || digest != "" {
			return nil, fmt.Errorf("--images %q: %q is not the name of an image: give it as in the manifests, without tag and digest", image, name)
		}
		if _, _, digest, ok := Parts(address); !ok || digest == "" {
			return nil, fmt.Errorf("--images %q: %q is not an image by digest: give repository@sha256:…, which is what publish returns", image, address)
		}
		if images[name] != "" {
			return nil, fmt.Errorf("--images has %s twice", name)
		}
		images[name] = address
	}
	return images, nil
}
