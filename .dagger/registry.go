package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"dagger/slipway/internal/foreign"
	"dagger/slipway/internal/login"
	"dagger/slipway/internal/plainhttp"
	"dagger/slipway/internal/referrers"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// registryAccess is how a registry is talked to.
type registryAccess struct {
	auth  authn.Authenticator
	route http.RoundTripper
	hint  string // what to do if the registry wants a login, "" where one was given
}

// access finds the login to the repository's registry, and the way there. A password
// that was given goes before what docker login stored. Password and route of the settings
// are for the registry of the settings' repository, and no other gets to see them.
func (s *Slipway) access(ctx context.Context, repo name.Repository) (registryAccess, error) {
	a := registryAccess{auth: authn.Anonymous}
	way := s.Registry
	stranger := false
	if ours, err := s.repository(); err == nil && ours.RegistryStr() != repo.RegistryStr() {
		stranger, way = true, nil
	}
	switch {
	case s.Password != nil && !stranger:
		secret, err := s.Password.Plaintext(ctx)
		if err != nil {
			return a, err
		}
		a.auth = &authn.Basic{Username: s.Username, Password: strings.TrimSpace(secret)}
	case s.RegistryConfig != nil:
		text, err := s.RegistryConfig.Plaintext(ctx)
		if err != nil {
			return a, err
		}
		found, err := login.Find(text, repo.Name())
		if err != nil {
			return a, err
		}
		if a.hint = found.Hint; a.hint == "" {
			a.auth = authn.FromConfig(authn.AuthConfig{
				Username: found.Username, Password: found.Password,
				IdentityToken: found.IdentityToken, RegistryToken: found.RegistryToken,
			})
		}
	default:
		a.hint = "give --username and --password, or --registry-config file:$HOME/.docker/config.json"
	}
	route, err := dialThrough(ctx, way)
	if err != nil {
		return a, err
	}
	a.route = route
	if stranger || !s.PlainHTTP {
		a.route = plainhttp.Refuse(a.route)
	}
	a.route = referrers.Route(a.route)
	if s.RegistryCA == nil {
		return a, nil
	}
	bundle, err := s.RegistryCA.Contents(ctx)
	if err != nil {
		return a, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM([]byte(bundle)) {
		return a, errors.New("--registry-ca holds no certificate in PEM: give the file that begins with -----BEGIN CERTIFICATE-----")
	}
	route.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return a, nil
}

// tag has a tag mean the index, unless it does already: a registry may let no tag be set
// twice, and then a push that is repeated has nothing to set.
func (a registryAccess) tag(ctx context.Context, pusher *remote.Pusher, t name.Tag, index v1.ImageIndex, digest v1.Hash) error {
	there, headErr := remote.Head(t, remote.WithContext(ctx), remote.WithAuth(a.auth), remote.WithTransport(a.route))
	if headErr == nil && there.Digest == digest {
		return nil
	}
	err := pusher.Put(ctx, t, index)
	var refused *transport.Error
	if headErr == nil && errors.As(err, &refused) && refused.StatusCode/100 == 4 && refused.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("the registry does not let tag %s of %s move (%d), which is %s and would be %s: give --version or --tag "+
			"another one; deploy --image %s@%[4]s takes the image that is there", t.TagStr(), t.Context().Name(), refused.StatusCode,
			there.Digest, digest, t.Context().Name())
	}
	if err != nil {
		return a.cause(t.Context(), err)
	}
	return nil
}

// readCause says in one sentence why an image cannot be read.
func (a registryAccess) readCause(image string, err error) error {
	if cause := referrers.Unanswered(err); cause != nil {
		return fmt.Errorf("cannot read %s: %w", image, cause)
	}
	var refused *transport.Error
	if !errors.As(err, &refused) {
		return fmt.Errorf("cannot read %s: %w", image, foreign.Error(err))
	}
	switch refused.StatusCode {
	case http.StatusUnauthorized:
		return fmt.Errorf("cannot read %s: 401: %s", image, a.login())
	case http.StatusNotFound:
		return fmt.Errorf("%s is not in the registry: compare the digest with what publish printed", image)
	}
	return fmt.Errorf("cannot read %s: the registry answered %d: %w", image, refused.StatusCode, foreign.Error(err))
}

// cause says in one sentence why the registry did not take the image.
func (a registryAccess) cause(repo name.Repository, err error) error {
	var refused *transport.Error
	if errors.As(err, &refused) && refused.StatusCode == http.StatusUnauthorized && a.hint != "" {
		return fmt.Errorf("cannot push to %s: the registry wants a login (401): %s", repo.Name(), a.hint)
	}
	return referrers.PushCause(repo, err)
}
