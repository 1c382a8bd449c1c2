package main

import (
	"fmt"
	"strings"
)

// parseImages reads what --images gives: addresses by digest, by the names in the manifests
// whose images they replace.
func parseImages(given []string) (map[string]string, error) {
	images := map[string]string{}
	for _, image := range given {
		name, address, found := strings.Cut(image, "=")
		if !found || name == "" {
			return nil, fmt.Errorf("--images %q is not NAME=ADDRESS: give it as in web=ghcr.io/acme/web@sha256:…, "+
				"the name as in the manifests without tag", image)
		}
		if _, tag, digest, ok := parts(name); !ok || tag != "" || digest != "" {
			return nil, fmt.Errorf("--images %q: %q is not the name of an image: give it as in the manifests, without tag and digest", image, name)
		}
		if _, _, digest, ok := parts(address); !ok || digest == "" {
			return nil, fmt.Errorf("--images %q: %q is not an image by digest: give repository@sha256:…, which is what publish returns", image, address)
		}
		if images[name] != "" {
			return nil, fmt.Errorf("--images has %s twice", name)
		}
		images[name] = address
	}
	return images, nil
}
