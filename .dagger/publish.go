package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"dagger/slipway/internal/dagger"
)

// Publish the image to the repository and return its address by digest.
//
// What is pushed is one index for all of --platforms; what is returned is
// repository@sha256:….
//
// The image carries no time and nothing of the machine: the same source with
// the same Go image gives the same digest anywhere. Whether the registry takes
// pushes is asked before anything is built; tags move last, so that a push that
// breaks off leaves them where they were. One that is there already and means the same
// image is left alone; one that the registry does not let move is an error.
//
// With --sign-key, SBOM, provenance and signature are attached before that, as Sigstore bundles,
// and read back; publishing again adds none. Without it nothing is attached. The source must be
// a git checkout whose commit is known. docs/supply-chain.md.
//
//	dagger call --repository ghcr.io/acme/hello --username octocat --password env:TOKEN publish
//	dagger call --repository localhost:5000/hello --registry tcp://localhost:5000 publish
//	dagger call --repository ghcr.io/acme publish --each
//
// +cache="never"
func (s *Slipway) Publish(
	ctx context.Context,
	// Tags to set. Default: the version that is stamped.
	//
	// +optional
	tag []string,
	// Attach SBOM and provenance also without --sign-key, which then nobody vouches for.
	//
	// +optional
	attach bool,
	// Publish an image of each main package: of those that --package gives, or else of all that the
	// source has. Each goes below the repository under its program's name, as ghcr.io/acme/api for
	// --repository ghcr.io/acme, and the addresses are returned one a line. Nothing is pushed before
	// all are built.
	//
	// +optional
	each bool,
) (string, error) {
	if each {
		return s.publishEach(ctx, tag, attach)
	}
	return s.publish(ctx, tag, attach, s.index)
}

// indexer makes an image's index, and its digest.
type indexer func(context.Context) (v1.ImageIndex, v1.Hash, error)

// destination is where an image is to go, with what.
type destination struct {
	repo   name.Repository
	tags   []name.Tag
	supply *supply
	to     registryAccess
}

// pushing finds it, and asks whether the registry would take it.
func (s *Slipway) pushing(ctx context.Context, tag []string, attach bool) (destination, error) {
	repo, err := s.repository()
	if err != nil {
		return destination{}, err
	}
	st, err := s.stamp(ctx)
	if err != nil {
		return destination{}, err
	}
	if len(tag) == 0 {
		tag = []string{st.tag()}
	}
	tags := make([]name.Tag, len(tag))
	for i, t := range tag {
		if tags[i], err = name.NewTag(repo.Name()+":"+t, nameOptions(s.PlainHTTP)...); err != nil {
			return destination{}, fmt.Errorf("--tag %q is not a tag: letters, digits, '_', '.' and '-', 128 at most", t)
		}
	}
	supply, err := s.supply(ctx, attach)
	if err != nil {
		return destination{}, err
	}
	to, err := s.access(ctx, repo)
	if err != nil {
		return destination{}, err
	}
	if err := remote.CheckPushPermission(repo.Tag(tag[0]), only{to.auth}, to.route); err != nil {
		return destination{}, to.cause(repo, err)
	}
	return destination{repo, tags, supply, to}, nil
}

// publish builds an index and pushes it, once it is known that the registry would take it.
func (s *Slipway) publish(ctx context.Context, tag []string, attach bool, build indexer) (string, error) {
	p, err := s.pushing(ctx, tag, attach)
	if err != nil {
		return "", err
	}
	index, digest, err := build(ctx)
	if err != nil {
		return "", err
	}
	return s.push(ctx, p, index, digest)
}

// push pushes an index and what is attached to it, and returns its address.
func (s *Slipway) push(ctx context.Context, p destination, index v1.ImageIndex, digest v1.Hash) (string, error) {
	repo, to := p.repo, p.to
	artifacts, err := s.artifacts(ctx, index, digest, p.supply)
	if err != nil {
		return "", err
	}
	pusher, err := remote.NewPusher(remote.WithContext(ctx), remote.WithAuth(to.auth), remote.WithTransport(to.route))
	if err != nil {
		return "", err
	}
	if err := pusher.Push(ctx, repo.Digest(digest.String()), index); err != nil {
		return "", to.cause(repo, err)
	}
	if err := to.attach(ctx, pusher, repo, index, artifacts, p.supply); err != nil {
		return "", err
	}
	for _, t := range p.tags {
		if err := to.tag(ctx, pusher, t, index, digest); err != nil {
			return "", err
		}
	}
	return repo.Name() + "@" + digest.String(), nil
}

// notInTag is what a version may hold and neither a tag nor a label may, as the +
// of 1.2.3+build.
var notInTag = regexp.MustCompile(`[^\w.-]`)

func nameOptions(plainHTTP bool) []name.Option {
	if plainHTTP {
		return []name.Option{name.StrictValidation, name.Insecure}
	}
	return []name.Option{name.StrictValidation}
}

