package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
)

// inventory is what releases applied. Where the records do not say all of it any more, it
// is looked for in the cluster: what is the release's stays so without its records.
func (s *session) inventory(ctx context.Context, records []release.Record) ([]object.Object, error) {
	recorded := release.Inventory(records)
	if release.Complete(records) {
		return recorded, nil
	}
	found, err := s.findOwn(ctx)
	return append(recorded, object.Without(found, recorded)...), err
}

// findOwn are all objects in the release's namespace that are its own, and those beside
// namespaces that also carry its label, as far as the account may list them. In the
// namespace the label is not asked for, because manifests may have set another. What has
// an owner is that one's: controllers and operators copy annotations to what they make.
func (s *session) findOwn(ctx context.Context) ([]object.Object, error) {
	kinds := distinctKinds(s.client.Kinds(), func(r kube.Resource) bool { return slices.Contains(r.Verbs, "list") })
	kinds = slices.DeleteFunc(kinds, func(t object.Type) bool { return slices.Contains(derived, t.Kind) })
	found := make([][]object.Object, len(kinds))
	errs := kube.Each(kinds, parallel, func(i int, t object.Type) error {
		namespace, query := "", url.Values{"labelSelector": {instanceKey + "=" + s.Release}}
		if r, _ := s.client.Resource(t); r.Namespaced {
			namespace, query = s.Namespace, nil
		}
		list, err := s.client.List(ctx, t, namespace, query)
		if kube.IsReason(err, "Forbidden", "MethodNotAllowed") || hasVanished(err) {
			return nil
		}
		found[i] = slices.DeleteFunc(list, func(o object.Object) bool {
			return !release.Owns(s.owner, o) || len(o.List("metadata", "ownerReferences")) > 0
		})
		return err
	})
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("look for objects of release %s: %w", s.Release, err)
	}
	return slices.Concat(found...), nil
}

// hasVanished says whether a list failed because its kind is gone since it was learnt, and
// all objects of the kind with it.
func hasVanished(err error) bool {
	var refused *kube.StatusError
	return errors.As(err, &refused) && refused.Code == http.StatusNotFound
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
