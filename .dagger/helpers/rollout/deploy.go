package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"
)

func deploy(ctx context.Context, c *cluster, req request) error {
	there, err := c.enter(ctx)
	if err != nil {
		return err
	}
	objects := c.prepare(req)
	rights, err := c.rightsFor(objects, req.Smoke)
	if err != nil {
		return err
	}
	if !there {
		rights = append(rights, right{"create", "", "namespaces", "", ""}, right{"patch", "", "namespaces", "", ""})
	}
	if err := c.may(ctx, rights); err != nil {
		return err
	}
	var changes []change
	// Objects of a namespace can only be judged once it is there.
	if !there && req.DryRun {
		say("namespace %s is not there yet: deploy makes it first, then has the API server check the manifests", c.namespace)
	} else {
		if !there {
			if err := c.makeNamespace(ctx, objects); err != nil {
				return err
			}
		}
		if changes, err = c.judge(ctx, req, objects); err != nil {
			err = fmt.Errorf("the cluster would not take the manifests:\n%w", err)
			if !there {
				err = errors.Join(err, c.abandon(ctx))
			}
			return err
		}
		say("checked %d objects", len(objects))
	}
	// Of a deploy this is progress, of a dry run the outcome.
	out := os.Stderr
	if req.DryRun {
		out = os.Stdout
	}
	if !there {
		c.newcomers(out, objects)
	} else if _, err := c.differences(ctx, out, objects, changes); err != nil {
		return err
	}
	if req.DryRun {
		fmt.Println("\ndry run: nothing was changed")
		return nil
	}
	return c.roll(ctx, req, record{
		Image: req.Image, Revision: req.Revision, Version: req.Version,
		Objects: objects, Smoke: req.Smoke, Port: req.Port,
	})
}

func rollback(ctx context.Context, c *cluster, req request) error {
	records, err := c.present(ctx)
	if err != nil {
		return err
	}
	now := serving(records)
	var target *record
	for _, r := range slices.Backward(records) {
		if req.To == r.Number || req.To == 0 && r.hasServed() && (now == nil || !reflect.DeepEqual(r.Objects, now.Objects)) {
			target = &r
			break
		}
	}
	switch {
	case target == nil && req.To != 0:
		return fmt.Errorf("release %d of %s is not in the history: see dagger call history", req.To, c.release)
	case target == nil:
		return fmt.Errorf("there is no release of %s to go back to that differs from the present one", c.release)
	case !target.hasServed():
		return fmt.Errorf("release %d of %s never served: choose another with --to, see dagger call history", target.Number, c.release)
	}
	rights, err := c.rightsFor(target.Objects, target.Smoke)
	if err != nil {
		return err
	}
	if err := c.may(ctx, rights); err != nil {
		return err
	}
	if _, err := c.judge(ctx, req, target.Objects); err != nil {
		return fmt.Errorf("the cluster would not take release %d back:\n%w", target.Number, err)
	}
	say("rolling back to release %d (%s)", target.Number, target.Image)
	again := *target
	again.Note = fmt.Sprintf("rollback to %d", target.Number)
	return c.roll(ctx, req, again)
}

// present is the history of a release that must exist.
func (c *cluster) present(ctx context.Context) ([]record, error) {
	if _, err := c.enter(ctx); err != nil {
		return nil, err
	}
	records, err := c.records(ctx)
	if err == nil && len(records) == 0 {
		err = fmt.Errorf("there is no release %s in namespace %s: --release and --namespace say which one", c.release, c.namespace)
	}
	return records, err
}

