package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"dagger/slipway/internal/attest"
	"dagger/slipway/internal/compare"
	"dagger/slipway/internal/foreign"
	"dagger/slipway/internal/imageref"
	"dagger/slipway/internal/linkvars"
	"dagger/slipway/internal/platform"
	"dagger/slipway/internal/referrers"
)

// Build a published image again, and compare.
//
// Reads from the image's provenance which commit it was built from, and how; builds that from
// the source here, which must be checked out at that commit; and fails unless every byte is the
// same. It names the first difference, from outside in: index, manifest, config, layer, file.
// So it proves of anybody's image that it is what the commit makes, without believing anybody.
//
// With --verify-key, the signature is verified first, as deploy does. The Go image of the
// provenance is used only if it is one of the repository of --go-image, and so is its base,
// of the repository of --base.
//
//	git clone https://github.com/acme/hello && cd hello && git checkout COMMIT
//	dagger call verify --image ghcr.io/acme/hello@sha256:…
//
// +cache="never"
func (s *Slipway) Verify(
	ctx context.Context,
	// Image by digest, as publish returns it.
	image string,
) (string, error) {
	if err := imageref.CheckDigest(image); err != nil {
		return "", err
	}
	ref, err := s.byDigest(image)
	if err != nil {
		return "", err
	}
	if _, err := s.verified(ctx, image, ""); err != nil {
		return "", err
	}
	to, err := s.access(ctx, ref.Context())
	if err != nil {
		return "", err
	}
	puller, err := to.puller(ctx)
	if err != nil {
		return "", err
	}
	published, built, err := s.claimed(ctx, to, puller, ref)
	if err != nil {
		return "", err
	}
	again, err := s.rebuilding(ctx, built)
	if err != nil {
		return "", fmt.Errorf("%s cannot be built again: %w", image, foreign.Error(err))
	}
	index, digest, err := again.index(ctx)
	if err != nil {
		return "", err
	}
	from := "commit " + built.Revision
	if built.Source != "" {
		from += " of " + foreign.Quote(built.Source)
	}
	different, err := compare.Indexes(published, index)
	if err != nil {
		return "", fmt.Errorf("cannot compare %s with what %s makes: %w", image, from, foreign.Error(err))
	}
	if different != "" {
		return "", fmt.Errorf("%s is not what %s makes here. The first difference is in %s", image, from, foreign.Line(different))
	}
	return fmt.Sprintf("%s is what %s makes, byte for byte, with %s\n", ref.Context().Name()+"@"+digest.String(), from, built.GoImage), nil
}

// claimed is a published index, and what its provenance says it was built from.
func (s *Slipway) claimed(ctx context.Context, to registryAccess, puller *remote.Puller, ref name.Digest,
) (v1.ImageIndex, attest.Parameters, error) {
	var attached [][]byte
	for _, mediaType := range []string{attest.BundleType, inTotoType} {
		contents, err := referrers.Read(ctx, puller, ref, mediaType)
		if err != nil {
			return nil, attest.Parameters{}, referrers.ReadCause(ref, err, to.login())
		}
		attached = append(attached, contents...)
	}
	claims := attest.Claims(ref.DigestStr(), attached)
	if len(claims) == 0 {
		return nil, attest.Parameters{}, fmt.Errorf("%s has no provenance of Slipway's, so what it was built from is not known: "+
			"publish it with --sign-key or --attach", ref.Name())
	}
	st, err := s.stamp(ctx)
	if err != nil {
		return nil, attest.Parameters{}, err
	}
	commit := strings.TrimSuffix(st.revision, "-dirty") // What was edited will show.
	here := slices.IndexFunc(claims, func(p attest.Parameters) bool { return p.Revision == commit })
	if here < 0 {
		return nil, claims[0], fmt.Errorf("%s was built from commit %s of %s, and the source here is at %s: check that one out, and verify again",
			ref.Name(), foreign.Quote(claims[0].Revision), foreign.Quote(claims[0].Source), st.revision)
	}
	got, err := puller.Get(ctx, ref)
	if err != nil {
		return nil, claims[here], referrers.ReadCause(ref, err, to.login())
	}
	if !got.MediaType.IsIndex() {
		return nil, claims[here], fmt.Errorf("%s is no index of images: give the digest that publish printed", ref.Name())
	}
	index, err := got.ImageIndex()
	return index, claims[here], err
}

// rebuilding are the settings with which an image was built. What a provenance says may be
// anybody's word, and goes into commands: only what Slipway itself would write is taken.
func (s *Slipway) rebuilding(ctx context.Context, built attest.Parameters) (*Slipway, error) {
	if err := built.Check(); err != nil {
		return nil, err
	}
	platforms, err := platform.ParseAll(built.Platforms)
	if err != nil || !slices.Equal(platforms, built.Platforms) {
		return nil, fmt.Errorf("it was built for %.200q, which is not what this Slipway builds for", built.Platforms)
	}
	for _, assignment := range built.LinkVars {
		if err := linkvars.Check(assignment); err != nil {
			return nil, err
		}
	}
	ours, err := dag.Container().From(s.GoImage).ImageRef(ctx)
	if err != nil {
		return nil, err
	}
	repository, _, digest, ok := imageref.Parts(built.GoImage)
	if known, _, _, _ := imageref.Parts(ours); !ok || digest == "" || repository != known {
		return nil, fmt.Errorf("it was built with %.200q, which is not of the repository of --go-image, %s: "+
			"if you trust that image, give it as --go-image", built.GoImage, known)
	}
	if err := s.sameBase(ctx, built.Base); err != nil {
		return nil, err
	}
	again := *s
	again.Dir, again.Package, again.Beside = ".", "./"+built.Package, nil
	for _, dir := range built.Beside {
		again.Beside = append(again.Beside, "./"+dir)
	}
	again.Tags, again.Version, again.Port, again.GoImage = built.Tags, built.Version, built.Port, built.GoImage
	again.LinkVars, again.Cgo, again.Platforms, again.Base = built.LinkVars, &built.Cgo, platforms, built.Base
	if _, err := again.mainPackage(ctx); err != nil {
		return nil, errors.New("the source here has no main package " + again.Package + ": give --source the root of the repository")
	}
	return &again, nil
}

// sameBase refuses a base that whoever verifies has not named: what is in it is in the image.
func (s *Slipway) sameBase(ctx context.Context, base string) error {
	if base == "" {
		return nil
	}
	known := ""
	if s.Base != "" {
		ours, err := dag.Container().From(s.Base).ImageRef(ctx)
		if err != nil {
			return err
		}
		known, _, _, _ = imageref.Parts(ours)
	}
	if repository, _, digest, ok := imageref.Parts(base); !ok || digest == "" || repository != known {
		return fmt.Errorf("it was built on the image %.200q: if you trust that, give it as --base before the function's name", base)
	}
	return nil
}
