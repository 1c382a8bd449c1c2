package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/registry"
	"slipway/helpers/internal/sanitize"
)

const adviseRepository = "give --repository, one that the nodes can pull from"

// destination is where an image gets without a repository: to the cluster's own registry, or
// into the one that is carried to each node.
type destination struct {
	Push string // registry to push to, "" where the image is carried in
	Pull string // registry as the nodes know it
	Here bool   // Push is a name of the user's machine
}

// findRegistry tells where an image can get without a repository, and refuses what is bound
// to fail: nothing has been pushed or changed yet.
func (s *session) findRegistry(ctx context.Context) error {
	hosting, err := s.hosting(ctx)
	if err != nil {
		return err
	}
	if hosting.Host != "" {
		s.say("the cluster has a registry of its own, %s", hosting.Host)
		if err := s.admitObjects(ctx); err != nil {
			return err
		}
		return s.tell(destination{hosting.Host, hosting.Pull(), kube.IsHere(registry.HostName(hosting.Host))})
	}
	if s.DryRun { // Nothing will be carried: only the image's name is wanted.
		return s.tell(destination{Pull: registry.Address})
	}
	if err := s.registryState(ctx); err != nil {
		return err
	}
	if err := s.admitObjects(ctx); err != nil {
		return err
	}
	return s.tell(destination{Pull: registry.Address})
}

// admitObjects admits a deploy, unless only the image's name is wanted.
func (s *session) admitObjects(ctx context.Context) error {
	if len(s.Objects) == 0 {
		return nil
	}
	return s.check(ctx)
}

func (s *session) tell(d destination) error { return json.NewEncoder(s.out).Encode(d) }

func (s *session) hosting(ctx context.Context) (registry.Hosting, error) {
	configMap, err := s.client.Read(ctx, registry.HostingObject())
	if kube.IsReason(err, "Forbidden") {
		return registry.Hosting{}, nil // Most who know of no registry may not look.
	}
	if err != nil {
		return registry.Hosting{}, fmt.Errorf("look for the cluster's registry: %w", err)
	}
	return registry.ParseHosting(configMap)
}

// registryState refuses what stands in the way of a registry on the nodes.
func (s *session) registryState(ctx context.Context) error {
	live, err := s.client.Read(ctx, registry.NamespaceObject())
	if err != nil && !kube.IsReason(err, "Forbidden") {
		return fmt.Errorf("read namespace %s: %w", registry.Namespace, err)
	}
	if live != nil {
		switch {
		case live.Text("status", "phase") == "Terminating":
			return fmt.Errorf("namespace %s, into which the image would be carried, is being deleted: "+
				"deploy again when it is gone (kubectl wait --for=delete namespace/%[1]s)", registry.Namespace)
		case !registry.IsOwn(live):
			return fmt.Errorf("namespace %s is in the cluster already and was not made by Slipway, so no image is carried into it: %s",
				registry.Namespace, adviseRepository)
		}
	}
	if err := s.demand(ctx, registryRights(live == nil)); err != nil {
		return fmt.Errorf("without a repository the image is carried in, by a registry that only the nodes reach, and %w\nor %s",
			err, adviseRepository)
	}
	if live != nil {
		daemonSet, err := s.client.Read(ctx, registry.DaemonSet(""))
		if err != nil {
			return err
		}
		if daemonSet != nil && !registry.IsOwn(daemonSet) {
			return fmt.Errorf("DaemonSet %s in namespace %s was not made by Slipway, so no image is carried in by it: %s",
				registry.Name, registry.Namespace, adviseRepository)
		}
	}
	return s.checkRuntimes(ctx)
}

// registryRights is what it takes to carry an image in.
func registryRights(makeNamespace bool) []kube.Right {
	rights := []kube.Right{{Verb: "list", Resource: "nodes"}}
	if makeNamespace {
		rights = append(rights, namespaceRights...)
	}
	for _, r := range []struct{ group, resource, subresource, verbs string }{
		{"apps", "daemonsets", "", "get create patch"},
		{"", "configmaps", "", "get create patch"},
		{"", "pods", "", "get list"},
		{"", "pods", "portforward", "create"},
	} {
		for verb := range strings.FieldsSeq(r.verbs) {
			rights = append(rights, kube.Right{
				Verb: verb, Group: r.group, Resource: r.resource, Subresource: r.subresource, Namespace: registry.Namespace,
			})
		}
	}
	return rights
}

