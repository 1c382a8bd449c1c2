package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
)

// inventory is what releases applied. Where no record says it any more, it is looked for
// in the cluster: what is the release's stays so without its records.
func (s *session) inventory(ctx context.Context, records []release.Record) ([]object.Object, error) {
	if slices.ContainsFunc(records, func(r release.Record) bool { return r.Status != release.Unreadable }) {
		return release.Inventory(records), nil
	}
	return s.findOwn(ctx)
}

// findOwn are all objects in the release's namespace and beside namespaces that carry its
// label and are its own, as far as the account may list them.
func (s *session) findOwn(ctx context.Context) ([]object.Object, error) {
	kinds := distinctKinds(s.client.Kinds(), func(r kube.Resource) bool { return slices.Contains(r.Verbs, "list") })
	found := make([][]object.Object, len(kinds))
	errs := kube.Each(kinds, parallel, func(i int, t object.Type) error {
		namespace := ""
		if r, _ := s.client.Resource(t); r.Namespaced {
			namespace = s.Namespace
		}
		list, err := s.client.List(ctx, t, namespace, url.Values{"labelSelector": {instanceKey + "=" + s.Release}})
		if kube.IsReason(err, "Forbidden", "NotFound", "MethodNotAllowed") {
			return nil
		}
		found[i] = slices.DeleteFunc(list, func(o object.Object) bool { return !release.Owns(s.owner, o) || controller(o) != "" })
		return err
	})
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("look for objects of release %s: %w", s.Release, err)
	}
	return slices.Concat(found...), nil
}

// distinctKinds are the kinds that are wanted, each in one of its versions.
func distinctKinds(all map[object.Type]kube.Resource, wanted func(kube.Resource) bool) []object.Type {
	var kinds []object.Type
	seen := map[string]bool{}
	for t, r := range all {
		if id := t.Group() + "/" + r.Name; wanted(r) && !seen[id] {
			seen[id] = true
			kinds = append(kinds, t)
		}
	}
	return kinds
}
