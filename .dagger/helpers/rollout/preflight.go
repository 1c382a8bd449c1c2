package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"slipway/helpers/questions"
)

// each calls do for all items, a few at a time, and joins what is wrong.
func each[T any](items []T, do func(int, T) error) error {
	var mu sync.Mutex
	var wrong findings
	var broken error
	slots := make(chan struct{}, 8)
	var wg sync.WaitGroup
	for i, item := range items {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			err := do(i, item)
			mu.Lock()
			defer mu.Unlock()
			var f findings
			switch {
			case errors.As(err, &f):
				wrong = append(wrong, f...)
			case err != nil:
				broken = err
			}
		})
	}
	wg.Wait()
	if broken != nil {
		return broken
	}
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}

// right is one thing the kubeconfig's user must be allowed to do.
type right struct{ verb, group, resource, subresource, namespace string }

func (r right) String() string {
	name := r.resource
	if r.group != "" {
		name += "." + r.group
	}
	if r.subresource != "" {
		name += "/" + r.subresource
	}
	if r.namespace != "" {
		return fmt.Sprintf("%s %s in namespace %s", r.verb, name, r.namespace)
	}
	return fmt.Sprintf("%s %s", r.verb, name)
}

// may asks for all rights at once, as kubectl auth can-i does for one.
func (c *cluster) may(ctx context.Context, rights []right) error {
	err := each(rights, func(_ int, r right) error {
		review := map[string]any{
			"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
			"spec": map[string]any{"resourceAttributes": map[string]any{
				"verb": r.verb, "group": r.group, "resource": r.resource, "subresource": r.subresource, "namespace": r.namespace,
			}},
		}
		var answer struct{ Status struct{ Allowed bool } }
		if err := c.do(ctx, http.MethodPost, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", nil, review, &answer); err != nil {
			return err
		}
		if !answer.Status.Allowed {
			return findings{r.String()}
		}
		return nil
	})
	var missing findings
	if errors.As(err, &missing) {
		slices.Sort(missing)
		return fmt.Errorf("the kubeconfig's user %s lacks rights; a role must allow to:\n  %s", c.kubectl.user, strings.Join(slices.Compact(missing), "\n  "))
	}
	return err
}

// proxyVerbs are what the API server takes the method of a proxied request for.
var proxyVerbs = map[string]string{
	http.MethodGet: "get", http.MethodHead: "get", http.MethodPost: "create",
	http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete",
}

// rightsFor is what deploying the objects takes.
func (c *cluster) rightsFor(objects []object, smoke string) ([]right, error) {
	ns := c.namespace
	rights := []right{
		{"list", "", "pods", "", ns},
		{"get", "", "pods", "log", ns},
		{"list", "", "events", "", ns},
		{"list", "apps", "replicasets", "", ns},
	}
	q, err := questions.Parse(smoke)
	if err != nil {
		return nil, err
	}
	for _, request := range q.Requests {
		r := right{proxyVerbs[request.Method], "", "services", "proxy", ns}
		if r.verb != "" && !slices.Contains(rights, r) {
			rights = append(rights, r)
		}
	}
	add := func(group, resource, namespace string, verbs ...string) {
		for _, verb := range verbs {
			if r := (right{verb, group, resource, "", namespace}); !slices.Contains(rights, r) {
				rights = append(rights, r)
			}
		}
	}
	add("", "secrets", ns, "get", "list", "create", "patch", "delete")
	add("coordination.k8s.io", "leases", ns, "get", "create", "update", "delete")
	for _, o := range objects {
		if o.kind() == "StatefulSet" {
			add("", "pods", ns, "delete")
		}
		r, ok := c.resources[o.typeMeta()]
		if !ok {
			continue // a finding of its own
		}
		namespace := ""
		if r.namespaced {
			namespace = ns
		}
		if o.kind() == "Namespace" {
			add(o.group(), r.name, "", "get", "patch")
			continue
		}
		add(o.group(), r.name, namespace, "get", "create", "patch", "delete")
	}
	return rights, nil
}

// prepare completes the objects with what makes them the release's. A namespace
// that was there before belongs to somebody else, with all its labels.
func (c *cluster) prepare(req request) []object {
	var objects []object
	for _, o := range req.Objects {
		if o.id() == c.namespaceObject().id() && !c.ownNamespace {
			continue
		}
		o = o.clone()
		if c.resources[o.typeMeta()].namespaced && o.namespace() == "" {
			o.set(c.namespace, "metadata", "namespace")
		}
		o.set(c.owner(), "metadata", "annotations", releaseKey)
		o.set(req.Revision, "metadata", "annotations", "slipway/revision")
		o.set(c.release, "metadata", "labels", "app.kubernetes.io/instance")
		o.set(manager, "metadata", "labels", "app.kubernetes.io/managed-by")
		o.set(req.Version, "metadata", "labels", "app.kubernetes.io/version")
		objects = append(objects, o)
	}
	sortForApply(objects)
	return objects
}