// repository is where images go. This is the one place that refuses to do without.
func (s *Slipway) repository() (name.Repository, error) {
	if s.Repository == "" {
		return name.Repository{}, errors.New("this needs a repository for the image: give --repository, such as ghcr.io/acme/hello, " +
			"before the function's name, or SLIPWAY_REPOSITORY in .env")
	}
	return parseRepository(s.Repository, s.PlainHTTP)
}

func parseRepository(address string, plainHTTP bool) (name.Repository, error) {
	repo, err := name.NewRepository(address, nameOptions(plainHTTP)...)
	if err == nil {
		return repo, nil
	}
	if ref, refErr := name.ParseReference(address); refErr == nil && ref.Context().Name() != address {
		return repo, fmt.Errorf("--repository %q has a tag or a digest: give the repository alone, and tags with --tag", address)
	}
	return repo, fmt.Errorf("--repository %q is not a repository: give registry and path in lower case, as in ghcr.io/acme/hello", address)
}

// only answers every registry with one and the same credential.
type only struct{ authn.Authenticator }

func (o only) Resolve(authn.Resource) (authn.Authenticator, error) { return o.Authenticator, nil }

// dialThrough returns a transport that connects to the given service, whatever
// host the address names; without a service, the usual one.
func dialThrough(ctx context.Context, service *dagger.Service) (*http.Transport, error) {
	t := remote.DefaultTransport.(*http.Transport).Clone()
	if service == nil {
		return t, nil
	}
	started, err := service.Start(ctx)
	if err != nil {
		return nil, fmt.Errorf("--registry: %w", err)
	}
	endpoint, err := started.Endpoint(ctx)
	if err != nil {
		return nil, fmt.Errorf("--registry: %w", err)
	}
	var dialer net.Dialer
	t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, endpoint)
	}
	return t, nil
}

// index builds all platforms and returns them as one index, with its digest.
func (s *Slipway) index(ctx context.Context) (v1.ImageIndex, v1.Hash, error) {
	platforms, err := s.allSupported(ctx)
	if err != nil {
		return nil, v1.Hash{}, err
	}
	addenda := make([]mutate.IndexAddendum, len(platforms))
	told := make([]map[string]string, len(platforms))
	var builds errgroup.Group
	for i, platform := range platforms {
		builds.Go(func() error {
			ctr, err := s.Build(ctx, dagger.Platform(platform.Name))
			if err != nil {
				return err
			}
			img, err := image(ctx, ctr)
			if err != nil {
				return err
			}
			config, err := img.ConfigFile()
			if err != nil {
				return err
			}
			told[i] = annotations(config.Config.Labels)
			p, err := v1.ParsePlatform(platform.Name)
			addenda[i] = mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: p}}
			return err
		})
	}
	if err := builds.Wait(); err != nil {
		return nil, v1.Hash{}, err
	}
	index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), addenda...)
	// Of an index, registries show nothing but these. They are the same for all platforms.
	index = mutate.Annotations(index, told[0]).(v1.ImageIndex)
	digest, err := index.Digest()
	return index, digest, err
}

// building begins to make the index, and returns what waits for it and what stops it: meanwhile the
// caller looks at what needs no image, and what is refused need not be built.
func (s *Slipway) building(ctx context.Context) (indexer, context.CancelFunc) {
	ctx, stop := context.WithCancel(ctx)
	var index v1.ImageIndex
	var digest v1.Hash
	var work errgroup.Group
	work.Go(func() (err error) {
		index, digest, err = s.index(ctx)
		return err
	})
	return func(context.Context) (v1.ImageIndex, v1.Hash, error) {
		err := work.Wait()
		return index, digest, err
	}, stop
}

// image reads a container back as an image without anything that differs from
// one engine, machine or day to the next: Dagger's exporter stamps the time and
// notes in the history how each layer came about.
func image(ctx context.Context, ctr *dagger.Container) (v1.Image, error) {
	dir, err := os.MkdirTemp("", "image")
	if err != nil {
		return nil, err
	}
	file, err := ctr.AsTarball(dagger.ContainerAsTarballOpts{
		ForcedCompression: dagger.ImageLayerCompressionUncompressed,
	}).Export(ctx, filepath.Join(dir, "image.tar"))
	if err != nil {
		return nil, err
	}
	img, err := tarball.ImageFromPath(file, nil)
	if err != nil {
		return nil, err
	}
	img, err = mutate.Canonical(img,
		tarball.WithMediaType(types.OCILayer),
		// Three times the seconds would save a third of a percent, and each look at a layer compresses it.
		tarball.WithCompressionLevel(gzip.DefaultCompression),
		tarball.WithCompressedCaching)
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	// One entry for each layer, without a time: what builds on the image compares their numbers.
	config.History = slices.Repeat([]v1.History{{CreatedBy: "slipway build"}}, len(config.RootFS.DiffIDs))
	img, err = mutate.ConfigFile(img, config)
	if err != nil {
		return nil, err
	}
	return mutate.ConfigMediaType(mutate.MediaType(img, types.OCIManifestSchema1), types.OCIConfigJSON), nil
}
