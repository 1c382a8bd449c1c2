package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
)

// rollback deploys the objects of an earlier release again.
func (s *session) rollback(ctx context.Context) error {
	if _, err := s.mustHistory(ctx); err != nil {
		return err
	}
	return s.locked(ctx, func(ctx context.Context) error {
		records, err := s.mustHistory(ctx)
		if err != nil {
			return err
		}
		target, err := release.Target(records, s.To, sameRelease)
		if err != nil {
			return fmt.Errorf("release %s: %w", s.Release, err)
		}
		s.mask(target.Objects)
		s.Smoke, s.Image, s.Port = target.Smoke, target.Image, target.Port
		if err := s.vouch(ctx, *target); err != nil {
			return err
		}
		if err := s.mustBeCarried(ctx, *target); err != nil {
			return err
		}
		rights := s.rightsFor(target.Objects)
		if err := s.demand(ctx, rights); err != nil {
			return err
		}
		p, err := s.planBack(ctx, target.Objects, records)
		if err != nil {
			return fmt.Errorf("release %d cannot come back: %w", target.Number, err)
		}
		if _, err := s.printDifferences(s.progress, p); err != nil {
			return err
		}
		s.say("rolling back to release %d (%s)", target.Number, target.Image)
		r, w, err := s.beginRelease(ctx, p, release.Record{
			Of: target.Origin(), Note: fmt.Sprintf("rollback to %d", target.Number),
			Image: target.Image, Revision: target.Revision, Version: target.Version, Smoke: target.Smoke, Port: target.Port,
		})
		if err != nil {
			return err
		}
		return s.roll(ctx, p, w, r)
	})
}

// vouch refuses a record with objects outside the release's namespace that are not the
// release's in the cluster by now: whoever may write Secrets in the namespace can write a
// record, and must not have an administrator's rollback make a ClusterRoleBinding for him.
func (s *session) vouch(ctx context.Context, r release.Record) error {
	var wrong findings
	for _, o := range r.Objects {
		kind, known := s.client.Resource(o.Type())
		if !known || kind.Namespaced && (o.Namespace() == "" || o.Namespace() == s.Namespace) {
			continue
		}
		live, err := s.ownLive(ctx, o)
		if err != nil {
			return err
		}
		if live == nil {
			wrong = append(wrong, fmt.Sprintf("the record of release %d holds %s, which is outside namespace %s and not the release's any more: "+
				"deploy it from its source", r.Number, o.ID(), s.Namespace))
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}

// planBack plans the way back to an earlier release's objects. What the cluster does not
// take back stays as the present release has it and is named, as long as no workload is
// among it: service comes back all the same.
func (s *session) planBack(ctx context.Context, objects []object.Object, records []release.Record) (*plan, error) {
	p, err := s.makePlan(ctx, objects, records)
	var refused findings
	now := release.Serving(records)
	if !errors.As(err, &refused) || now == nil {
		return p, err
	}
	trial := &plan{}
	for _, o := range objects {
		trial.changes = append(trial.changes, &change{wanted: o})
	}
	errs := kube.Each(trial.changes, parallel, func(_ int, ch *change) error { return s.foresee(ctx, ch, trial) })
	var mixed []object.Object
	var notes []string
	for i, o := range objects {
		present := slices.IndexFunc(now.Objects, func(other object.Object) bool { return other.ID() == o.ID() })
		if errors.As(errs[i], &refused) && present >= 0 && !o.IsWorkload() {
			o = now.Objects[present]
			notes = append(notes, "stays as it is: "+refused[0])
		}
		mixed = append(mixed, o)
	}
	if len(notes) == 0 {
		return nil, err
	}
	if p, err = s.makePlan(ctx, mixed, records); err == nil {
		s.notes = append(s.notes, notes...)
	}
	return p, err
}

// sameRelease says whether two releases have the same objects.
func sameRelease(a, b release.Record) bool {
	return reflect.DeepEqual(unstamped(a.Objects), unstamped(b.Objects))
}

func unstamped(objects []object.Object) map[object.ID]object.Object {
	all := map[object.ID]object.Object{}
	for _, o := range objects {
		all[o.ID()] = withoutStamps(o)
	}
	return all
}

// mustHistory is the history of a release that must exist.
func (s *session) mustHistory(ctx context.Context) ([]release.Record, error) {
	if _, err := s.lookAtNamespace(ctx); err != nil {
		return nil, err
	}
	records, err := s.store.List(ctx)
	if err == nil && len(records) == 0 {
		err = s.noRelease()
	}
	return records, err
}

func (s *session) noRelease() error {
	return fmt.Errorf("there is no release %s in namespace %s, or its records are lost: --release and --namespace say which one, "+
		"and a deploy from its source makes a record", s.Release, s.Namespace)
}
