package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
)

// namespaceRights are needed to make the namespace.
var namespaceRights = []kube.Right{{Verb: "create", Resource: "namespaces"}, {Verb: "patch", Resource: "namespaces"}}

// demand asks for all rights at once, as kubectl auth can-i does for one, and lists what
// is missing.
func (s *session) demand(ctx context.Context, rights []kube.Right) error {
	missing, err := s.client.Missing(ctx, rights)
	if err != nil || len(missing) == 0 {
		return err
	}
	lines := make([]string, len(missing))
	for i, r := range missing {
		lines[i] = r.String()
	}
	slices.Sort(lines)
	return fmt.Errorf("the kubeconfig's user %s lacks rights; a role must allow to:\n  %s\ndagger call rights prints such a role",
		s.client.User(), strings.Join(slices.Compact(lines), "\n  "))
}

// rightList collects rights, each once.
type rightList []kube.Right

func (l *rightList) add(group, resource, namespace string, verbs ...string) {
	resource, sub, _ := strings.Cut(resource, "/")
	for _, verb := range verbs {
		r := kube.Right{Verb: verb, Group: group, Resource: resource, Subresource: sub, Namespace: namespace}
		if !slices.Contains(*l, r) {
			*l = append(*l, r)
		}
	}
}

// rightsFor is what deploying the objects takes. What is only good to have, as logs and
// events, is not among it.
func (s *session) rightsFor(objects []object.Object) []kube.Right {
	var rights rightList
	rights.add("", "secrets", s.store.Place(), "get", "list", "create", "patch", "delete")
	rights.add("coordination.k8s.io", "leases", s.store.Place(), "get", "create", "update", "delete")
	for _, o := range objects {
		resource, namespace, known := s.resourceOf(o)
		if !known {
			continue // a finding of its own
		}
		rights.add(o.Group(), resource, namespace, "get", "create", "patch")
		// What holds data, and the namespace, are deleted only if the account may.
		if o.Kind() != "Namespace" && !release.HoldsData(o) {
			rights.add(o.Group(), resource, namespace, "delete")
		}
		if o.IsWorkload() {
			rights.add(o.Group(), resource, namespace, "list")
			rights.add("", "pods", namespace, "list")
		}
		switch o.Kind() {
		case "Deployment":
			rights.add("apps", "replicasets", namespace, "list")
		case "StatefulSet":
			rights.add("", "pods", namespace, "delete")
		}
	}
	return rights
}

// resourceOf is how a role names an object's kind, and the namespace that it is in, "" for
// the whole cluster.
func (s *session) resourceOf(o object.Object) (resource, namespace string, known bool) {
	r, known := s.client.Resource(o.Type())
	if known && r.Namespaced {
		if namespace = o.Namespace(); namespace == "" {
			namespace = s.Namespace
		}
	}
	return r.Name, namespace, known
}

// helpfulRights are those that deploy does without: questions are not asked then, and
// causes not shown.
func (s *session) helpfulRights(objects []object.Object) []kube.Right {
	var rights rightList
	for _, o := range objects {
		resource, namespace, known := s.resourceOf(o)
		if !known || !o.IsWorkload() {
			continue
		}
		rights.add(o.Group(), resource, namespace, "watch")
		rights.add("", "pods", namespace, "get", "watch")
		rights.add("", "pods/log", namespace, "get")
		rights.add("", "pods/portforward", namespace, "create")
		rights.add("", "pods/proxy", namespace, "get")
		rights.add("", "events", namespace, "list", "watch")
		rights.add("networking.k8s.io", "networkpolicies", namespace, "list")
		if o.Kind() == "Deployment" {
			rights.add("apps", "replicasets", namespace, "watch")
		}
	}
	for _, o := range objects {
		if _, namespace, known := s.resourceOf(o); known && o.Kind() == "Service" && o.Group() == "" {
			rights.add("discovery.k8s.io", "endpointslices", namespace, "list")
		}
	}
	return rights
}
