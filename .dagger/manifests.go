package main

import (
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"errors"

	"dagger/slipway/internal/dagger"
)

// manifestsDir is where a source keeps its manifests.
const manifestsDir = "manifests"

// Render the Kubernetes manifests, with the image pinned by digest.
//
// Returns YAML that is ready for kubectl apply -f -. An image without a digest is
// refused: what was tested must be what runs. Manifests that do not fit together
// are refused too, for example a Service that selects no pod; each finding names
// file, object and field. What is only doubtful is a warning among the progress.
//
// A directory is rendered by its kustomization, or has just YAML files, which are
// taken as they are. base may also be the manifests directory itself.
//
//	dagger call manifests --image ghcr.io/acme/hello@sha256:…
func (s *Slipway) Manifests(
	ctx context.Context,
	// Image by digest, as publish returns it: repository@sha256:….
	image string,
	// Which image name in the manifests to set. Needed only where they name several.
	//
	// +optional
	imageName string,
	// Directory to render, below the manifests directory: base, or the name of one
	// in overlays.
	//
	// +default="base"
	overlay string,
	// Namespace to set on all objects. Default: as the manifests say.
	//
	// +optional
	namespace string,
	// Names of checks of the manifests to allow, as the refusal says: for example
	// service-selector. Repeat or separate with commas.
	//
	// +optional
	allow []string,
) (string, error) {
	what, err := s.toRender(image, imageName, overlay, namespace)
	if err != nil {
		return "", err
	}
	what.Sealed, what.Key = "/rendered", make([]byte, 32)
	_, _ = rand.Read(what.Key)
	ctr, err := s.withKubectl(ctx)
	if err != nil {
		return "", err
	}
	checked, err := s.withRollout(ctx, ctr, "check",
		request{Manifests: what, Image: image, Namespace: namespace, Allow: allow})
	if err != nil {
		return "", err
	}
	sealed, err := checked.File(what.Sealed).Contents(ctx)
	if err != nil {
		return "", verdict(err)
	}
	return unseal(sealed, what.Key)
}

// rendering is what the helper is to render; see helpers/cmd/rollout.
type rendering struct {
	Dir           string
	Overlay       string
	ImageName     string
	OnlyNamespace bool
	Sealed        string
	Key           []byte
}

// manifestsPath is where the helper finds the manifests.
const manifestsPath = "/manifests"

// toRender has an overlay rendered with an image, after a look at what names both.
func (s *Slipway) toRender(image, imageName, overlay, namespace string) (*rendering, error) {
	if err := cmp.Or(checkDigest(image), checkImageName(imageName), checkOverlay(overlay), checkNamespace(namespace)); err != nil {
		return nil, err
	}
	return &rendering{Dir: manifestsPath, Overlay: overlay, ImageName: imageName}, nil
}

// unseal decrypts what the helper sealed.
func unseal(sealed string, key []byte) (string, error) {
	text, err := hex.DecodeString(sealed)
	if err != nil {
		return "", err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return "", err
	}
	text, err = aead.Open(nil, nil, text, nil)
	return string(text), err
}

var errNoManifests = errors.New("there are no manifests: the source needs manifests/base/kustomization.yaml, " +
	"or else YAML files in manifests/base or in manifests; --manifests gives another directory")

// manifests is the directory with base and overlays. It is not kept in the object,
// which Dagger caches for longer than what is derived from its directories.
func (s *Slipway) manifests(ctx context.Context) (*dagger.Directory, error) {
	if s.Manifest != nil {
		return s.Manifest, nil
	}
	there, err := s.Source.Exists(ctx, manifestsDir)
	if err == nil && !there {
		err = errNoManifests
	}
	return s.Source.Directory(manifestsDir), err
}
