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
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"

	"dagger/slipway/internal/changelog"
	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/gitref"
)

const (
	changelogFile = "CHANGELOG.md"
	// unreleased begins the version of a commit that has no tag.
	unreleased = "0.0.0"
)

// Make a release of the source: test it, publish it, and return what goes with it.
//
// Runs test and lint, then publishes, with --sign-key signed, under the version as tag. What
// can be refused without that, such as manifests that do not fit together, a key that will not do,
// an edited source, a tag of this version on another commit, or a changelog without it, is refused
// first. A tag of the image that is there already is not moved. The directory holds:
//
//	image            the address by digest, as publish returns it
//	manifests.yaml   what kubectl apply -f takes, with that image, if the source has manifests
//	sbom.spdx.json   the modules in the image
//	CHANGELOG.md     what the source's CHANGELOG.md says of the version, if there is one
//
// The version is the commit's tag, or --version. browser and rehearse, the other checks, are
// not part of it.
//
//	dagger call --version 1.2.3 --repository ghcr.io/acme/hello --sign-key env:COSIGN_KEY release export --path dist
//
// +cache="never"
func (s *Slipway) Release(ctx context.Context) (*dagger.Directory, error) {
	repo, err := s.repository()
	if err != nil {
		return nil, err
	}
	st, err := s.stamp(ctx)
	if err != nil {
		return nil, err
	}
	if st.version == unreleased || strings.HasPrefix(st.version, unreleased+"-") {
		return nil, errors.New("a release needs a version, and the commit has no tag: tag it, or give --version before the function's name")
	}
	if err := s.releasable(ctx, st); err != nil {
		return nil, err
	}
	if _, err := s.supply(ctx, false); err != nil {
		return nil, err
	}
	section, err := s.changes(ctx, st.version)
	if err != nil {
		return nil, err
	}
	_, err = s.rendered(ctx, repo.Name()+"@"+unbuilt, nil, "")
	manifests := err == nil
	if err != nil && !noManifests(err) {
		return nil, err
	}
	checks, checking := errgroup.WithContext(ctx)
	checks.Go(func() error { _, err := s.Test(checking); return err })
	checks.Go(func() error { _, err := s.Lint(checking); return err })
	if err := checks.Wait(); err != nil {
		return nil, err
	}

	image, err := s.publish(ctx, nil, false, func(ctx context.Context) (v1.ImageIndex, v1.Hash, error) {
		index, digest, err := s.index(ctx)
		if err == nil {
			err = s.notReleased(ctx, repo.Tag(st.tag()), digest)
		}
		return index, digest, err
	})
	if err != nil {
		return nil, err
	}
	sbom, err := s.Sbom(ctx)
	if err != nil {
		return nil, err
	}
	files := dag.Directory().WithNewFile("image", image+"\n").WithFile("sbom.spdx.json", sbom)
	if section != "" {
		files = files.WithNewFile(changelogFile, section)
	}
	if !manifests {
		return files, nil
	}
	rendered, err := s.Render(ctx, image, nil)
	if err != nil {
		return nil, err
	}
	return files.WithFile("manifests.yaml", rendered), nil
}

// releasable refuses a source that is not what its version means to those who have the repository.
func (s *Slipway) releasable(ctx context.Context, st stamp) error {
	if strings.HasSuffix(st.revision, dirty) {
		return fmt.Errorf("a release is of a commit, and the source is not as its commit has it: %s; release from a checkout without edits",
			st.doubt)
	}
	if st.revision == gitref.Unknown {
		return nil
	}
	repository, err := s.openGit(ctx)
	if err != nil {
		return err
	}
	tree, err := s.tree(ctx)
	if err != nil {
		return err
	}
	module, err := s.module(ctx)
	if err != nil {
		return err
	}
	if at := repository.Tagged(st.version, module, tree.Has("go.mod")); at != "" && at != st.revision {
		return fmt.Errorf("the tag of version %s is on commit %s, and the source is at %s: check that tag out, or give another --version",
			st.version, at, st.revision)
	}
	return nil
}

// notReleased refuses a tag that means another image: publish moves one, release does not.
func (s *Slipway) notReleased(ctx context.Context, t name.Tag, digest v1.Hash) error {
	to, err := s.access(ctx, t.Context())
	if err != nil {
		return err
	}
	there, err := remote.Head(t, remote.WithContext(ctx), remote.WithAuth(to.auth), remote.WithTransport(to.route))
	var refused *transport.Error
	switch {
	case err == nil && there.Digest != digest:
		return fmt.Errorf("%s is released already: its tag is %s, and this would be %s: give another --version, "+
			"or publish, which moves a tag", t.Name(), there.Digest, digest)
	case err != nil && !(errors.As(err, &refused) && slices.Contains([]int{401, 403, 404}, refused.StatusCode)):
		return fmt.Errorf("whether %s is released already cannot be told: %w", t.Name(), to.readCause(t.Name(), err))
	}
	return nil // Registries also answer 401 and 403 for what is not there.
}

// changes is what the changelog says of a version, "" if there is no changelog.
func (s *Slipway) changes(ctx context.Context, version string) (string, error) {
	file, err := s.find(ctx, changelogFile)
	if err != nil || file == "" {
		return "", err
	}
	text, err := s.Source.File(file).Contents(ctx)
	if err != nil {
		return "", err
	}
	section, ok := changelog.Section(text, version)
	if !ok {
		return "", fmt.Errorf("%s has no section for %s: give it a heading such as ## %[2]s, and say what changed", file, version)
	}
	return section, nil
}
