package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"slipway/helpers/internal/health"
	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
)

const (
	// readinessSteady is how long all workloads must have been ready, startedSteady how
	// long each of their containers must have run, so that one look at a workload that
	// flaps is not taken for the truth: many a program ends a moment after it was ready,
	// and many a controller looks at a new resource a moment after it was there. A workload
	// that sets minReadySeconds has its own time, which Kubernetes has waited for.
	readinessSteady = 1 * time.Second
	startedSteady   = 5 * time.Second
	restartedSteady = 10 * time.Second // readinessSteady for a workload that has crashed

	awaitLook   = time.Second            // between two looks when nothing is reported
	awaitGather = 100 * time.Millisecond // changes that come together are looked at together
	syncLimit   = 15 * time.Second       // for the first list of each kind
	nodesLook   = 5 * time.Second
)

// await waits until everything that has been applied is ready. It ends early on what
// cannot heal. The error is a *failure where the release is to blame.
func (s *session) await(ctx context.Context, w *watcher, p *plan) error {
	return s.awaitSteady(ctx, w, p, false)
}

// awaitSteady waits as await does and, with steady set, until everything has been ready
// for a while.
func (s *session) awaitSteady(ctx context.Context, w *watcher, p *plan, steady bool) error {
	for start := time.Now(); ; {
		states, err := w.states(ctx, p)
		if err != nil {
			return err
		}
		done := true
		for _, st := range states {
			w.report(st)
			done = done && st.Done
			if err := w.unblock(ctx, st); err != nil {
				return err
			}
		}
		left := w.unsettled(states, done)
		if !done {
			if f := w.expired(ctx, states); f != nil {
				return f
			}
		} else if !steady || left <= 0 {
			return nil
		}
		if time.Since(start) > s.limit && (!done || time.Since(start) > s.limit+restartedSteady) {
			return w.timedOut(ctx, states, s.limit)
		}
		next := awaitLook
		if done {
			next = min(next, max(left, awaitGather))
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-w.changed:
			if !kube.Pause(ctx, awaitGather) {
				return context.Cause(ctx)
			}
		case <-time.After(next):
		}
	}
}

// state is what is judged of one object.
type state struct {
	health.State
	object object.Object // as applied
}

// states judges everything that has been applied and is worth waiting for.
func (w *watcher) states(ctx context.Context, p *plan) ([]state, error) {
	for at, m := range w.mirrors {
		if err := m.Err(); err != nil && at.kind != eventType {
			return nil, err
		}
	}
	w.lookAtNodes(ctx, p)
	looks := map[string]*look{}
	var snapshots []health.Snapshot
	if err := w.readOthers(ctx, p); err != nil {
		return nil, err
	}
	for _, ch := range p.changes {
		if ch.applied == nil {
			continue
		}
		o := ch.wanted
		switch {
		case o.IsWorkload():
			if looks[o.Namespace()] == nil {
				looks[o.Namespace()] = w.look(o.Namespace())
			}
			snapshots = append(snapshots, w.snapshotIn(looks[o.Namespace()], o, ch.applied))
		case waitsFor(o):
			snapshots = append(snapshots, health.Snapshot{Wanted: o, Object: w.others[o.ID()], Mounted: isMounted(o, p)})
		}
	}
	all := make([]state, len(snapshots))
	judge := func() {
		for i, snap := range snapshots {
			all[i] = state{health.Judge(snap, w.baseline[snap.Wanted.ID()]), snap.Wanted}
		}
	}
	judge()
	// A service may well crash until the database of the same release is up.
	for i := range snapshots {
		id := all[i].object.ID()
		others := slices.ContainsFunc(all, func(st state) bool {
			return st.object.ID() != id && st.object.IsWorkload() && !st.Done && len(st.Faults) == 0
		})
		if w.waiting[id] && !others {
			w.baseline[id] = w.baseline[id].Forgive(snapshots[i])
		}
		snapshots[i].Others, w.waiting[id] = others, others
	}
	judge()
	return all, nil
}

