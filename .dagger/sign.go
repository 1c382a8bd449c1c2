package main

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"runtime"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"dagger/slipway/internal/attest"
	"dagger/slipway/internal/gitref"
	"dagger/slipway/internal/referrers"
	"dagger/slipway/internal/signkey"
)

// What is attached without a signature has these types, by which other tools find it.
const (
	spdxType   = "application/spdx+json"
	inTotoType = "application/vnd.in-toto+json"
)

// signKey is the key of the settings, nil if there is none.
func (s *Slipway) signKey(ctx context.Context) (*ecdsa.PrivateKey, error) {
	if s.SignKey == nil {
		return nil, nil
	}
	text, err := s.SignKey.Plaintext(ctx)
	if err != nil {
		return nil, err
	}
	password := ""
	if s.SignPassword != nil {
		if password, err = s.SignPassword.Plaintext(ctx); err != nil {
			return nil, err
		}
	}
	return signkey.Private([]byte(text), password, "--sign-key", "--sign-password")
}

// supply is what publish attaches to an index: SBOM, provenance and, with a key, signature.
type supply struct {
	key        *ecdsa.PrivateKey // nil to attach without signing
	parameters attest.Parameters
}

// supply is nil if nothing is to be attached. It is known before anything is pushed.
func (s *Slipway) supply(ctx context.Context, attach bool) (*supply, error) {
	key, err := s.signKey(ctx)
	if err != nil || key == nil && !attach {
		return nil, err
	}
	parameters, err := s.parameters(ctx)
	return &supply{key, parameters}, err
}

// parameters are what the index follows from.
func (s *Slipway) parameters(ctx context.Context) (attest.Parameters, error) {
	st, err := s.stamp(ctx)
	if err != nil {
		return attest.Parameters{}, err
	}
	if err := traceable(st); err != nil {
		return attest.Parameters{}, err
	}
	pkg, err := s.mainPackage(ctx)
	if err != nil {
		return attest.Parameters{}, err
	}
	golang, err := dag.Container().From(s.GoImage).ImageRef(ctx)
	if err != nil {
		return attest.Parameters{}, err
	}
	port, err := s.port(ctx)
	if err != nil {
		return attest.Parameters{}, err
	}
	base, err := s.baseRef(ctx)
	if err != nil {
		return attest.Parameters{}, err
	}
	source, err := s.sourceURL(ctx)
	if err != nil {
		return attest.Parameters{}, err
	}
	var beside []string
	for _, program := range s.programs()[1:] {
		dir, err := program.mainPackage(ctx)
		if err != nil {
			return attest.Parameters{}, err
		}
		beside = append(beside, dir)
	}
	built := attest.Parameters{
		Source: source, Revision: st.revision, Package: pkg, Beside: beside, Tags: slices.Clone(s.Tags), LinkVars: s.LinkVars, Cgo: s.withCgo(),
		Platforms: s.Platforms, Version: st.version, Port: port, GoImage: golang, Base: base,
	}
	if err := built.Check(); err != nil { // Such as a tag of git's that is no version.
		return built, fmt.Errorf("nobody could verify this image: %w: give another --version, or leave out --sign-key and --attach", err)
	}
	return built, nil
}

// traceable refuses a source of which no provenance could say the truth.
func traceable(st stamp) error {
	if st.doubt == "" {
		return nil
	}
	what := "the source is not as its commit has it"
	if st.revision == gitref.Unknown {
		what = "it is not known which commit the source is of"
	}
	return fmt.Errorf("%s, so its provenance would not be true: %s; publish from a checkout without edits, "+
		"or leave out --sign-key and --attach", what, st.doubt)
}

// artifacts are what is to be attached to an index, in this order: who sees the signature
// sees the rest. All of it is made before anything is pushed.
func (s *Slipway) artifacts(ctx context.Context, index v1.ImageIndex, digest v1.Hash, what *supply) ([]referrers.Artifact, error) {
	if what == nil {
		return nil, nil
	}
	document, err := s.document(ctx, index, digest)
	if err != nil {
		return nil, err
	}
	listed, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	whole := attest.Image("", digest.String())
	parts := []attest.Subject{whole}
	for _, d := range listed.Manifests {
		parts = append(parts, attest.Image(d.Platform.String(), d.Digest.String()))
	}
	built := attest.Built(what.parameters, runtime.Version())
	if what.key == nil {
		return unsigned(document, built, parts)
	}
	var all []referrers.Artifact
	for _, said := range []struct {
		kind      string
		predicate any
		subjects  []attest.Subject
	}{
		{attest.SBOM, document, parts},
		{attest.Provenance, built, parts},
		{attest.Signature, struct{}{}, []attest.Subject{whole}},
	} {
		text, err := attest.State(said.kind, said.predicate, said.subjects...)
		if err != nil {
			return nil, err
		}
		if text, err = attest.Sign(what.key, text); err != nil {
			return nil, err
		}
		all = append(all, referrers.Artifact{Type: attest.BundleType, MediaType: attest.BundleType, Content: text, Annotations: map[string]string{
			"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": said.kind,
		}})
	}
	return all, nil
}

func unsigned(document, built any, subjects []attest.Subject) ([]referrers.Artifact, error) {
	sbom, err := attest.Encode(document)
	if err != nil {
		return nil, err
	}
	provenance, err := attest.State(attest.Provenance, built, subjects...)
	return []referrers.Artifact{
		{Type: spdxType, MediaType: spdxType, Content: sbom},
		{Type: inTotoType, MediaType: inTotoType, Content: provenance, Annotations: map[string]string{
			"in-toto.io/predicate-type": attest.Provenance,
		}},
	}, err
}

// attach attaches the artifacts and reads them back: of two that publish at once where a tag
// lists them, one may write over what the other wrote.
func (a registryAccess) attach(ctx context.Context, pusher *remote.Pusher, repo name.Repository, index v1.ImageIndex,
	artifacts []referrers.Artifact, what *supply,
) error {
	if what == nil {
		return nil
	}
	subject, err := partial.Descriptor(index)
	if err != nil {
		return err
	}
	var attached []v1.Hash
	for _, artifact := range artifacts {
		digest, err := referrers.Attach(ctx, pusher, repo, *subject, artifact)
		if err != nil {
			if cause := referrers.AttachCause(repo, err); cause != nil {
				return cause
			}
			return a.cause(repo, err)
		}
		attached = append(attached, digest)
	}
	puller, err := a.puller(ctx)
	if err != nil {
		return err
	}
	image := repo.Digest(subject.Digest.String())
	listed, err := referrers.List(ctx, puller, image)
	if err != nil {
		return referrers.ReadCause(image, err, a.login())
	}
	for _, digest := range attached {
		if !slices.Contains(listed, digest) {
			return fmt.Errorf("%s does not list what was attached: somebody else published there at the same time: publish again", repo.Name())
		}
	}
	if what.key == nil {
		return nil
	}
	_, err = a.judge(ctx, puller, image, attest.Policy{Keys: []*ecdsa.PublicKey{&what.key.PublicKey}})
	return err
}
