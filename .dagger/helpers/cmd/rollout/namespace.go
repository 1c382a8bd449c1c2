package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"time"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
)

// namespaceState is what the release's namespace is to it.
type namespaceState int

const (
	namespaceForeign namespaceState = iota // it was there before the release, or the account may not see it
	namespaceAbsent
	namespaceOwn // the release made it
)

func (s *session) namespaceObject() object.Object {
	return object.Object{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": s.Namespace}}
}

// lookAtNamespace refuses a namespace that is on its way out.
func (s *session) lookAtNamespace(ctx context.Context) (namespaceState, error) {
	live, err := s.client.Read(ctx, s.namespaceObject())
	switch {
	case kube.IsReason(err, "Forbidden"):
		return namespaceForeign, nil // An account that may not get namespaces was given one to use.
	case err != nil:
		return namespaceForeign, fmt.Errorf("read namespace %s: %w", s.Namespace, err)
	case live == nil:
		return namespaceAbsent, nil
	case live.Text("status", "phase") == "Terminating":
		return namespaceForeign, fmt.Errorf(
			"namespace %s is being deleted: wait until it is gone (kubectl wait --for=delete namespace/%[1]s), or choose another with --namespace", s.Namespace)
	case release.Owns(s.owner, live):
		return namespaceOwn, nil
	}
	return namespaceForeign, nil
}

// makeNamespace makes the namespace, as the manifests describe it if they do.
func (s *session) makeNamespace(ctx context.Context, objects []object.Object) error {
	ns := s.namespaceObject()
	ns.Set(s.owner, "metadata", "annotations", release.Key)
	for _, o := range objects {
		if o.ID() == ns.ID() {
			ns = o
		}
	}
	if _, err := s.client.Apply(ctx, ns, kube.ApplyOptions{}); err != nil {
		return fmt.Errorf("create namespace %s: %w", s.Namespace, err)
	}
	// Kubernetes makes this account a moment later, and admits no pod before.
	account := object.Object{
		"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{"name": "default", "namespace": s.Namespace},
	}
	for start := time.Now(); time.Since(start) < 5*time.Second; kube.Pause(ctx, 50*time.Millisecond) {
		if live, err := s.client.Read(ctx, account); err != nil || live != nil {
			return err
		}
	}
	return nil
}

// removeNamespace deletes the namespace if the release made it and nothing at all is left
// in it. It returns why it stays, "" if it goes or never was the release's.
func (s *session) removeNamespace(ctx context.Context) (stays string, err error) {
	state, err := s.lookAtNamespace(ctx)
	if err != nil || state != namespaceOwn {
		return "", nil // It is somebody else's, or on its way out.
	}
	live, err := s.client.Read(ctx, s.namespaceObject())
	if err != nil {
		return "", err
	}
	if why := release.Keep(s.namespaceObject(), live, s.DeleteData); why != "" {
		return fmt.Sprintf("namespace %s stays: %s", s.Namespace, why), nil
	}
	left := ""
	for start := time.Now(); time.Since(start) < 10*time.Second; kube.Pause(ctx, 300*time.Millisecond) {
		// What Kubernetes derives from objects goes a moment after them.
		if left, err = s.leftIn(ctx); err != nil || left == "" {
			break
		}
	}
	switch {
	case err != nil:
		return fmt.Sprintf("namespace %s stays: nobody can tell whether it is empty: %v", s.Namespace, err), nil
	case left != "":
		return fmt.Sprintf("namespace %s stays: it still holds %s", s.Namespace, left), nil
	}
	err = s.client.Delete(ctx, live, kube.DeleteOptions{UID: live.UID()})
	if kube.IsReason(err, "Forbidden") {
		return fmt.Sprintf("namespace %s stays: the kubeconfig's user may not delete it", s.Namespace), nil
	}
	if err != nil {
		return "", fmt.Errorf("delete namespace %s: %w", s.Namespace, err)
	}
	names, err := s.gone(ctx, []object.Object{s.namespaceObject()}, max(s.limit, removeLimit))
	if err == nil && len(names) > 0 {
		return names[0], nil
	}
	return "", err
}

// derived are kinds that Kubernetes makes from others, with which they go.
var derived = []string{"Event", "PodMetrics", "Endpoints", "EndpointSlice"}

// leftIn is one thing in the namespace that is neither a record or the lease of this
// release nor in every namespace, "" if there is none.
func (s *session) leftIn(ctx context.Context) (string, error) {
	if stale := s.client.Stale(); len(stale) > 0 {
		return "", fmt.Errorf("the server of %s is down", stale[0])
	}
	kinds := distinctKinds(s.client.Kinds(), func(r kube.Resource) bool { return r.Namespaced && slices.Contains(r.Verbs, "list") })
	kinds = slices.DeleteFunc(kinds, func(t object.Type) bool { return slices.Contains(derived, t.Kind) })
	found := make([]string, len(kinds))
	errs := kube.Each(kinds, parallel, func(i int, t object.Type) error {
		items, err := s.client.List(ctx, t, s.Namespace, url.Values{})
		if hasVanished(err) {
			return nil
		}
		for _, item := range items {
			name := item.String()
			everywhere := name == "ConfigMap/kube-root-ca.crt" || name == "ServiceAccount/default"
			// What a finalizer holds would hold the namespace too, for ever.
			goes := item.Text("metadata", "deletionTimestamp") != "" && item.At("metadata", "finalizers") == nil
			if !s.store.Holds(item) && !everywhere && !goes {
				found[i] = path.Join(item.Kind(), item.Name())
			}
		}
		return err
	})
	slices.Sort(found)
	if i := slices.IndexFunc(found, func(name string) bool { return name != "" }); i >= 0 {
		return found[i], nil
	}
	return "", errors.Join(errs...)
}
