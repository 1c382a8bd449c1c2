package main

import (
	"context"
	"fmt"
	"reflect"

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
		for _, o := range target.Objects {
			if o.Namespace() != "" && o.Namespace() != s.Namespace && len(s.Allow) == 0 {
				return fmt.Errorf("the record of release %d holds %s, which is not in namespace %s: deploy it from its source", target.Number, o.ID(), s.Namespace)
			}
		}
		rights := s.rightsFor(target.Objects)
		if err := s.demand(ctx, rights); err != nil {
			return err
		}
		p, err := s.makePlan(ctx, target.Objects, records)
		if err != nil {
			return fmt.Errorf("release %d cannot come back: %w", target.Number, err)
		}
		if _, err := s.printDifferences(s.progress, p); err != nil {
			return err
		}
		s.say("rolling back to release %d (%s)", target.Number, target.Image)
		return s.roll(ctx, p, release.Record{
			Of: target.Origin(), Note: fmt.Sprintf("rollback to %d", target.Number),
			Image: target.Image, Revision: target.Revision, Version: target.Version, Smoke: target.Smoke, Port: target.Port,
		})
	})
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
	return fmt.Errorf("there is no release %s in namespace %s: --release and --namespace say which one", s.Release, s.Namespace)
}