// roll makes r the next release: the cluster ends up serving it, or what served
// before.
func (c *cluster) roll(ctx context.Context, req request, r record) error {
	held, unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	records, err := c.records(held)
	if err != nil {
		return err
	}
	r.Number = 1
	for _, old := range records {
		r.Number = old.Number + 1
		if old.Status == pending {
			say("release %d was interrupted: going on from there", old.Number)
		}
	}
	if r.Taken, err = c.strangers(held, r.Objects); err != nil {
		return err
	}
	r.Status, r.Started = pending, time.Now().UTC()
	if err := c.save(held, r); err != nil {
		return fmt.Errorf("note release %d: %w", r.Number, err)
	}
	all := append(slices.Clone(records), r)

	checked := time.Since(begin)
	took, answers, err := c.bring(held, r, all, req.ForceConflicts)
	if err != nil {
		return c.bringBack(held, err, all)
	}
	// This one first: at no moment may the records say that nothing serves.
	r.Status = deployed
	if err := c.save(held, r); err != nil {
		return err
	}
	if err := c.end(held, records, true); err != nil {
		return err
	}
	if _, err := c.remove(held, without(inventory(all), r.Objects)); err != nil {
		return fmt.Errorf("release %d serves, but what it no longer has is not all gone: %w\nthe next deploy tries again", r.Number, err)
	}
	for _, old := range all[:max(0, len(all)-historyLimit)] {
		if err := c.forget(held, old); err != nil {
			return err
		}
	}
	fmt.Printf("%srelease %d of %s serves\n\n", answers, r.Number, c.release)
	if err := c.describe(held, r); err != nil {
		return err
	}
	fmt.Printf("seconds   checks %.1f, apply %.1f, rollout %.1f, smoke %.1f, all %.1f\n",
		checked.Seconds(), took[0].Seconds(), took[1].Seconds(), took[2].Seconds(), time.Since(begin).Seconds())
	return nil
}