// judge has the API server say what it would make of every object, without
// storing anything.
func (c *cluster) judge(ctx context.Context, req request, objects []object) ([]change, error) {
	changes := make([]change, len(objects))
	return changes, each(objects, func(i int, o object) error {
		at := req.origin(o)
		live, err := c.read(ctx, o)
		var refused *statusError
		switch {
		case errors.As(err, &refused):
			return findings{at + ": " + err.Error()}
		case err != nil && c.resources[o.typeMeta()] == (resource{}):
			return findings{at + ": " + err.Error()}
		case err != nil:
			return err
		}
		if live != nil && !c.owns(live) && !req.ForceConflicts {
			whose := "was not made by Slipway"
			if other := live.text("metadata", "annotations", releaseKey); other != "" {
				whose = "belongs to release " + other
			}
			return findings{fmt.Sprintf("%s: is in the cluster already and %s: another --namespace or --release leaves it alone, --force-conflicts takes it over", at, whose)}
		}
		merged, err := c.dryRun(ctx, o, req.ForceConflicts)
		if isImmutable(err) && o.kind() == "Job" && c.owns(live) {
			merged, err = o, nil // It is deleted and made anew.
		}
		changes[i] = change{o, live, merged}
		if !errors.As(err, &refused) {
			return err
		}
		return findings(explain(at, refused))
	})
}

// explain makes a line of each thing that the API server has against an object.
func explain(at string, refused *statusError) []string {
	var lines []string
	for _, cause := range refused.Details.Causes {
		if cause.Reason == "FieldManagerConflict" {
			other := strings.TrimPrefix(cause.Message, "conflict with ")
			lines = append(lines, fmt.Sprintf("%s: %s: is set by %s: remove it from the manifest, or take it over with --force-conflicts", at, strings.TrimPrefix(cause.Field, "."), other))
		} else if cause.Field != "" {
			lines = append(lines, fmt.Sprintf("%s: %s: %s", at, cause.Field, cause.Message))
		}
	}
	if len(lines) == 0 {
		lines = []string{at + ": " + refused.Error()}
	}
	return lines
}

// enter says whether the release's namespace is there, and refuses one that is
// on its way out.
func (c *cluster) enter(ctx context.Context) (there bool, err error) {
	live, err := c.read(ctx, c.namespaceObject())
	if isReason(err, "Forbidden") {
		return true, nil // a user without the right to see namespaces has been given one
	}
	if err == nil && live.text("status", "phase") == "Terminating" {
		err = fmt.Errorf("namespace %s is being deleted: wait until it is gone (kubectl wait --for=delete namespace/%[1]s), or choose another with --namespace", c.namespace)
	}
	c.ownNamespace = live == nil || c.owns(live)
	return live != nil, err
}

func (c *cluster) namespaceObject() object {
	return object{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": c.namespace}}
}

// makeNamespace makes the namespace, as the manifests describe it if they do.
func (c *cluster) makeNamespace(ctx context.Context, objects []object) error {
	ns := c.namespaceObject()
	ns.set(c.owner(), "metadata", "annotations", releaseKey)
	for _, o := range objects {
		if o.id() == ns.id() {
			ns = o
		}
	}
	if err := c.apply(ctx, ns, false); err != nil {
		return fmt.Errorf("create namespace %s: %w", c.namespace, err)
	}
	// Kubernetes makes this account a moment later, and admits no pod before.
	account := object{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{"name": "default", "namespace": c.namespace}}
	for range 100 {
		if live, err := c.read(ctx, account); err != nil || live != nil {
			return err
		}
		pause(ctx, 50*time.Millisecond)
	}
	return nil
}

// abandon takes away the namespace that the release made, unless somebody has
// put something into it since.
func (c *cluster) abandon(ctx context.Context) error {
	if !c.ownNamespace {
		return nil
	}
	found, err := c.others(ctx)
	if isReason(err, "Forbidden") {
		say("namespace %s stays: the kubeconfig's user may not see whether it is empty", c.namespace)
		return nil
	}
	if err != nil {
		return err
	}
	if found != "" {
		say("namespace %s stays: it holds %s, which is not the release's", c.namespace, found)
		return nil
	}
	switch err := c.delete(ctx, c.namespaceObject()); {
	case isReason(err, "Forbidden"):
		say("namespace %s stays: the kubeconfig's user may not delete it", c.namespace)
		return nil
	case err != nil:
		return err
	}
	return c.gone(ctx, []object{c.namespaceObject()})
}

// others is one thing in the namespace that is neither the release's nor there in
// every namespace, "" if there is none.
func (c *cluster) others(ctx context.Context) (string, error) {
	derived := []string{"Event", "PodMetrics", "Endpoints"} // from other objects, with which they go
	var collections []string
	for t, r := range c.resources {
		if r.namespaced && r.listable && !slices.Contains(derived, t.kind) {
			collection, err := c.where(object{"apiVersion": t.version, "kind": t.kind})
			if err != nil {
				return "", err
			}
			collections = append(collections, collection)
		}
	}
	err := each(collections, func(_ int, collection string) error {
		var list struct{ Items []struct{ Metadata meta } }
		if err := c.get(ctx, collection, &list); err != nil {
			return err
		}
		for _, item := range list.Items {
			m, name := item.Metadata, path.Base(collection)+"/"+item.Metadata.Name
			ours := m.Labels[releaseKey] == c.release // a record, or the lease
			everywhere := name == "configmaps/kube-root-ca.crt" || name == "serviceaccounts/default"
			if !ours && !everywhere && len(m.OwnerReferences) == 0 && m.DeletionTimestamp == "" {
				return findings{name}
			}
		}
		return nil
	})
	var found findings
	if errors.As(err, &found) {
		return slices.Min(found), nil
	}
	return "", err
}
