package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
)

// deploy brings the manifests into the cluster, or leaves it as it was.
func (s *session) deploy(ctx context.Context) error {
	s.warn(s.warnings)
	state, objects, err := s.admit(ctx)
	if err != nil {
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
			return s.abandon(ctx, state, err)
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
		r, w, err := s.beginRelease(ctx, p, release.Record{
			Image: s.Image, Revision: s.Revision, Version: s.Version, Smoke: s.Smoke, Port: s.Port, Verified: s.Verified,
		})
		if err != nil {
			return s.abandon(ctx, state, err)
		}
		return s.roll(ctx, p, w, r)
	})
}

// admit refuses what is bound to fail whatever the image: a namespace that is going, rights that are missing.
func (s *session) admit(ctx context.Context) (namespaceState, []object.Object, error) {
	state, err := s.lookAtNamespace(ctx)
	if err != nil {
		return state, nil, err
	}
	objects := s.prepare(s.Objects, state != namespaceForeign)
	rights := s.rightsFor(objects)
	if state == namespaceAbsent {
		rights = append(rights, namespaceRights...)
	}
	return state, objects, s.demand(ctx, rights)
}

// check looks at what a deploy can be refused for while its image is still being built.
func (s *session) check(ctx context.Context) error {
	_, _, err := s.admit(ctx)
	return err
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
	held, lease, err := s.store.Lock(ctx, s.limit, s.say)
	if err != nil {
		return err
	}
	defer lease.Unlock(context.WithoutCancel(ctx)) // An interrupt ends the work, and gives the lease back all the same.
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

// beginRelease notes what is about to happen, before the first object is applied, and
// begins to watch.
func (s *session) beginRelease(ctx context.Context, p *plan, r release.Record) (release.Record, *watcher, error) {
	for _, old := range release.Interrupted(p.records) {
		s.say("release %d was interrupted: going on from there", old.Number)
	}
	r = p.next(r)
	w, err := s.watchAll(ctx, p.objects())
	if err != nil {
		return r, nil, err
	}
	err = s.store.Save(ctx, &r)
	return r, w, err
}

// roll carries the plan out: the cluster ends up serving r, or as it was.
func (s *session) roll(ctx context.Context, p *plan, w *watcher, r release.Record) error {
	took := timings{checks: time.Since(s.begin)}
	answers, err := s.carryOut(ctx, p, w, r, &took)
	if err != nil {
		return s.restore(ctx, p, r, err)
	}
	// This one first: at no moment may the records say that nothing serves.
	r.Status = release.Deployed
	err = s.store.Mark(ctx, r, r.Status, r.Note)
	if kube.NotFound(err) { // Somebody deleted the record.
		err = s.store.Save(ctx, &r)
	}
	if err != nil {
		return fmt.Errorf("release %d of %s is ready, but that could not be noted: %w\nnext: deploy again, which goes on from there",
			r.Number, s.Release, err)
	}
	result := s.tidy(ctx, p, r)
	fmt.Fprintf(s.out, "%srelease %d of %s serves\n\n", answers, r.Number, s.Release)
	if err := s.describe(ctx, r); err != nil {
		fmt.Fprintf(s.out, "what it looks like could not be read: %v\n", err)
	}
	s.printRemoval(p, result)
	s.printStale(p)
	s.printWarnings()
	fmt.Fprintf(s.out, "seconds   checks %.1f, apply %.1f, rollout %.1f, smoke %.1f, all %.1f\n",
		took.checks.Seconds(), took.apply.Seconds(), took.rollout.Seconds(), took.smoke.Seconds(), time.Since(s.begin).Seconds())
	return nil
}

// tidy does what is left to do once a release serves, and says what of it failed: that the
// release serves is true all the same, and the next deploy tries again.
func (s *session) tidy(ctx context.Context, p *plan, r release.Record) removal {
	var result removal
	failed := func(err error) bool {
		if err != nil {
			result.left = append(result.left, err.Error()+"; the next deploy tries again")
		}
		return err != nil
	}
	if failed(s.closeEarlier(ctx, p.records, true)) {
		return result
	}
	s.moved(ctx, p)
	removed, err := s.remove(ctx, p.removals)
	result.add(removed)
	if failed(err) {
		return result
	}
	for _, o := range p.returns {
		if err := release.Revert(ctx, s.client, o, nil); err != nil {
			failed(fmt.Errorf("%s, which an interrupted release had taken over, could not be put back: %w", o, err))
		}
	}
	for _, old := range release.Expired(append(p.records, r)) {
		if failed(s.store.Forget(ctx, old)) {
			return result
		}
	}
	return result
}

// closeEarlier notes the end of earlier releases: of those that were interrupted and, if
// they are succeeded, of the one that served.
func (s *session) closeEarlier(ctx context.Context, records []release.Record, succeeded bool) error {
	for _, r := range records {
		var err error
		switch {
		case r.Status == release.Pending:
			err = s.store.Mark(ctx, r, release.Failed, "interrupted")
		case r.Status == release.Deployed && succeeded:
			err = s.store.Mark(ctx, r, release.Superseded, "")
		}
		if err != nil && !kube.NotFound(err) { // A record that is gone has ended.
			return err
		}
	}
	return nil
}
