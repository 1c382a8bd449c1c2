package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
)

// grants is the API group whose objects give rights away.
const grants = "rbac.authorization.k8s.io"

// reaches says whether an object is one that an unsigned record must not change: outside
// the release's namespace, or one that gives rights. Whoever may write Secrets in the
// namespace can write a record, and must not become more by it.
func (s *session) reaches(o object.Object) bool {
	kind, known := s.client.Resource(o.Type())
	return !known || !kind.Namespaced || o.Namespace() != "" && o.Namespace() != s.Namespace || o.Group() == grants
}

// believe leaves of what interrupted releases say they changed and created only what the
// cluster bears out, where records are not signed. What is left out is no loss to a deploy
// that fails: it has read the same objects at its own start.
func (s *session) believe(ctx context.Context, records []release.Record) ([]release.Record, error) {
	if s.RecordKey != "" {
		return records, nil
	}
	all := slices.Clone(records)
	for i, r := range all {
		if !slices.ContainsFunc(release.Interrupted(records), func(other release.Record) bool { return other.Number == r.Number }) {
			continue
		}
		before := make([]object.Object, len(r.Before))
		errs := kube.Each(r.Before, parallel, func(j int, o object.Object) error {
			live, changeable, err := s.changeable(ctx, o)
			if changeable && (live == nil || release.Owns(s.owner, live)) {
				before[j] = o
			}
			return err
		})
		created := make([]bool, len(r.Created))
		errs = append(errs, kube.Each(r.Created, parallel, func(j int, id object.ID) error {
			live, err := s.ownLive(ctx, identified(id))
			// It was made after the record, which is written first.
			made, unknown := time.Parse(time.RFC3339, live.Text("metadata", "creationTimestamp"))
			created[j] = live == nil || unknown == nil && made.After(r.Made.Add(-clockSkew))
			return err
		})...)
		if err := errors.Join(errs...); err != nil {
			return nil, fmt.Errorf("compare the record of release %d with the cluster: %w", r.Number, err)
		}
		all[i].Before = slices.DeleteFunc(before, func(o object.Object) bool { return o == nil })
		all[i].Created = nil
		for j, id := range r.Created {
			if created[j] {
				all[i].Created = append(all[i].Created, id)
			}
		}
	}
	return all, nil
}

// clockSkew is how far the clocks of two API servers of one cluster are apart at most.
const clockSkew = 10 * time.Second

// identified is an object with no more than an identity. Its version is a made-up one, in whose
// place InServedVersion puts one that the cluster serves.
func identified(id object.ID) object.Object {
	version := "v0"
	if id.Group != "" {
		version = id.Group + "/v0"
	}
	return object.Object{"apiVersion": version, "kind": id.Kind, "metadata": map[string]any{"name": id.Name, "namespace": id.Namespace}}
}

// changeable says whether an unsigned record may change the object, and what it is now.
func (s *session) changeable(ctx context.Context, o object.Object) (live object.Object, ok bool, err error) {
	if o = s.client.InServedVersion(o); o == nil || s.reaches(o) {
		return nil, false, nil
	}
	live, err = s.client.Read(ctx, o)
	return live, err == nil, err
}

// bind leaves of an earlier release's objects what an unsigned record may bring back. All
// others stay as they are in the cluster, those that this release did not have too; what
// is not there as the release's own refuses the way back.
func (s *session) bind(ctx context.Context, r release.Record, records []release.Record) ([]object.Object, error) {
	s.fixed = map[object.ID]bool{}
	objects := make([]object.Object, len(r.Objects))
	for i, o := range r.Objects {
		objects[i] = o.Clone()
		objects[i].Set(s.owner, "metadata", "annotations", release.Key)
	}
	if s.RecordKey != "" {
		return objects, nil
	}
	var wrong findings
	for i, o := range objects {
		_, known := s.client.Resource(o.Type())
		switch {
		case !known && definitionOf(o, r.Objects) != nil:
			wrong = append(wrong, fmt.Sprintf("the record of release %d holds %s, of a kind that it defines itself: "+
				"deploy it from its source", r.Number, o.ID()))
			continue
		case !known || !s.reaches(o):
			continue
		}
		live, err := s.ownLive(ctx, o)
		if err != nil {
			return nil, err
		}
		if live == nil {
			wrong = append(wrong, fmt.Sprintf("the record of release %d holds %s, which %s and is not the release's any more: "+
				"deploy it from its source", r.Number, o.ID(), s.reach(o)))
			continue
		}
		if !reflect.DeepEqual(withoutStamps(o), withoutStamps(s.given(live, o))) {
			s.note("%s stays as it is: it %s, and the record of release %d is not signed; to have it as it was, deploy from its source",
				o.ID(), s.reach(o), r.Number)
		}
		objects[i] = live.Bare()
		s.fixed[o.ID()] = true
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	inventory, err := s.inventory(ctx, records)
	if err != nil {
		return nil, err
	}
	for _, o := range object.Without(inventory, objects) {
		if _, known := s.client.Resource(o.Type()); !known || !s.reaches(o) || release.HoldsData(o) {
			continue
		}
		live, err := s.ownLive(ctx, o)
		if err != nil {
			return nil, err
		}
		if live != nil {
			s.note("%s stays, though release %d did not have it: it %s, and the record is not signed; to remove it, deploy from the source",
				o.ID(), r.Number, s.reach(o))
			objects = append(objects, live.Bare())
			s.fixed[o.ID()] = true
		}
	}
	return objects, nil
}

// given is a live object with no more fields than another has: what the API server adds is
// no difference.
func (s *session) given(live, like object.Object) object.Object {
	shown, _ := only(map[string]any(live), map[string]any(like)).(map[string]any)
	return shown
}

func only(value, like any) any {
	switch like := like.(type) {
	case object.Object:
		return only(value, map[string]any(like))
	case map[string]any:
		if o, ok := value.(object.Object); ok {
			value = map[string]any(o)
		}
		all, ok := value.(map[string]any)
		if !ok {
			return value
		}
		some := map[string]any{}
		for key := range like {
			if v, there := all[key]; there {
				some[key] = only(v, like[key])
			}
		}
		return some
	case []any:
		all, ok := value.([]any)
		if !ok || len(all) != len(like) {
			return value
		}
		some := make([]any, len(all))
		for i := range all {
			some[i] = only(all[i], like[i])
		}
		return some
	}
	return value
}

// reach is why an unsigned record does not change an object.
func (s *session) reach(o object.Object) string {
	if o.Group() == grants {
		return "gives rights"
	}
	return "is outside namespace " + s.Namespace
}

func (s *session) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(s.notes, text) {
		s.notes = append(s.notes, strings.ReplaceAll(text, "\n", " "))
		s.say("%s", text)
	}
}