// end notes the end of earlier releases: of those that were interrupted and, if
// they are succeeded, of the one that served.
func (c *cluster) end(ctx context.Context, records []record, succeeded bool) error {
	for _, r := range records {
		switch {
		case r.Status == pending:
			r.Status, r.Note = failed, "interrupted"
		case r.Status == deployed && succeeded:
			r.Status = superseded
		default:
			continue
		}
		if err := c.save(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// bring applies one of all releases, waits for its pods and asks its service. It
// returns how long each of the three took, and what the service answered.
func (c *cluster) bring(ctx context.Context, r record, all []record, force bool) (took [3]time.Duration, answers string, err error) {
	start := time.Now()
	step := func(i int) {
		took[i] = time.Since(start)
		start = time.Now()
	}
	// What else goes can wait; an autoscaler would undo the number of pods that r sets.
	autoscalers := slices.DeleteFunc(without(inventory(all), r.Objects), func(o object) bool {
		return o.kind() != "HorizontalPodAutoscaler"
	})
	if _, err := c.remove(ctx, autoscalers); err != nil {
		return took, "", err
	}
	for _, o := range r.Objects {
		err := c.apply(ctx, o, force)
		if isImmutable(err) && o.kind() == "Job" {
			err = c.replace(ctx, o)
		}
		if err != nil {
			var refused *statusError
			if errors.As(err, &refused) {
				lines := explain(o.String(), refused)
				return took, "", &verdict{cause: lines[0], detail: lines[1:], advice: "change the manifest as the message says"}
			}
			return took, "", err
		}
	}
	say("applied %d objects", len(r.Objects))
	step(0)
	if err := c.await(ctx, r.Objects); err != nil {
		return took, "", err
	}
	step(1)
	answers, err = c.ask(ctx, r)
	step(2)
	return took, answers, err
}

// replace deletes a Job and makes it anew: one that has begun cannot be changed,
// and with another image it is another piece of work.
func (c *cluster) replace(ctx context.Context, o object) error {
	if err := c.delete(ctx, o); err != nil {
		return err
	}
	if err := c.gone(ctx, []object{o}); err != nil {
		return err
	}
	return c.apply(ctx, o, true)
}

// bringBack brings back what served before the last of the releases, which
// failed with err, and tells the whole story.
func (c *cluster) bringBack(ctx context.Context, err error, all []record) error {
	records, r := all[:len(all)-1], all[len(all)-1]
	if lost := context.Cause(ctx); lost != nil {
		return fmt.Errorf("release %d of %s was not finished: %w", r.Number, c.release, lost)
	}
	var away *goneError
	if errors.As(err, &away) {
		return fmt.Errorf("the API server stopped answering while release %d of %s was rolled out, for longer than %s: %w\n"+
			"nothing was rolled back: pods that serve go on serving\n"+
			"next: when it is back, run the same deploy again, which goes on from there", r.Number, c.release, patience, away)
	}
	v := &verdict{}
	if !errors.As(err, &v) {
		v = &verdict{cause: err.Error(), advice: "deploy again"}
	}
	say("failed: %s", v.cause)
	story := func(outcome string) error {
		var b strings.Builder
		for _, line := range v.detail {
			fmt.Fprintln(&b, line)
		}
		if len(v.detail) > 0 {
			fmt.Fprintln(&b)
		}
		fmt.Fprintf(&b, "release %d of %s failed: %s\n%s\nnext: %s", r.Number, c.release, v.cause, outcome, v.advice)
		return errors.New(b.String())
	}
	lost := func(err error) error {
		return story(fmt.Sprintf("rolling back failed too: %v; what now runs is shown by: dagger call status", err))
	}

	c.limit = max(c.limit, removeLimit) // Nor for what must come back.
	before := serving(records)
	taken, err := c.giveBack(ctx, all)
	if err != nil {
		return lost(err)
	}
	if before == nil {
		if _, err := c.erase(ctx, all); err != nil {
			return lost(err)
		}
		return story("no release served before it, so all it had made was removed again" + taken)
	}

	say("rolling back to release %d", before.Number)
	again := *before
	again.Objects = slices.DeleteFunc(slices.Clone(before.Objects), func(o object) bool {
		return o.kind() == "Job" // What it did once is done.
	})
	if _, _, err := c.bring(ctx, again, all, true); err != nil {
		return lost(err)
	}
	if _, err := c.remove(ctx, without(inventory(all), before.Objects)); err != nil {
		return lost(err)
	}
	r.Status, r.Note = failed, v.cause
	if err := c.save(ctx, r); err != nil {
		return lost(err)
	}
	if err := c.end(ctx, records, false); err != nil {
		return lost(err)
	}
	return story(fmt.Sprintf("rolled back: release %d serves again (%s)", before.Number, before.Image) + taken)
}

// strangers are those of the objects that are in the cluster and not the
// release's, without what the API server adds. Only --force-conflicts leads here
// with any.
func (c *cluster) strangers(ctx context.Context, objects []object) ([]object, error) {
	found := make([]object, len(objects))
	err := each(objects, func(i int, o object) error {
		live, err := c.read(ctx, o)
		if !c.owns(live) {
			found[i] = live.bare()
		}
		return err
	})
	return slices.DeleteFunc(found, func(o object) bool { return o == nil }), err
}

// giveBack makes what unfinished releases took over what it was before, which
// also ends their ownership of it, and says so.
func (c *cluster) giveBack(ctx context.Context, records []record) (string, error) {
	var taken []object
	for _, r := range records {
		if r.Status == pending {
			taken = append(taken, without(r.Taken, taken)...)
		}
	}
	for _, o := range taken {
		if err := c.apply(ctx, o, true); err != nil {
			return "", fmt.Errorf("%s: %w", o, err)
		}
	}
	if len(taken) == 0 {
		return "", nil
	}
	return fmt.Sprintf("; what it had taken over was put back: %v", taken), c.await(ctx, taken)
}

// without is those of all that are not among some.
func without(all, some []object) []object {
	return slices.DeleteFunc(slices.Clone(all), func(o object) bool {
		return slices.ContainsFunc(some, func(s object) bool { return s.id() == o.id() })
	})
}
