package main

import "context"

// Show the release that serves: image, pods, endpoints, how to reach it.
//
//	dagger call --kubeconfig file:$HOME/.kube/config status
//
// +cache="never"
func (s *Slipway) Status(ctx context.Context) (string, error) {
	return s.rollout(ctx, "status", request{})
}

// List the releases that were deployed, the last ten.
//
//	dagger call --kubeconfig file:$HOME/.kube/config history
//
// +cache="never"
func (s *Slipway) History(ctx context.Context) (string, error) {
	return s.rollout(ctx, "history", request{})
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
	// How long to wait: for the pods, and before that for another deploy to end.
	//
	// +default="5m"
	timeout string,
	// Take over fields that others set, and objects that others made.
	//
	// +optional
	forceConflicts bool,
) (string, error) {
	limit, err := seconds(timeout)
	if err != nil {
		return "", err
	}
	return s.rollout(ctx, "rollback", request{To: to, Timeout: limit, ForceConflicts: forceConflicts})
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
