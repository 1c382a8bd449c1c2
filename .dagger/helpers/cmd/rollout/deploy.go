package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
)

// deploy brings the manifests into the cluster, or leaves it as it was.
func (s *session) deploy(ctx context.Context) error {
	s.warn(s.warnings)
	state, err := s.lookAtNamespace(ctx)
	if err != nil {
		return err
	}
	objects := s.prepare(s.Objects, state != namespaceForeign)
	rights := s.rightsFor(objects)
	if state == namespaceAbsent {
		rights = append(rights, namespaceRights...)
	}
	if err := s.demand(ctx, rights); err != nil {
		return err
	}
	if s.DryRun {
		return s.dryRun(ctx, state, objects)
	}
	if state == namespaceAbsent {
		if err := s.makeNamespace(ctx, objects); err != nil {
			return err
		}
	}
	return s.locked(ctx, func(ctx context.Context) error {
		records, err := s.store.List(ctx)
		if err != nil {
			return err
		}
		p, err := s.makePlan(ctx, objects, records)
		if err != nil {
			return s.abandon(ctx, state, err)
		}
		if state == namespaceAbsent {
			p.created[s.namespaceObject().ID()] = true
		}
		s.say("checked %d objects", len(p.changes))
		if _, err := s.printDifferences(s.progress, p); err != nil {
			return err
		}
		return s.roll(ctx, p, release.Record{
			Image: s.Image, Revision: s.Revision, Version: s.Version, Smoke: s.Smoke, Port: s.Port,
		})
	})
}

// dryRun shows what deploy would do.
func (s *session) dryRun(ctx context.Context, state namespaceState, objects []object.Object) error {
	if state == namespaceAbsent {
		// Objects of a namespace can only be judged once it is there.
		s.printNew(s.out, objects)
	} else {
		records, err := s.store.List(ctx)
		if err != nil {
			return err
		}
		p, err := s.makePlan(ctx, objects, records)
		if err != nil {
			return err
		}
		if _, err := s.printDifferences(s.out, p); err != nil {
			return err
		}
	}
	fmt.Fprintln(s.out, "\ndry run: nothing was changed")
	return nil
}

// locked holds the lease of the release while do works. From here on no other deploy,
// rollback or destroy of it runs.
func (s *session) locked(ctx context.Context, do func(ctx context.Context) error) error {
	held, lease, err := release.Lock(ctx, s.client, s.Release, s.limit, s.say)
	if err != nil {
		return err
	}
	defer lease.Unlock(ctx)
	return do(held)
}

// abandon takes away the namespace that this deploy made, and returns why.
func (s *session) abandon(ctx context.Context, before namespaceState, why error) error {
	if before != namespaceAbsent {
		return why
	}
	stays, err := s.removeNamespace(ctx)
	if stays != "" {
		s.say("%s", stays)
	}
	return errors.Join(why, err)
}

// roll makes r the next release: the cluster ends up serving it, or as it was.
func (s *session) roll(ctx context.Context, p *plan, r release.Record) error {
	for _, old := range release.Interrupted(p.records) {
		s.say("release %d was interrupted: going on from there", old.Number)
	}
	r = p.next(r)
	w, err := s.watchAll(ctx, p.objects())
	if err != nil {
		return err
	}
	if err := s.store.Save(ctx, r); err != nil {
		return err
	}
	took := timings{checks: time.Since(s.begin)}
	answers, err := s.carryOut(ctx, p, w, r, &took)
	if err != nil {
		return s.restore(ctx, p, r, err)
	}
	// This one first: at no moment may the records say that nothing serves.
	if err := s.store.Mark(ctx, r.Number, release.Deployed, r.Note); err != nil {
		return err
	}
	r.Status = release.Deployed
	if err := s.closeEarlier(ctx, p.records, true); err != nil {
		return err
	}
	s.moved(ctx, p)
	result, err := s.remove(ctx, p.removals)
	if err != nil {
		result.left = append(result.left, fmt.Sprintf("what the release no longer has is not all removed: %v", err))
	}
	for _, old := range release.Expired(append(p.records, r)) {
		if err := s.store.Forget(ctx, old); err != nil {
			result.left = append(result.left, err.Error())
		}
	}
	fmt.Fprintf(s.out, "%srelease %d of %s serves\n\n", answers, r.Number, s.Release)
	if err := s.describe(ctx, r); err != nil {
		return err
	}
	s.printRemoval(p, result)
	s.printStale(p)
	s.printWarnings()
	fmt.Fprintf(s.out, "seconds   checks %.1f, apply %.1f, rollout %.1f, smoke %.1f, all %.1f\n",
		took.checks.Seconds(), took.apply.Seconds(), took.rollout.Seconds(), took.smoke.Seconds(), time.Since(s.begin).Seconds())
	return nil
}

// closeEarlier notes the end of earlier releases: of those that were interrupted and, if
// they are succeeded, of the one that served.
func (s *session) closeEarlier(ctx context.Context, records []release.Record, succeeded bool) error {
	for _, r := range records {
		var err error
		switch {
		case r.Status == release.Pending:
			err = s.store.Mark(ctx, r.Number, release.Failed, "interrupted")
		case r.Status == release.Deployed && succeeded:
			err = s.store.Mark(ctx, r.Number, release.Superseded, "")
		}
		if err != nil {
			return err
		}
	}
	return nil
}
