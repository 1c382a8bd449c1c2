package main

import (
	"context"
	"errors"

	"github.com/vektah/gqlparser/v2/gqlerror"
	"golang.org/x/sync/errgroup"

	"dagger/slipway/internal/dagger"
)

// Deploy the manifests to a cluster, and see to it that the release serves.
//
// Checks the manifests, rights and namespace before anything is touched, shows
// the difference, applies server-side, waits for the pods, and asks the service
// the questions of smoke.yaml. If any of this fails it says why, with events and
// log lines of all containers, init containers too. Then it puts everything back
// as it was, removes only what it created itself, and ends with an error.
//
// What an earlier deploy of the release made and this one no longer has is
// removed, and nothing else. What keeps data stays, unless --delete-data is given.
// docs/deploy.md has the order and the guarantees.
//
//	dagger call deploy --kubeconfig file:$HOME/.kube/config --image ghcr.io/acme/hello@sha256:…
//
// +cache="never"
func (s *Slipway) Deploy(ctx context.Context, args struct {
	// Kubeconfig, for example file:$HOME/.kube/config or env:KUBECONFIG_CONTENT.
	// Certificates and token must stand in it: kubectl config view --raw --flatten.
	Kubeconfig *dagger.Secret
	// Context of the kubeconfig. Needed where it has several.
	//
	// +optional
	Context string
	// Namespace. Default: the one the manifests set, else the context's.
	//
	// +optional
	Namespace string
	// Name of the release. Default: the last element of the Go module's path.
	//
	// +optional
	Release string
	// Way to an API server on this machine, as kind, k3d and minikube have it:
	// tcp://127.0.0.1:6443, with the port of the kubeconfig's server.
	//
	// +optional
	ApiServer *dagger.Service
	// Image by digest, as publish returns it: repository@sha256:….
	Image string
	// Which image name in the manifests to set. Needed only where they name several.
	//
	// +optional
	ImageName string
	// Manifests to deploy: base, or the name of one in overlays.
	//
	// +default="base"
	Overlay string
	// How long to wait: for the pods, and before that for another deploy to end.
	//
	// +default="5m"
	Timeout string
	// Take over fields that others set, and objects that others made.
	//
	// +optional
	ForceConflicts bool
	// Names of checks of the manifests to allow, as the refusal says: for example
	// service-selector. Repeat or separate with commas.
	//
	// +optional
	Allow []string
	// Also delete what keeps data when it leaves the release: PersistentVolumeClaims,
	// PersistentVolumes, CustomResourceDefinitions, StorageClasses. Default: they stay,
	// and are named.
	//
	// +optional
	DeleteData bool
	// Stop after the checks and the difference.
	//
	// +optional
	DryRun bool
}) (string, error) {
	limit, err := seconds(args.Timeout)
	if err != nil {
		return "", err
	}
	req, err := s.release(ctx, args.Image, args.ImageName, args.Overlay, args.Namespace)
	if err != nil {
		return "", err
	}
	req.Timeout, req.ForceConflicts, req.DryRun = limit, args.ForceConflicts, args.DryRun
	req.Allow, req.DeleteData = args.Allow, args.DeleteData
	return s.rollout(ctx, "deploy", target{args.Kubeconfig, nil, args.Context, args.Namespace, args.Release, args.ApiServer}, req)
}

// Show what deploy would change in the cluster, and change nothing.
//
// Exit status, like that of kubectl diff: 0 if nothing would change, 1 if
// something would, 2 or above if that cannot be told. As with deploy, what keeps
// data stays when it leaves the release.
//
//	dagger call diff --kubeconfig file:$HOME/.kube/config --image ghcr.io/acme/hello@sha256:…
//
// +cache="never"
func (s *Slipway) Diff(ctx context.Context, args struct {
	// Kubeconfig, for example file:$HOME/.kube/config or env:KUBECONFIG_CONTENT.
	// Certificates and token must stand in it: kubectl config view --raw --flatten.
	Kubeconfig *dagger.Secret
	// Context of the kubeconfig. Needed where it has several.
	//
	// +optional
	Context string
	// Namespace. Default: the one the manifests set, else the context's.
	//
	// +optional
	Namespace string
	// Name of the release. Default: the last element of the Go module's path.
	//
	// +optional
	Release string
	// Way to an API server on this machine, as kind, k3d and minikube have it:
	// tcp://127.0.0.1:6443, with the port of the kubeconfig's server.
	//
	// +optional
	ApiServer *dagger.Service
	// Image by digest, as publish returns it: repository@sha256:….
	Image string
	// Which image name in the manifests to set. Needed only where they name several.
	//
	// +optional
	ImageName string
	// Manifests to deploy: base, or the name of one in overlays.
	//
	// +default="base"
	Overlay string
	// Names of checks of the manifests to allow, as the refusal says: for example
	// service-selector. Repeat or separate with commas.
	//
	// +optional
	Allow []string
}) (string, error) {
	req, err := s.release(ctx, args.Image, args.ImageName, args.Overlay, args.Namespace)
	if err != nil {
		return "", exitStatus(2, err)
	}
	req.Allow = args.Allow
	out, err := s.rollout(ctx, "diff", target{args.Kubeconfig, nil, args.Context, args.Namespace, args.Release, args.ApiServer}, req)
	switch {
	case err == nil:
		return out, nil
	case errors.Is(err, errDifferent):
		return "", exitStatus(1, err)
	default:
		return "", exitStatus(2, err)
	}
}

// exitStatus makes err end the dagger command with a status of its own.
func exitStatus(status int, err error) error {
	return &gqlerror.Error{Message: err.Error(), Extensions: map[string]any{
		"_type": "EXEC_ERROR", "cmd": []string{}, "exitCode": status, "stdout": "", "stderr": "",
	}}
}

// release is the request that describes what is to be deployed.
func (s *Slipway) release(ctx context.Context, image, imageName, overlay, namespace string) (request, error) {
	what, err := s.toRender(image, imageName, overlay, namespace)
	if err != nil {
		return request{}, err
	}
	var questions string
	var st stamp
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() (err error) { questions, err = s.questions(ctx); return err })
	work.Go(func() (err error) { st, err = s.stamp(ctx); return err })
	if err := work.Wait(); err != nil {
		return request{}, err
	}
	return request{
		Manifests: what, Image: image, Revision: st.revision, Version: notInTag.ReplaceAllString(st.version, "-"),
		Port: s.Port, Smoke: questions,
	}, nil
}
