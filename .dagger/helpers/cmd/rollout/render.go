package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
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
	Images    map[string]string // other images to set, by name
	// OnlyNamespace is for commands that need of the manifests but the namespace that
	// they set, where none is given. There need not be any manifests.
	OnlyNamespace bool

	RemoteBases []string // repositories that bases may be of
	Bases       string   // directory with those that were fetched
}

// input is what the package render takes of it.
func (s *session) input() (render.Input, error) {
	m := s.Manifests
	allowed, err := render.ParseAllowed(m.RemoteBases)
	return render.Input{
		Dir: m.Dir, Overlay: m.Overlay, Namespace: s.Namespace, Image: s.Image, ImageName: m.ImageName, Images: m.Images,
		Allowed: allowed, Bases: m.Bases,
	}, err
}

// render puts the rendered manifests into the request.
func (s *session) render(ctx context.Context) error {
	m := s.Manifests
	if m == nil || m.OnlyNamespace && s.Namespace != "" {
		return nil
	}
	in, err := s.input()
	if err != nil {
		return err
	}
	out, err := render.Manifests(ctx, in)
	none := errors.Is(err, render.ErrNoManifests) || errors.Is(err, render.ErrNoOverlay) && m.Overlay == "base"
	if m.OnlyNamespace && none {
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
	for _, base := range out.Bases {
		s.say("with base %s", base)
		s.notes = append(s.notes, "base "+base)
	}
	s.Objects, s.Files = check.Flatten(out.Objects), out.Files
	s.mask(s.Objects)
	return nil
}

// write puts the rendered manifests into the file that is asked for, as YAML for kubectl
// apply.
func (s *session) write() error {
	if s.Output == "" {
		return nil
	}
	documents := make([][]byte, len(s.Objects))
	for i, o := range s.Objects {
		var err error
		if documents[i], err = yaml.Marshal(o); err != nil {
			return err
		}
	}
	return os.WriteFile(s.Output, bytes.Join(documents, []byte("---\n")), 0o644)
}
