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
	return fmt.Errorf("the kubeconfig's user %s lacks rights; a role must allow to:\n  %s", s.client.User(), strings.Join(slices.Compact(lines), "\n  "))
}

// rightsFor is what deploying the objects takes. What is only good to have, as logs and
// events, is not among it.
func (s *session) rightsFor(objects []object.Object) []kube.Right {
	var rights []kube.Right
	add := func(group, resource, namespace string, verbs ...string) {
		for _, verb := range verbs {
			if r := (kube.Right{Verb: verb, Group: group, Resource: resource, Namespace: namespace}); !slices.Contains(rights, r) {
				rights = append(rights, r)
			}
		}
	}
	add("", "secrets", s.Namespace, "get", "list", "create", "patch", "delete")
	add("coordination.k8s.io", "leases", s.Namespace, "get", "create", "update", "delete")
	for _, o := range objects {
		r, ok := s.client.Resource(o.Type())
		if !ok {
			continue // a finding of its own
		}
		namespace := ""
		if r.Namespaced {
			namespace = o.Namespace()
			if namespace == "" {
				namespace = s.Namespace
			}
		}
		add(o.Group(), r.Name, namespace, "get", "create", "patch")
		// What holds data, and the namespace, are deleted only if the account may.
		if o.Kind() != "Namespace" && !release.HoldsData(o) {
			add(o.Group(), r.Name, namespace, "delete")
		}
		if o.IsWorkload() {
			add(o.Group(), r.Name, namespace, "list")
			add("", "pods", namespace, "list")
		}
		switch o.Kind() {
		case "Deployment":
			add("apps", "replicasets", namespace, "list")
		case "StatefulSet":
			add("", "pods", namespace, "delete")
		}
	}
	return rights
}
