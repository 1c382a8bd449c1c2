package main

import (
	"context"
	"errors"

	"github.com/vektah/gqlparser/v2/gqlerror"
	"golang.org/x/sync/errgroup"
)

// Deploy the manifests to a cluster, and see to it that the release serves.
//
// Checks manifests, rights and namespace before anything is touched, shows the
// difference, applies server-side, waits for the pods, and asks the service the
// questions of smoke.yaml. If any of this fails it says why, puts everything back
// as it was, and ends with an error.
//
// With --verify-key, the first thing it does is ask the registry who signed the image, also
// for a dry run, and nothing else happens unless it was that key: docs/supply-chain.md.
//
// What an earlier deploy made and this one no longer has is removed, and nothing
// else. Order and guarantees: docs/deploy.md.
//
//	dagger call --repository ghcr.io/acme/hello --kubeconfig file:$HOME/.kube/config deploy
//
// +cache="never"
func (s *Slipway) Deploy(ctx context.Context, args struct {
	// By digest, as publish returns it. Default: the source, published or carried in.
	//
	// +optional
	Image string
	// Commit that the image must be built from, as a full hash: git rev-parse HEAD.
	//
	// +optional
	VerifyRevision string
	// How long to wait for the pods, and before that for another deploy.
	//
	// +default="5m"
	Timeout string
	// Take over what others set or made.
	//
	// +optional
	ForceConflicts bool
	// Checks of the manifests to let pass, by the names in the refusal.
	//
	// +optional
	Allow []string
	// Also delete claims, volumes and definitions that leave the release.
	//
	// +optional
	DeleteData bool
	// Of pods and events on failure: none, short (10 lines, 5 events), full (200, 50).
	//
	// +default="short"
	Evidence string
	// Stop after the checks and the difference.
	//
	// +optional
	DryRun bool
}) (string, error) {
	limit, err := seconds(args.Timeout)
	if err != nil {
		return "", err
	}
	if err := s.needsCluster(); err != nil {
		return "", err
	}
	image, done, err := s.toDeploy(ctx, args.Image, args.VerifyRevision, args.DryRun, func() (string, error) {
		return s.published(ctx, args.Allow, limit)
	})
	if err != nil {
		return "", err
	}
	req, err := s.bundle(ctx, image)
	if err != nil {
		return "", err
	}
	req.Verified = done
	if args.Image == "" { // It is this source's, wherever the nodes have it from.
		st, err := s.stamp(ctx)
		if err != nil {
			return "", err
		}
		req.Revision, req.Version = st.revision, st.tag()
	}
	req.Timeout, req.ForceConflicts, req.DryRun = limit, args.ForceConflicts, args.DryRun
	req.Allow, req.DeleteData, req.Evidence = args.Allow, args.DeleteData, args.Evidence
	out, err := s.rollout(ctx, "deploy", req)
	if err != nil && args.Image == "" && s.Repository == "" && !args.DryRun {
		err = s.leaveRegistry(ctx, req, err)
	}
	return out, err
}

// Show what deploy would change in the cluster, and change nothing.
//
// Exit status, like that of kubectl diff: 0 if nothing would change, 1 if
// something would, 2 or above if that cannot be told. As with deploy, what keeps
// data stays when it leaves the release. As Markdown it is the text of a comment, for
// which a difference is no failure.
//
//	dagger call --kubeconfig file:$HOME/.kube/config diff --image ghcr.io/acme/hello@sha256:…
//	dagger call --kubeconfig file:$HOME/.kube/config diff --format markdown | gh pr comment --body-file -
//
// +cache="never"
func (s *Slipway) Diff(
	ctx context.Context,
	// Image by digest, as publish returns it. Default: what publish would make of the source.
	//
	// +optional
	image string,
	// Checks of the manifests to allow, by the name in the refusal. Comma-separated.
	//
	// +optional
	allow []string,
	// text, or markdown for a comment on a pull request.
	//
	// +default="text"
	format string,
) (string, error) {
	out, err := s.diff(ctx, image, allow, format)
	switch {
	case err == nil:
		return out, nil
	case errors.Is(err, errDifferent):
		return "", exitStatus(1, err)
	default:
		return "", exitStatus(2, err)
	}
}

func (s *Slipway) diff(ctx context.Context, image string, allow []string, format string) (string, error) {
	if err := oneOf(format, "text", "markdown"); err != nil {
		return "", err
	}
	if err := s.needsCluster(); err != nil {
		return "", err
	}
	if image == "" {
		var err error
		if image, err = s.built(ctx); err != nil {
			return "", err
		}
	}
	req, err := s.bundle(ctx, image)
	if err != nil {
		return "", err
	}
	req.Allow, req.Format = allow, format
	return s.rollout(ctx, "diff", req)
}

// exitStatus makes err end the dagger command with a status of its own.
func exitStatus(status int, err error) error {
	return &gqlerror.Error{Message: err.Error(), Extensions: map[string]any{
		"_type": "EXEC_ERROR", "cmd": []string{}, "exitCode": status, "stdout": "", "stderr": "",
	}}
}

// unbuilt stands for the digest of an image that is still to be built.
const unbuilt = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

// published is the source's image. What a deploy can be refused for without it, manifests and rights in
// the cluster, is looked at while it is built, and nothing is pushed before.
func (s *Slipway) published(ctx context.Context, allow []string, limit int) (string, error) {
	if s.Repository == "" {
		return s.withoutRepository(ctx, allow, limit)
	}
	repo, err := s.destination(ctx)
	if err != nil {
		return "", err
	}
	what, err := s.toRender(repo + "@" + unbuilt)
	if err != nil {
		return "", err
	}
	index, stop := s.building(ctx)
	defer stop()
	if _, err := s.rollout(ctx, "check", request{Manifests: what, Image: repo + "@" + unbuilt, Allow: allow}); err != nil {
		return "", err
	}
	return s.publish(ctx, nil, false, index)
}

// built is the address that publish would return. Nothing is pushed.
func (s *Slipway) built(ctx context.Context) (string, error) {
	repo, err := s.destination(ctx)
	if err != nil {
		return "", err
	}
	_, digest, err := s.index(ctx)
	return repo + "@" + digest.String(), err
}

// destination is the repository that an image is taken to be in when none is given.
func (s *Slipway) destination(ctx context.Context) (string, error) {
	if s.Repository == "" {
		found, err := s.findRegistry(ctx, request{DryRun: true})
		return found.repository, err
	}
	repo, err := s.repository()
	return repo.Name(), err
}

// bundle is the request that describes what is to be deployed.
func (s *Slipway) bundle(ctx context.Context, image string) (request, error) {
	what, err := s.toRender(image)
	if err != nil {
		return request{}, err
	}
	var questions string
	var port int
	var st stamp
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() (err error) { _, questions, err = s.smokeYAML(ctx); return err })
	work.Go(func() (err error) { port, err = s.port(ctx); return err })
	work.Go(func() error { st = s.described(ctx, image); return nil })
	if err := work.Wait(); err != nil {
		return request{}, err
	}
	return request{
		Manifests: what, Image: image, Revision: st.revision, Version: st.tag(),
		Port: port, Smoke: questions,
	}, nil
}
