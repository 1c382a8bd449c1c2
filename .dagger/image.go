package main

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"
)

// What an image reference may be, from the grammar that registries and nodes share.
const (
	hostLabel    = `[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?`
	registryHost = `(?:` + hostLabel + `(?:\.` + hostLabel + `)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?`
	pathElement  = `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`
	imageTag     = `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`
	imageDigest  = `sha256:[0-9a-f]{64}`

	longestRepository = 255
	longestOverlay    = 255
)

var imageReference = regexp.MustCompile(`^((?:` + registryHost + `/)?` + pathElement + `(?:/` + pathElement + `)*)` +
	`(:` + imageTag + `)?(@` + imageDigest + `)?$`)

// parts are repository, :tag and @digest of an image reference; ok is false for what is none.
func parts(reference string) (repository, tag, digest string, ok bool) {
	found := imageReference.FindStringSubmatch(reference)
	if found == nil || len(found[1]) > longestRepository {
		return "", "", "", false
	}
	return found[1], found[2], found[3], true
}

// checkImages refuses what the flags give as images to run and is none. It may have a tag,
// a digest or both; with both, the digest is what counts.
func checkImages(images map[string]string) error {
	for flag, image := range images {
		if _, _, _, ok := parts(image); !ok {
			return fmt.Errorf("--%s %q is not an image: give one like golang:1.26.8 or golang:1.26.8@sha256:…, "+
				"the name in lower case", flag, image)
		}
	}
	return nil
}

// checkDigest refuses an image to deploy that can change under its name.
func checkDigest(image string) error {
	switch _, _, digest, ok := parts(image); {
	case !ok:
		return fmt.Errorf("--image %q is not an image by digest: give repository@sha256:… in lower case, which is what publish returns", image)
	case digest == "":
		return fmt.Errorf("--image %q names no digest: give repository@sha256:…, which is what publish returns", image)
	}
	return nil
}

// checkImageName refuses what is no image's name as it stands in manifests, without tag.
func checkImageName(name string) error {
	if name == "" {
		return nil
	}
	if _, tag, digest, ok := parts(name); !ok || tag != "" || digest != "" {
		return fmt.Errorf("--image-name %q is not the name of an image: give it as in the manifests, without tag and digest", name)
	}
	return nil
}

// checkOverlay refuses what is no directory inside the manifests directory.
func checkOverlay(overlay string) error {
	name := strings.TrimSuffix(strings.TrimPrefix(overlay, "./"), "/")
	control := func(r rune) bool { return r < ' ' || r == 0x7f }
	if name == "." || len(name) > longestOverlay || !fs.ValidPath(name) || strings.ContainsFunc(name, control) {
		return fmt.Errorf("--overlay %q is not the name of a directory in the manifests directory: "+
			"give base, or one of those in overlays", overlay)
	}
	return nil
}