// readOthers reads what is no workload again, unless it is ready for good.
func (w *watcher) readOthers(ctx context.Context, p *plan) error {
	var due []object.Object
	for _, ch := range p.changes {
		id := ch.wanted.ID()
		if ch.applied == nil || ch.wanted.IsWorkload() || !waitsFor(ch.wanted) {
			continue
		}
		if w.others[id] == nil {
			w.others[id] = ch.applied
		}
		st := health.Judge(health.Snapshot{Wanted: ch.wanted, Object: w.others[id], Mounted: true}, w.baseline[id])
		if (!st.Done || len(st.Starts) > 0) && time.Since(w.readAt[id]) > awaitLook/2 {
			due = append(due, ch.wanted)
		}
	}
	lives := make([]object.Object, len(due))
	errs := kube.Each(due, parallel, func(i int, o object.Object) (err error) {
		lives[i], err = w.session.client.Read(ctx, o)
		return err
	})
	for i, o := range due {
		w.others[o.ID()], w.readAt[o.ID()] = lives[i], time.Now()
	}
	return errors.Join(errs...)
}

// isMounted says whether some workload of the release mounts a claim.
func isMounted(claim object.Object, p *plan) bool {
	return slices.ContainsFunc(p.changes, func(ch *change) bool {
		return slices.ContainsFunc(ch.wanted.PodTemplate().List("spec", "volumes"), func(v object.Object) bool {
			return v.Text("persistentVolumeClaim", "claimName") == claim.Name()
		})
	})
}

// lookAtNodes learns which nodes are not ready, where DaemonSets depend on it and the
// account may see nodes.
func (w *watcher) lookAtNodes(ctx context.Context, p *plan) {
	wanted := slices.ContainsFunc(p.changes, func(ch *change) bool { return ch.wanted.Kind() == "DaemonSet" })
	if !wanted || time.Since(w.nodesSeen) < nodesLook {
		return
	}
	w.nodesSeen = time.Now()
	nodes, err := w.session.client.List(ctx, nodeType, "", url.Values{})
	if err != nil {
		return
	}
	w.nodesDown = map[string]bool{}
	for _, node := range nodes {
		if !condition(node, "Ready") {
			w.nodesDown[node.Name()] = true
		}
	}
}

