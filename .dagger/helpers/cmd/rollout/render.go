package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"os"
	"strings"

	"sigs.k8s.io/yaml"

	"slipway/helpers/internal/check"
	"slipway/helpers/internal/render"
)

// manifests is what to render, in the request.
type manifests struct {
	Dir       string
	Overlay   string
	ImageName string
	// OnlyNamespace is for commands that need of the manifests but the namespace that
	// they set, where none is given. There need not be any manifests.
	OnlyNamespace bool
	// Sealed is the file for the rendered manifests, which Key encrypts: what is written
	// to a container's file system stays in the engine's store.
	Sealed string
	Key    []byte
}

// render puts the rendered manifests into the request.
func (s *session) render(ctx context.Context) error {
	m := s.Manifests
	if m == nil || m.OnlyNamespace && s.Namespace != "" {
		return nil
	}
	in := render.Input{Dir: m.Dir, Overlay: m.Overlay, Namespace: s.Namespace, Image: s.Image, ImageName: m.ImageName}
	out, err := render.Manifests(ctx, in)
	if err != nil && m.OnlyNamespace && (errors.Is(err, render.ErrNoManifests) || errors.Is(err, render.ErrNoOverlay)) {
		return nil
	}
	if err != nil {
		s.out.Mask(out.Secrets...)
		return err
	}
	for line := range strings.Lines(out.Warnings) {
		s.say("kustomize: %s", strings.TrimSpace(line))
	}
	s.Namespace = cmp.Or(s.Namespace, render.Namespace(out.Objects))
	if m.OnlyNamespace {
		return nil
	}
	s.Objects, s.Files = check.Flatten(out.Objects), out.Files
	s.mask(s.Objects)
	return nil
}

// seal writes the manifests for who has the key.
func (s *session) seal() error {
	if s.Manifests == nil || s.Manifests.Sealed == "" {
		return nil
	}
	var text bytes.Buffer
	for i, o := range s.Objects {
		if i > 0 {
			text.WriteString("---\n")
		}
		document, err := yaml.Marshal(o)
		if err != nil {
			return err
		}
		text.Write(document)
	}
	block, err := aes.NewCipher(s.Manifests.Key)
	if err != nil {
		return err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return err
	}
	return os.WriteFile(s.Manifests.Sealed, fmt.Appendf(nil, "%x", aead.Seal(nil, nil, text.Bytes(), nil)), 0o644)
}
