package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
)

// restore puts back what a release changed that failed with err, removes what it created
// and nothing else, and returns the error for the user: evidence, cause, outcome, advice.
func (s *session) restore(ctx context.Context, p *plan, r release.Record, err error) error {
	if lost := context.Cause(ctx); lost != nil {
		return fmt.Errorf("release %d of %s was not finished: %w\nnext: deploy again, which goes on from there", r.Number, s.Release, lost)
	}
	var away *kube.GoneError
	if errors.As(err, &away) {
		return s.away(r, away)
	}
	f := &failure{}
	if !errors.As(err, &f) {
		f = &failure{cause: err.Error(), advice: "deploy again"}
	}
	s.say("failed: %s", f.cause)
	s.limit = max(s.limit, removeLimit) // A short --timeout is for the new release.
	s.DeleteData = false                // That was asked of a release that serves.

	outcome, complete, err := s.putBack(ctx, p)
	if errors.As(err, &away) {
		return s.away(r, away)
	}
	if lost := context.Cause(ctx); lost != nil {
		return fmt.Errorf("release %d of %s failed: %s\nputting it back was not finished: %w\nnext: deploy again, which goes on from there",
			r.Number, s.Release, f.cause, lost)
	}
	if err != nil {
		outcome = append(outcome, fmt.Sprintf("putting it back failed too: %v; what now runs is shown by: dagger call status", err))
	}
	if complete && err == nil {
		if err := s.noteFailure(ctx, p, r, f); err != nil {
			outcome = append(outcome, err.Error())
		}
	}
	var text strings.Builder
	for _, line := range f.detail {
		fmt.Fprintln(&text, line)
	}
	if len(f.detail) > 0 {
		fmt.Fprintln(&text)
	}
	fmt.Fprintf(&text, "release %d of %s failed: %s\n%s\nnext: %s", r.Number, s.Release, f.cause, strings.Join(outcome, "\n"), f.advice)
	return errors.New(text.String())
}

func (s *session) away(r release.Record, away *kube.GoneError) error {
	return fmt.Errorf("the API server stopped answering while release %d of %s was rolled out, for longer than %s: %w\n"+
		"nothing was rolled back: pods that serve go on serving\n"+
		"next: when it is back, run the same deploy again, which goes on from there", r.Number, s.Release, kube.Patience, away)
}

// putBack reverts what the release changed, workloads first: they bring service back.
// It says line by line what came of it; complete is false where something could not go
// back, so that the next deploy tries again.
func (s *session) putBack(ctx context.Context, p *plan) (outcome []string, complete bool, err error) {
	before := release.Serving(p.records)
	if before != nil {
		s.say("rolling back to release %d", before.Number)
	} else {
		s.say("putting back what was there before")
	}
	// A Job of the failed release must not run on beside what served before.
	if err := s.stopRuns(ctx, p); err != nil {
		return nil, false, err
	}
	if err := s.client.Discover(ctx); err != nil { // Kinds may have gone since the start.
		return nil, false, err
	}
	reverts := p.reverts()
	w, err := s.watchAll(ctx, reverts.objects())
	if err != nil {
		return nil, false, err
	}
	var refused []string
	errs := kube.Each(reverts.changes, parallel, func(_ int, ch *change) error {
		return release.Revert(ctx, s.client, ch.wanted, ch.applied)
	})
	for i, err := range errs {
		o := reverts.changes[i].wanted
		var status *kube.StatusError
		var away *kube.GoneError
		switch {
		case errors.As(err, &status):
			refused = append(refused, s.explain(o.String(), o, status)...)
		case errors.As(err, &away) || err != nil && ctx.Err() != nil:
			return nil, false, fmt.Errorf("put %s back: %w", o, err)
		case err != nil:
			refused = append(refused, fmt.Sprintf("%s: %v", o, err))
		}
	}
	live := reverts.live(ctx, s)
	awaited := s.await(ctx, w, live)
	if awaited == nil && before != nil {
		_, awaited = s.ask(ctx, w, live.objects(), *before, false)
	}
	if awaited == nil {
		awaited = s.awaitSteady(ctx, w, live, true)
	}
	var again *failure
	if awaited != nil && !errors.As(awaited, &again) {
		return nil, false, awaited
	}
	created, err := s.remove(ctx, p.createdObjects())
	if err != nil {
		return nil, false, err
	}
	missing, err := s.missingOf(ctx, before)
	if err != nil {
		return nil, false, err
	}
	stays := ""
	if before == nil && !s.ownsAny(p.before) {
		if stays, err = s.removeNamespace(ctx); err != nil {
			return nil, false, err
		}
	}
	switch {
	case missing != "":
		outcome = append(outcome, fmt.Sprintf("what was there before was put back as it was: %s of release %d was not there", missing, before.Number))
	case again != nil:
		outcome = append(outcome, "what was there before was put back, but it does not serve: "+again.cause)
	case before != nil:
		outcome = append(outcome, fmt.Sprintf("rolled back: release %d serves again (%s)", before.Number, before.Image))
	case len(reverts.changes) > 0:
		outcome = append(outcome, "rolled back: what was there before was put back as it was")
	default:
		outcome = append(outcome, "no release served before it, so all it had made was removed again")
	}
	if foreign := p.foreign(); len(foreign) > 0 {
		outcome = append(outcome, fmt.Sprintf("what it had taken over was put back: %s", strings.Join(foreign, ", ")))
	}
	for _, line := range refused {
		outcome = append(outcome, "could not be put back: "+line)
	}
	outcome = append(outcome, created.kept...)
	outcome = append(outcome, created.left...)
	if stays != "" {
		outcome = append(outcome, stays)
	}
	return outcome, again == nil && len(refused) == 0 && len(created.left) == 0, nil
}

