package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
)

// failure is why a release failed, for the user.
type failure struct {
	cause  string   // one line
	detail []string // what was seen: states, events, log lines
	advice string   // what to do about it
}

func (f *failure) Error() string { return f.cause }

const (
	adviceMessage = "change the manifest as the message says"
	// settleLimit is for what the API server has to learn from another object of the
	// release first: a kind from its definition, a right from its role.
	settleLimit = 20 * time.Second
)

// timings are how long the parts of a rollout took.
type timings struct{ checks, apply, rollout, smoke time.Duration }

// carryOut applies the plan phase by phase, waits for what it brings, and has the
// release asked. It returns what it answered. The error is a *failure where the release
// is to blame.
func (s *session) carryOut(ctx context.Context, p *plan, w *watcher, r release.Record, took *timings) (string, error) {
	start := time.Now()
	for now := range phases {
		if now == phaseWorkloads {
			// A left-over autoscaler would undo the number of pods that the release sets.
			if _, err := s.remove(ctx, autoscalers(p.removals)); err != nil {
				return "", err
			}
		}
		if now == phaseAfter && len(p.inPhase(now)) > 0 {
			if err := s.awaitSteady(ctx, w, p, true); err != nil {
				return "", err
			}
		}
		if err := s.carryOutPhase(ctx, p, w, now); err != nil {
			return "", err
		}
	}
	s.say("applied %d objects", len(p.changes))
	took.apply = time.Since(start)
	start = time.Now()
	if err := s.await(ctx, w, p); err != nil {
		return "", err
	}
	took.rollout = time.Since(start)
	start = time.Now()
	answers, err := s.ask(ctx, w, p.objects(), r, true)
	if err == nil {
		// A workload that was ready once, and is not any more, does not serve.
		err = s.awaitSteady(ctx, w, p, true)
	}
	took.smoke = time.Since(start)
	return answers, err
}

// carryOutPhase applies what belongs to a phase. Others depend on definitions and hooks, so
// these are waited for; hooks come in the order of their weights.
func (s *session) carryOutPhase(ctx context.Context, p *plan, w *watcher, now phase) error {
	left := p.inPhase(now)
	waits := now == phaseDefinitions || now == phaseBefore || now == phaseAfter
	for len(left) > 0 {
		batch := left
		if now != phaseDefinitions && waits {
			first := weightOf(left[0].wanted)
			batch = slices.DeleteFunc(slices.Clone(left), func(ch *change) bool { return weightOf(ch.wanted) != first })
		}
		left = left[len(batch):]
		if err := s.applyAll(ctx, p, batch); err != nil {
			return err
		}
		if waits {
			if err := s.await(ctx, w, &plan{changes: batch}); err != nil {
				return err
			}
		}
		if now == phaseDefinitions {
			if err := s.learnKinds(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// inPhase are the changes of a phase, in the order of their weights.
func (p *plan) inPhase(now phase) []*change {
	all := slices.DeleteFunc(slices.Clone(p.changes), func(ch *change) bool { return phaseOf(ch.wanted) != now })
	slices.SortStableFunc(all, func(a, b *change) int { return cmp.Compare(weightOf(a.wanted), weightOf(b.wanted)) })
	return all
}

func autoscalers(objects []object.Object) []object.Object {
	return slices.DeleteFunc(slices.Clone(objects), func(o object.Object) bool { return o.Kind() != "HorizontalPodAutoscaler" })
}

// applyAll applies the changes of a phase side by side.
func (s *session) applyAll(ctx context.Context, p *plan, batch []*change) error {
	errs := kube.Each(batch, parallel, func(_ int, ch *change) error { return s.apply(ctx, p, ch) })
	for i, err := range errs {
		var refused *kube.StatusError
		if errors.As(err, &refused) {
			lines := s.explain(batch[i].wanted.String(), batch[i].wanted, refused)
			return &failure{cause: lines[0], detail: lines[1:], advice: adviceMessage}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *session) apply(ctx context.Context, p *plan, ch *change) error {
	if ch.fixed {
		ch.applied = ch.live
		return nil
	}
	if ch.replace {
		if err := s.replace(ctx, ch.live); err != nil {
			return err
		}
	}
	if ch.foreign || ch.reclaim {
		if err := s.setFields(ctx, ch.wanted, release.TakeOver); err != nil {
			return err
		}
	}
	for _, path := range ch.claim {
		if err := s.setFields(ctx, ch.wanted, func(live object.Object) []any { return release.Claim(live, path...) }); err != nil {
			return err
		}
	}
	for start := time.Now(); ; {
		var err error
		ch.applied, err = s.client.Apply(ctx, ch.wanted, kube.ApplyOptions{Force: s.ForceConflicts})
		var refused *kube.StatusError
		if err == nil || !errors.As(err, &refused) || !p.bringsAlong(refused, ch.wanted) || time.Since(start) > settleLimit {
			return err
		}
		if !kube.Pause(ctx, 200*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}

// setFields says anew who set which fields of an object.
func (s *session) setFields(ctx context.Context, o object.Object, fields func(live object.Object) []any) error {
	for range 5 {
		live, err := s.client.Read(ctx, o)
		if err != nil || live == nil {
			return err
		}
		err = release.SetManagedFields(ctx, s.client, live, fields(live))
		if !kube.IsReason(err, "Conflict", "Invalid") {
			return err
		}
	}
	return fmt.Errorf("%s: somebody changes it all the time: its fields cannot be taken over", o)
}

// replace deletes a Job or Pod that is to be made again.
func (s *session) replace(ctx context.Context, live object.Object) error {
	if err := s.client.Delete(ctx, live, kube.DeleteOptions{UID: live.UID()}); err != nil {
		return fmt.Errorf("delete %s, to make it again: %w", live, err)
	}
	left, err := s.gone(ctx, []object.Object{live}, max(s.limit, removeLimit))
	if err == nil && len(left) > 0 {
		err = &failure{cause: "cannot make " + live.String() + " again: " + left[0], advice: "clear what holds it, then deploy again"}
	}
	return err
}

// learnKinds asks for the kinds again once their definitions are there, and has the API
// server judge the objects that it could not judge before.
func (s *session) learnKinds(ctx context.Context, p *plan) error {
	for start := time.Now(); ; {
		if err := s.client.Discover(ctx); err != nil {
			return err
		}
		missing := slices.IndexFunc(p.changes, func(ch *change) bool {
			_, known := s.client.Resource(ch.wanted.Type())
			return !known
		})
		if missing < 0 {
			break
		}
		if time.Since(start) > settleLimit {
			o := p.changes[missing].wanted
			return &failure{cause: fmt.Sprintf("%s: its definition does not serve version %s", o, o.Version()), advice: "see spec.versions of the definition"}
		}
		if !kube.Pause(ctx, 200*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
	late := slices.DeleteFunc(slices.Clone(p.changes), func(ch *change) bool { return !ch.late })
	if err := s.gather(kube.Each(late, parallel, func(_ int, ch *change) error { return s.foresee(ctx, ch, p) })); err != nil {
		var wrong findings
		if errors.As(err, &wrong) {
			return &failure{cause: wrong[0], detail: wrong[1:], advice: adviceMessage}
		}
		return err
	}
	return nil
}