// checkRuntimes refuses nodes that speak HTTPS alone to 127.0.0.1. containerd and Docker
// speak HTTP there, too.
func (s *session) checkRuntimes(ctx context.Context) error {
	nodes, err := s.client.List(ctx, registry.NodeType, "", url.Values{})
	if err != nil {
		return fmt.Errorf("list the nodes: %w", err)
	}
	linux := 0
	for _, n := range nodes {
		if n.Label("kubernetes.io/os") != "linux" {
			continue
		}
		linux++
		runtime := n.Text("status", "nodeInfo", "containerRuntimeVersion")
		if strings.HasPrefix(runtime, "cri-o:") {
			return fmt.Errorf("node %s runs %s, which pulls from no registry on 127.0.0.1 without TLS, so no image can be carried in: %s",
				n.Name(), sanitize.Line(runtime), adviseRepository)
		}
	}
	if linux == 0 {
		return errors.New("the cluster has no Linux node, so the image can be carried to none")
	}
	return nil
}

// userKey is the release in the list of those whose images were carried in. Neither a
// namespace nor a release's name has a dot.
func (s *session) userKey() string { return s.Namespace + "." + s.Release }

// joinUsers notes that the release uses the registry, so that it stays.
func (s *session) joinUsers(ctx context.Context) error {
	users := registry.Users()
	live, err := s.client.Read(ctx, users)
	if err == nil && live == nil {
		_, err = s.client.Create(ctx, users)
		if kube.IsReason(err, "AlreadyExists") {
			err = nil
		}
	}
	if err == nil {
		_, err = s.client.MergePatch(ctx, users, object.Object{"data": map[string]any{s.userKey(): s.Image}})
	}
	if err != nil {
		return fmt.Errorf("note that release %s uses the registry: %w", s.Release, err)
	}
	return nil
}

// leaveUsers takes the release out of the list, and the registry away once nobody is on it.
// It returns what there is to say.
func (s *session) leaveUsers(ctx context.Context) string {
	stays := func(err error) string {
		return fmt.Sprintf("namespace %s, with the registry that carried images in, stays: %v; kubectl delete namespace %[1]s takes it away",
			registry.Namespace, err)
	}
	users := registry.Users()
	live, err := s.client.Read(ctx, users)
	switch {
	case kube.IsReason(err, "Forbidden"), err == nil && (live == nil || live.Strings("data")[s.userKey()] == ""):
		return "" // No image of this release was carried in, or it was by an account that may more.
	case err != nil:
		return stays(err)
	}
	patch := map[string]any{s.userKey(): nil}
	for other := range live.Strings("data") {
		if gone, err := s.isGone(ctx, other); err == nil && gone {
			patch[other] = nil
		}
	}
	if live, err = s.client.MergePatch(ctx, users, object.Object{"data": patch}); err != nil {
		return stays(err)
	}
	if len(live.Strings("data")) > 0 {
		return ""
	}
	namespace, err := s.client.Read(ctx, registry.NamespaceObject())
	if err != nil || namespace == nil || !registry.IsOwn(namespace) {
		return ""
	}
	// The list first: a deploy that has joined it meanwhile keeps the registry.
	err = s.client.Delete(ctx, live, kube.DeleteOptions{UID: live.UID(), Version: live.ResourceVersion()})
	if kube.IsReason(err, "Conflict") {
		return ""
	}
	if err == nil {
		err = s.client.Delete(ctx, namespace, kube.DeleteOptions{UID: namespace.UID()})
	}
	if err == nil {
		var left []string
		if left, err = s.gone(ctx, []object.Object{registry.NamespaceObject()}, removeLimit); len(left) > 0 {
			err = errors.New(left[0])
		}
	}
	if err != nil {
		return stays(err)
	}
	return fmt.Sprintf("namespace %s is gone too: no other release's image was carried in", registry.Namespace)
}

// isGone says whether a release of the list went with its namespace.
func (s *session) isGone(ctx context.Context, user string) (bool, error) {
	namespace, _, _ := strings.Cut(user, ".")
	live, err := s.client.Read(ctx, object.Object{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": namespace}})
	return live == nil, err
}
