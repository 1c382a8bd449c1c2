package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"dagger/slipway/internal/foreign"
	"dagger/slipway/internal/plainhttp"
)

// The labels by which an image says what it was made from, and its index, as annotations.
const (
	labelPrefix   = "org.opencontainers.image."
	titleLabel    = labelPrefix + "title"
	versionLabel  = labelPrefix + "version"
	revisionLabel = labelPrefix + "revision"
	sourceLabel   = labelPrefix + "source"
	baseLabel     = labelPrefix + "base.name"
)

// labelsLimit bounds the time for which a registry is asked.
const labelsLimit = 10 * time.Second

// byDigest is where a registry has an image.
func (s *Slipway) byDigest(image string) (name.Digest, error) {
	if s.PlainHTTP {
		return name.NewDigest(image, name.Insecure)
	}
	return name.NewDigest(image)
}

// annotations are those labels of an image that its index has, too.
func annotations(labels map[string]string) map[string]string {
	of := map[string]string{}
	for name, value := range labels {
		if strings.HasPrefix(name, labelPrefix) {
			of[name] = value
		}
	}
	return of
}

// described is what an image says of itself. The source says nothing of an image that it
// may not have made, so where the registry does not answer, nothing is known.
func (s *Slipway) described(ctx context.Context, image string) stamp {
	st := stamp{revision: "unknown"}
	ctx, cancel := context.WithTimeout(ctx, labelsLimit)
	defer cancel()
	ref, err := s.byDigest(image)
	if err != nil {
		return st
	}
	to, err := s.access(ctx, ref.Context())
	if err != nil {
		return st
	}
	img, err := remote.Image(ref, remote.WithContext(ctx), remote.WithAuth(to.auth), remote.WithTransport(to.route))
	if errors.Is(err, plainhttp.ErrRefused) {
		fmt.Fprintf(os.Stderr, "warning: version and revision of %s are not known: %v\n", ref.Name(), plainhttp.ErrRefused)
	}
	if err != nil {
		return st
	}
	config, err := img.ConfigFile()
	if err != nil {
		return st
	}
	st.version = config.Config.Labels[versionLabel]
	if revision := config.Config.Labels[revisionLabel]; revision != "" && foreign.Line(revision) == revision {
		st.revision = revision
	}
	return st
}