// unsettled is how long everything must stay as it is before it can be taken for the truth.
func (w *watcher) unsettled(states []state, done bool) time.Duration {
	now := time.Now()
	if !done {
		w.ready = time.Time{}
	} else if w.ready.IsZero() {
		w.ready = now
	}
	settled := now
	for _, st := range states {
		if isRun(st.object) || st.Unasked {
			continue
		}
		if st.object.IsWorkload() {
			steady := readinessSteady
			if st.Restarted > 0 {
				steady = restartedSteady
			}
			settled = latest(settled, w.ready.Add(steady))
		}
		if own, _ := st.object.Int("spec", "minReadySeconds"); own > 0 {
			continue
		}
		for _, start := range st.Starts {
			if w.starts[start].IsZero() {
				w.starts[start] = now
			}
		}
	}
	// Those that are not running any more too: a container that has just ended is for a moment neither
	// running nor restarted, while its Deployment still calls the pod available.
	for _, seen := range w.starts {
		settled = latest(settled, seen.Add(startedSteady))
	}
	return settled.Sub(now)
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// report says what has changed, at first often and later rarely, so that the log of a
// long rollout stays short.
func (w *watcher) report(st state) {
	id := st.object.ID()
	for _, note := range st.Notes {
		if key := id.String() + note; !w.noted[key] {
			w.noted[key] = true
			w.session.say("%s: %s", st.object, note)
		}
	}
	text := st.Text
	if !st.Done {
		text = strings.Join(append([]string{text}, st.Worst...), "; ")
	}
	elapsed := time.Since(w.started)
	if text == w.said[id] || !st.Done && time.Since(w.saidAt[id]) < min(elapsed/10, 15*time.Second) {
		return
	}
	if st.object.IsWorkload() || !st.Done {
		w.session.say("%s: %s", st.object, text)
	}
	w.said[id], w.saidAt[id] = text, time.Now()
}

// unblock deletes the broken pods for which a StatefulSet would wait for ever, even where
// its present template is the cure.
func (w *watcher) unblock(ctx context.Context, st state) error {
	for _, p := range st.Unblock {
		if w.unblocked[p.UID()] {
			continue
		}
		w.unblocked[p.UID()] = true
		w.session.say("%s: deleting pod %s, which is broken and of an older template: %s", st.object, p.Name(), health.PodState(p))
		if err := w.session.client.Delete(ctx, p, kube.DeleteOptions{UID: p.UID(), Propagation: "Background"}); err != nil {
			return fmt.Errorf("delete pod %s: %w", p.Name(), err)
		}
	}
	return nil
}

// expired is the failure of a state that has not healed in its time, nil if there is
// none.
func (w *watcher) expired(ctx context.Context, states []state) *failure {
	var faults []health.Fault
	for _, st := range states {
		if !st.Done {
			faults = append(faults, st.Faults...)
		}
	}
	for {
		f, is := w.watch.Expired(time.Now(), faults)
		if !is {
			return nil
		}
		same := func(other health.Fault) bool { return other.Rule == f.Rule && other.Subject == f.Subject }
		if w.hasCome(ctx, f) {
			faults = slices.DeleteFunc(faults, same)
			continue
		}
		st := states[slices.IndexFunc(states, func(st state) bool { return slices.ContainsFunc(st.Faults, same) })]
		return &failure{cause: f.Cause, advice: f.Advice, detail: w.session.evidence(ctx, w, st)}
	}
}

// hasCome says whether what a pod lacked is there by now: a kubelet needs a while to
// notice.
func (w *watcher) hasCome(ctx context.Context, f health.Fault) bool {
	if f.Missing == nil || w.noted[f.Subject] {
		return false
	}
	o := object.Object{"apiVersion": "v1", "kind": f.Missing.Kind}
	o.Set(f.Missing.Name, "metadata", "name")
	o.Set(f.Missing.Namespace, "metadata", "namespace")
	live, err := w.session.client.Read(ctx, o)
	if err != nil || live == nil || f.Key != "" && live.At("data", f.Key) == nil && live.At("binaryData", f.Key) == nil {
		return false
	}
	w.noted[f.Subject] = true // once
	w.watch.Reset(f.Subject)
	return true
}

// timedOut is the failure of what is not ready in time: the evidence is about the first.
func (w *watcher) timedOut(ctx context.Context, states []state, limit time.Duration) error {
	late := slices.DeleteFunc(slices.Clone(states), func(st state) bool { return st.Done })
	if len(late) == 0 {
		return &failure{cause: fmt.Sprintf("the release did not stay ready within %s", limit), advice: "see why its pods restart"}
	}
	var texts []string
	for _, st := range late[:min(len(late), 3)] {
		text := strings.Join(append([]string{st.Text}, st.Worst...), "; ")
		texts = append(texts, fmt.Sprintf("%s was not rolled out within %s: %s", st.object, limit, text))
	}
	if len(late) > len(texts) {
		texts = append(texts, fmt.Sprintf("%d more", len(late)-len(texts)))
	}
	return &failure{
		cause:  strings.Join(texts, "; "),
		advice: "see why it is not ready, or allow more time with --timeout",
		detail: w.session.evidence(ctx, w, late[0]),
	}
}

func labelQuery(labels map[string]string) url.Values {
	terms := make([]string, 0, len(labels))
	for key, value := range labels {
		terms = append(terms, key+"="+value)
	}
	slices.Sort(terms)
	return url.Values{"labelSelector": {strings.Join(terms, ",")}}
}
