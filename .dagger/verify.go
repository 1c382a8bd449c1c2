package main

import (
	"cmp"
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
	believed, err := s.judged(ctx, image, "")
	if err != nil {
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
	published, claims, err := s.claimed(ctx, to, puller, ref, believed)
	if err != nil {
		return "", err
	}
	// Anybody who may push may claim something: the first claim that is true will do.
	var first error
	for _, built := range claims[:min(len(claims), claimLimit)] {
		said, err := s.compared(ctx, ref, published, built)
		if err == nil {
			return said, nil
		}
		first = cmp.Or(first, err)
	}
	if len(claims) > 1 && believed == nil {
		first = fmt.Errorf("%w. It has %d provenances, of which no more than %d are tried: give --verify-key to believe one of them",
			first, len(claims), claimLimit)
	}
	return "", first
}

// claimLimit is how many provenances of one commit are tried: each is a build.
const claimLimit = 3

// compared builds again what a provenance says, and compares.
func (s *Slipway) compared(ctx context.Context, ref name.Digest, published v1.ImageIndex, built attest.Parameters) (string, error) {
	image := ref.Context().Name() + "@" + ref.DigestStr()
	again, err := s.rebuilding(ctx, built)
	if err != nil {
		return "", fmt.Errorf("%s cannot be built again: %w", image, foreign.Error(err))
	}
	index, digest, err := again.index(ctx)
	if err != nil {
		return "", err
	}
	source, err := again.sourceURL(ctx) // The claim may have another; what is compared holds this one.
	if err != nil {
		return "", err
	}
	from := "commit " + built.Revision
	if source != "" {
		from += " of " + foreign.Quote(source)
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

// claimed is a published index, and what its provenances say it was built from: those of the commit that
// is here, each once, or the one that is believed.
func (s *Slipway) claimed(ctx context.Context, to registryAccess, puller *remote.Puller, ref name.Digest, believed *attest.Verified,
) (v1.ImageIndex, []attest.Parameters, error) {
	var claims []attest.Parameters
	if believed != nil && believed.Built != nil {
		claims = []attest.Parameters{*believed.Built}
	} else {
		var attached [][]byte
		for _, mediaType := range []string{attest.BundleType, inTotoType} {
			contents, err := referrers.Read(ctx, puller, ref, mediaType)
			if err != nil {
				return nil, nil, referrers.ReadCause(ref, err, to.login())
			}
			attached = append(attached, contents...)
		}
		claims = attest.Claims(ref.DigestStr(), attached)
	}
	if len(claims) == 0 && ofOnePlatform(ctx, puller, ref) {
		return nil, nil, fmt.Errorf("%s has no provenance: %s", ref.Name(), signedIndex)
	}
	if len(claims) == 0 {
		return nil, nil, fmt.Errorf("%s has no provenance of Slipway's, so what it was built from is not known: "+
			"publish it with --sign-key or --attach", ref.Name())
	}
	st, err := s.stamp(ctx)
	if err != nil {
		return nil, nil, err
	}
	commit := strings.TrimSuffix(st.revision, "-dirty") // What was edited will show.
	first := claims[0]
	claims = slices.DeleteFunc(claims, func(p attest.Parameters) bool { return p.Revision != commit })
	if len(claims) == 0 {
		return nil, nil, fmt.Errorf("%s was built from commit %s of %s, and the source here is at %s: check that one out, and verify again",
			ref.Name(), foreign.Quote(first.Revision), foreign.Quote(first.Source), st.revision)
	}
	got, err := puller.Get(ctx, ref)
	if err != nil {
		return nil, nil, referrers.ReadCause(ref, err, to.login())
	}
	if !got.MediaType.IsIndex() {
		return nil, nil, fmt.Errorf("%s is no index of images: give the digest that publish printed", ref.Name())
	}
	index, err := got.ImageIndex()
	return index, claims, err
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
