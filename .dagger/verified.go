package main

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"dagger/slipway/internal/attest"
	"dagger/slipway/internal/imageref"
	"dagger/slipway/internal/referrers"
	"dagger/slipway/internal/signkey"
)

// askLimit bounds the time for which a registry is asked for signatures.
const askLimit = time.Minute

// verification is what was verified of an image; see helpers/internal/release.
type verification struct {
	Key      string // SHA-256 of the public key, in base64
	Source   string `json:",omitempty"`
	Revision string `json:",omitempty"`
}

// policy is what the settings demand of an image, and whether they demand anything.
func (s *Slipway) policy(ctx context.Context, revision string) (attest.Policy, bool, error) {
	if s.VerifyKey == nil {
		if revision != "" {
			return attest.Policy{}, false, errors.New("--verify-revision needs a key to believe: give --verify-key before the function's name")
		}
		return attest.Policy{}, false, nil
	}
	text, err := s.VerifyKey.Contents(ctx)
	if err != nil {
		return attest.Policy{}, true, err
	}
	keys, err := signkey.Public([]byte(text), "--verify-key")
	if err == nil && revision != "" {
		err = attest.CheckRevision(revision)
	}
	return attest.Policy{Keys: keys, Source: s.VerifySource, Revision: revision}, true, err
}

// verified is what the settings demand to be known of an image. It is nil if they demand nothing.
func (s *Slipway) verified(ctx context.Context, image, revision string) (*verification, error) {
	found, err := s.judged(ctx, image, revision)
	if err != nil || found == nil {
		return nil, err
	}
	return &verification{found.Key, found.Source, found.Revision}, nil
}

// judged asks the registry for what is attached to an image, and judges it by the settings.
// It is nil if they demand nothing.
func (s *Slipway) judged(ctx context.Context, image, revision string) (*attest.Verified, error) {
	policy, wanted, err := s.policy(ctx, revision)
	if err != nil || !wanted {
		return nil, err
	}
	if err := imageref.CheckDigest(image); err != nil {
		return nil, err
	}
	ref, err := s.byDigest(image)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	to, err := s.access(ctx, ref.Context())
	if err != nil {
		return nil, err
	}
	puller, err := to.puller(ctx)
	if err != nil {
		return nil, err
	}
	found, err := to.judge(ctx, puller, ref, policy)
	if err != nil {
		return nil, err
	}
	return &found, nil
}

// judge reads what is attached to an image, and compares it with a policy.
func (a registryAccess) judge(ctx context.Context, puller *remote.Puller, image name.Digest, policy attest.Policy) (attest.Verified, error) {
	bundles, err := referrers.Read(ctx, puller, image, attest.BundleType)
	if err != nil {
		return attest.Verified{}, referrers.ReadCause(image, err, a.login())
	}
	address := image.Context().Name() + "@" + image.DigestStr()
	if len(bundles) == 0 && ofOnePlatform(ctx, puller, image) {
		return attest.Verified{}, fmt.Errorf("%s is not signed: %s", address, signedIndex)
	}
	return attest.Verify(address, bundles, policy)
}

const signedIndex = "it is the image of one platform, and publish signs the index of all: give the digest that publish printed"

// ofOnePlatform says whether there is an image where an index of images is looked for.
func ofOnePlatform(ctx context.Context, puller *remote.Puller, image name.Digest) bool {
	there, err := puller.Head(ctx, image)
	return err == nil && there.MediaType.IsImage()
}

// puller reads from the registry, and logs in once.
func (a registryAccess) puller(ctx context.Context) (*remote.Puller, error) {
	return remote.NewPuller(remote.WithContext(ctx), remote.WithAuth(a.auth), remote.WithTransport(a.route))
}

// login is what to do if the registry wants a login.
func (a registryAccess) login() string {
	if a.hint != "" {
		return a.hint
	}
	return "check --username and --password, or log in again and give --registry-config"
}

// verifiable refuses a deploy of the source whose image could not be accepted in the end.
func (s *Slipway) verifiable(ctx context.Context, revision string) error {
	policy, wanted, err := s.policy(ctx, revision)
	if err != nil || !wanted {
		return err
	}
	if s.Repository == "" {
		return errors.New("--verify-key is about images in a registry: give --repository before the function's name, or --image after it")
	}
	key, err := s.signKey(ctx)
	if err != nil || key == nil {
		return err
	}
	if !slices.ContainsFunc(policy.Keys, func(accepted *ecdsa.PublicKey) bool { return key.PublicKey.Equal(accepted) }) {
		return errors.New("--sign-key is not the private half of --verify-key, so what it signs would not be accepted: give the two that go together")
	}
	built, err := s.parameters(ctx)
	if err != nil {
		return err
	}
	return policy.Accepts("this source's image", built)
}

// toDeploy is the image to deploy, with what was verified of it. The source's image must be
// accepted too: one that is to be signed before it is published, as far as that can be told,
// and any other as the registry has it.
func (s *Slipway) toDeploy(ctx context.Context, image, revision string, dryRun bool, publish func() (string, error),
) (string, *verification, error) {
	others, err := imageref.ParseImages(s.Images)
	if err != nil {
		return "", nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(others)) {
		if _, err := s.verified(ctx, others[name], revision); err != nil {
			return "", nil, err
		}
	}
	if image == "" {
		if err := s.verifiable(ctx, revision); err != nil {
			return "", nil, err
		}
		signs := s.SignKey != nil
		if dryRun || s.VerifyKey != nil && !signs {
			built, err := s.built(ctx)
			if err != nil || dryRun && signs {
				return built, nil, err
			}
			if done, err := s.verified(ctx, built, revision); err != nil || dryRun {
				return built, done, err
			}
		}
		var err error
		if image, err = publish(); err != nil {
			return "", nil, err
		}
	}
	done, err := s.verified(ctx, image, revision)
	return image, done, err
}

// way is where a rollback would go.
type way struct {
	Number int
	Image  string
}

// verifiedWay finds the release that a rollback goes to, and verifies its image.
func (s *Slipway) verifiedWay(ctx context.Context, to int, revision string) (way, *verification, error) {
	_, wanted, err := s.policy(ctx, revision)
	if err != nil || !wanted {
		return way{Number: to}, nil, err
	}
	out, err := s.rollout(ctx, "target", request{To: to})
	if err != nil {
		return way{}, nil, err
	}
	var found way
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		return found, nil, fmt.Errorf("read which release it goes back to: %w", err)
	}
	done, err := s.verified(ctx, found.Image, revision)
	return found, done, err
}