// missingOf is a workload of a release that is not in the cluster, "" if there is none.
func (s *session) missingOf(ctx context.Context, r *release.Record) (string, error) {
	if r == nil {
		return "", nil
	}
	for _, o := range r.Objects {
		if !o.IsWorkload() || isRun(o) {
			continue
		}
		if live, err := s.ownLive(ctx, o); live == nil || err != nil {
			return o.String(), err
		}
	}
	return "", nil
}

// stopRuns deletes the Jobs and Pods that the failed release started.
func (s *session) stopRuns(ctx context.Context, p *plan) error {
	errs := kube.Each(p.changes, parallel, func(_ int, ch *change) error {
		id := ch.wanted.ID()
		was := p.before[id].UID()
		// By this release, or by an interrupted one before it.
		started := ch.live == nil || ch.replace || p.created[id] || was != "" && was != ch.live.UID()
		if !isRun(ch.wanted) || ch.applied == nil || !started {
			return nil
		}
		err := s.client.Delete(ctx, ch.applied, kube.DeleteOptions{UID: ch.applied.UID(), Propagation: "Background"})
		if kube.IsReason(err, "Conflict") {
			return nil // Another has taken its place.
		}
		return err
	})
	return errors.Join(errs...)
}

// reverts are the changes back: wanted is what an object was, applied what it became.
// What a Job did once is done.
func (p *plan) reverts() *plan {
	applied := map[object.ID]object.Object{}
	for _, ch := range p.changes {
		applied[ch.wanted.ID()] = ch.applied
	}
	for id := range p.created {
		delete(applied, id)
	}
	before := maps.Clone(p.before)
	for _, ch := range p.changes {
		// What an interrupted release knew may have been made anew by others since.
		if id := ch.wanted.ID(); ch.foreign && before[id].UID() != ch.live.UID() {
			before[id], applied[id] = ch.live, ch.applied
		}
	}
	back := &plan{records: p.records}
	for id, o := range before {
		if o.Kind() == "Job" && o.Group() == "batch" {
			continue
		}
		back.changes = append(back.changes, &change{wanted: o, applied: applied[id]})
	}
	first := func(o object.Object) int {
		if o.IsWorkload() {
			return -1
		}
		return int(phaseOf(o))
	}
	slices.SortFunc(back.changes, func(a, b *change) int {
		return cmp.Or(cmp.Compare(first(a.wanted), first(b.wanted)), compareIDs(a.wanted.ID(), b.wanted.ID()))
	})
	return back
}

// live is the plan of reverts with what the cluster has of them now: what is to be waited
// for.
func (p *plan) live(ctx context.Context, s *session) *plan {
	now := &plan{records: p.records}
	lives := make([]object.Object, len(p.changes))
	_ = kube.Each(p.changes, parallel, func(i int, ch *change) error {
		if !ch.wanted.IsWorkload() {
			return nil
		}
		live, err := s.client.Read(ctx, ch.wanted)
		lives[i] = live
		return err
	})
	for i, ch := range p.changes {
		if lives[i] != nil {
			now.changes = append(now.changes, &change{wanted: ch.wanted, applied: lives[i]})
		}
	}
	return now
}

// createdObjects are what this deploy and the interrupted ones before it created.
func (p *plan) createdObjects() []object.Object {
	var all []object.Object
	for _, o := range append(p.objects(), release.Inventory(release.Interrupted(p.records))...) {
		same := func(other object.Object) bool { return other.ID() == o.ID() }
		foreign := slices.ContainsFunc(p.changes, func(ch *change) bool { return ch.foreign && same(ch.wanted) })
		if p.created[o.ID()] && !foreign && !slices.ContainsFunc(all, same) {
			all = append(all, o)
		}
	}
	return all
}

// foreign are the objects of others that the release took over.
func (p *plan) foreign() []string {
	var names []string
	for _, ch := range p.changes {
		if ch.foreign {
			names = append(names, ch.wanted.String())
		}
	}
	return names
}

// ownsAny says whether any of the objects was the release's.
func (s *session) ownsAny(objects map[object.ID]object.Object) bool {
	for _, o := range objects {
		if release.Owns(s.owner, o) && o.ID() != s.namespaceObject().ID() {
			return true
		}
	}
	return false
}

// noteFailure notes the end of a release that was put back whole. A first release that
// left nothing leaves no record either.
func (s *session) noteFailure(ctx context.Context, p *plan, r release.Record, f *failure) error {
	state, err := s.lookAtNamespace(ctx)
	if err != nil || state == namespaceAbsent && s.store.Place() == s.Namespace {
		return nil // The records went with the namespace, or are going.
	}
	if release.Serving(p.records) == nil && !s.ownsAny(p.before) {
		for _, old := range append(release.Interrupted(p.records), r) {
			if err := s.store.Forget(ctx, old); err != nil {
				return err
			}
		}
		return nil
	}
	if err := s.store.Mark(ctx, r, release.Failed, f.cause); err != nil && !kube.NotFound(err) {
		return err
	}
	return s.closeEarlier(ctx, p.records, false)
}
