package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Show the release that serves: image, pods, endpoints, how to reach it.
//
//	dagger call --kubeconfig file:$HOME/.kube/config status
//	dagger call --kubeconfig file:$HOME/.kube/config status --format json | jq -r .image
//
// +cache="never"
func (s *Slipway) Status(
	ctx context.Context,
	// text, or json for scripts.
	//
	// +default="text"
	format string,
) (string, error) {
	if err := oneOf(format, "text", "json"); err != nil {
		return "", err
	}
	return s.rollout(ctx, "status", request{Format: format})
}

// List the releases that were deployed, the last ten.
//
//	dagger call --kubeconfig file:$HOME/.kube/config history
//
// +cache="never"
func (s *Slipway) History(
	ctx context.Context,
	// text, or json for scripts.
	//
	// +default="text"
	format string,
) (string, error) {
	if err := oneOf(format, "text", "json"); err != nil {
		return "", err
	}
	return s.rollout(ctx, "history", request{Format: format})
}

// Print the last log lines of the release's pods.
//
// All containers are read, init containers and sidecars too.
//
//	dagger call --kubeconfig file:$HOME/.kube/config logs --tail 100
//
// +cache="never"
func (s *Slipway) Logs(
	ctx context.Context,
	// Lines of each container.
	//
	// +default=20
	tail int,
) (string, error) {
	return s.rollout(ctx, "logs", request{Tail: tail})
}

// Go back to an earlier release.
//
// Applies the manifests and the image of that release, then waits and asks as
// deploy does. If any of this fails, it puts everything back as it was, removes
// only what it created itself, and ends with an error. What keeps data stays.
// Without --record-key, roles and what is outside the namespace stay as they are,
// and are named: the record may be somebody else's. With --verify-key, the image that the
// record names is verified first, as deploy does.
//
//	dagger call --kubeconfig file:$HOME/.kube/config rollback --to 3
//
// +cache="never"
func (s *Slipway) Rollback(
	ctx context.Context,
	// Number of the release, as history lists it. Default: the last one that
	// served and differs from the present one.
	//
	// +optional
	to int,
	// Commit that its image must be built from, as a full hash.
	//
	// +optional
	verifyRevision string,
	// How long to wait: for the pods, and before that for another deploy to end.
	//
	// +default="5m"
	timeout string,
	// Take over fields that others set, and objects that others made.
	//
	// +optional
	forceConflicts bool,
	// Checks of the manifests to allow, by the name in the refusal. Comma-separated.
	//
	// +optional
	allow []string,
	// How much of what pods and events say is shown when it fails: none, short (10 lines of each
	// container, 5 events) or full (200 and 50).
	//
	// +default="short"
	evidence string,
	// Stop after the checks and the difference.
	//
	// +optional
	dryRun bool,
) (string, error) {
	limit, err := seconds(timeout)
	if err != nil {
		return "", err
	}
	target, done, err := s.verifiedWay(ctx, to, verifyRevision)
	if err != nil {
		return "", err
	}
	return s.rollout(ctx, "rollback", request{
		To: target.Number, Image: target.Image, Verified: done, Timeout: limit, ForceConflicts: forceConflicts, Allow: allow, Evidence: evidence, DryRun: dryRun,
	})
}

// Print the roles that an account needs to deploy these manifests.
//
// A Role for each namespace, and a ClusterRole where something is outside of them: all
// that deploy, rollback, status and destroy take, and no more. The kubeconfig's account
// must be able to see what kinds the cluster has.
//
//	dagger call --kubeconfig file:$HOME/.kube/config rights | kubectl apply -f -
//
// +cache="never"
func (s *Slipway) Rights(ctx context.Context) (string, error) {
	if err := s.needsCluster(); err != nil {
		return "", err
	}
	release, err := s.releaseName(ctx)
	if err != nil {
		return "", err
	}
	// No right depends on where the image is.
	req, err := s.bundle(ctx, release+"@"+unbuilt)
	if err != nil {
		return "", err
	}
	return s.rollout(ctx, "rights", req)
}

// Delete the release from the cluster: what deploys of it made, and nothing else.
//
// What keeps data stays and is named, unless --delete-data is given. The namespace
// goes too if deploy made it and nothing is left in it. Without the release's name
// as confirmation it lists what it would delete, and fails.
//
//	dagger call --kubeconfig file:$HOME/.kube/config destroy --confirm hello
//
// +cache="never"
func (s *Slipway) Destroy(
	ctx context.Context,
	// Name of the release, to confirm.
	//
	// +optional
	confirm string,
	// How long to wait: for the pods, and before that for another deploy to end.
	//
	// +default="5m"
	timeout string,
	// Also delete what keeps data when it leaves the release: claims, volumes, definitions.
	//
	// +optional
	deleteData bool,
) (string, error) {
	limit, err := seconds(timeout)
	if err != nil {
		return "", err
	}
	return s.rollout(ctx, "destroy", request{Confirm: confirm, Timeout: limit, DeleteData: deleteData})
}

// oneOf refuses a format that a function does not have.
func oneOf(format string, known ...string) error {
	if !slices.Contains(known, format) {
		return fmt.Errorf("--format %q is not known: give %s", format, strings.Join(known, " or "))
	}
	return nil
}
