package main

import (
	"context"

	"dagger/slipway/internal/dagger"
)

// Show the release that serves: image, pods, endpoints, how to reach it.
//
//	dagger call status --kubeconfig file:$HOME/.kube/config
//
// +cache="never"
func (s *Slipway) Status(ctx context.Context, args struct {
	// Kubeconfig, for example file:$HOME/.kube/config or env:KUBECONFIG_CONTENT.
	// Certificates and token must stand in it: kubectl config view --raw --flatten.
	Kubeconfig *dagger.Secret
	// Context of the kubeconfig. Needed where it has several.
	//
	// +optional
	Context string
	// Namespace. Default: the one that base sets, else the context's.
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
}) (string, error) {
	return s.rollout(ctx, "status", target{args.Kubeconfig, nil, args.Context, args.Namespace, args.Release, args.ApiServer}, request{})
}

// List the releases that were deployed, the last ten.
//
//	dagger call history --kubeconfig file:$HOME/.kube/config
//
// +cache="never"
func (s *Slipway) History(ctx context.Context, args struct {
	// Kubeconfig, for example file:$HOME/.kube/config or env:KUBECONFIG_CONTENT.
	// Certificates and token must stand in it: kubectl config view --raw --flatten.
	Kubeconfig *dagger.Secret
	// Context of the kubeconfig. Needed where it has several.
	//
	// +optional
	Context string
	// Namespace. Default: the one that base sets, else the context's.
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
}) (string, error) {
	return s.rollout(ctx, "history", target{args.Kubeconfig, nil, args.Context, args.Namespace, args.Release, args.ApiServer}, request{})
}

// Print the last log lines of the release's pods.
//
// All containers are read, init containers and sidecars too.
//
//	dagger call logs --kubeconfig file:$HOME/.kube/config --tail 100
//
// +cache="never"
func (s *Slipway) Logs(ctx context.Context, args struct {
	// Kubeconfig, for example file:$HOME/.kube/config or env:KUBECONFIG_CONTENT.
	// Certificates and token must stand in it: kubectl config view --raw --flatten.
	Kubeconfig *dagger.Secret
	// Context of the kubeconfig. Needed where it has several.
	//
	// +optional
	Context string
	// Namespace. Default: the one that base sets, else the context's.
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
	// Lines of each container.
	//
	// +default=20
	Tail int
}) (string, error) {
	to := target{args.Kubeconfig, nil, args.Context, args.Namespace, args.Release, args.ApiServer}
	return s.rollout(ctx, "logs", to, request{Tail: args.Tail})
}

// Go back to an earlier release.
//
// Applies the manifests and the image of that release, then waits and asks as
// deploy does. If any of this fails, it puts everything back as it was, removes
// only what it created itself, and ends with an error. What keeps data stays.
//
//	dagger call rollback --kubeconfig file:$HOME/.kube/config --to 3
//
// +cache="never"
func (s *Slipway) Rollback(ctx context.Context, args struct {
	// Kubeconfig, for example file:$HOME/.kube/config or env:KUBECONFIG_CONTENT.
	// Certificates and token must stand in it: kubectl config view --raw --flatten.
	Kubeconfig *dagger.Secret
	// Context of the kubeconfig. Needed where it has several.
	//
	// +optional
	Context string
	// Namespace. Default: the one that base sets, else the context's.
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
	// Number of the release, as history lists it. Default: the last one that
	// served and differs from the present one.
	//
	// +optional
	To int
	// How long to wait: for the pods, and before that for another deploy to end.
	//
	// +default="5m"
	Timeout string
	// Take over fields that others set, and objects that others made.
	//
	// +optional
	ForceConflicts bool
}) (string, error) {
	limit, err := seconds(args.Timeout)
	if err != nil {
		return "", err
	}
	to := target{args.Kubeconfig, nil, args.Context, args.Namespace, args.Release, args.ApiServer}
	return s.rollout(ctx, "rollback", to, request{To: args.To, Timeout: limit, ForceConflicts: args.ForceConflicts})
}

// Delete the release from the cluster: what deploys of it made, and nothing else.
//
// What keeps data stays and is named, unless --delete-data is given. The namespace
// goes too if deploy made it and nothing is left in it. Without the release's name
// as confirmation it lists what it would delete, and fails.
//
//	dagger call destroy --kubeconfig file:$HOME/.kube/config --confirm hello
//
// +cache="never"
func (s *Slipway) Destroy(ctx context.Context, args struct {
	// Kubeconfig, for example file:$HOME/.kube/config or env:KUBECONFIG_CONTENT.
	// Certificates and token must stand in it: kubectl config view --raw --flatten.
	Kubeconfig *dagger.Secret
	// Context of the kubeconfig. Needed where it has several.
	//
	// +optional
	Context string
	// Namespace. Default: the one that base sets, else the context's.
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
	// Name of the release, to confirm.
	//
	// +optional
	Confirm string
	// How long to wait: for the pods, and before that for another deploy to end.
	//
	// +default="5m"
	Timeout string
	// Also delete what keeps data when it leaves the release: PersistentVolumeClaims,
	// PersistentVolumes, CustomResourceDefinitions, StorageClasses. Default: they stay,
	// and are named.
	//
	// +optional
	DeleteData bool
}) (string, error) {
	limit, err := seconds(args.Timeout)
	if err != nil {
		return "", err
	}
	to := target{args.Kubeconfig, nil, args.Context, args.Namespace, args.Release, args.ApiServer}
	return s.rollout(ctx, "destroy", to, request{Confirm: args.Confirm, Timeout: limit, DeleteData: args.DeleteData})
}
