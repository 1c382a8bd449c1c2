package main

import (
	"context"
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
	// readinessSteady is how long all workloads must have been ready, so that one look at
	// a workload that flaps is not taken for the truth. Without a readiness probe a
	// container counts as ready as soon as it has started, and may end a moment later.
	readinessSteady = 1 * time.Second
	unprobedSteady  = 5 * time.Second
	restartedSteady = 10 * time.Second

	awaitLook   = time.Second            // between two looks when nothing is reported
	awaitGather = 100 * time.Millisecond // changes that come together are looked at together
	syncLimit   = 15 * time.Second       // for the first list of each kind
	nodesLook   = 5 * time.Second
)

var (
	podType   = object.Type{Version: "v1", Kind: "Pod"}
	eventType = object.Type{Version: "v1", Kind: "Event"}
	setType   = object.Type{Version: "apps/v1", Kind: "ReplicaSet"}
	nodeType  = object.Type{Version: "v1", Kind: "Node"}
)

// place is one kind in one namespace.
type place struct {
	kind      object.Type
	namespace string
}

// watcher follows the workloads of a release, their pods and events: one list and watch
// for each kind in a namespace.
type watcher struct {
	session  *session
	mirrors  map[place]*kube.Mirror
	changed  chan struct{}
	baseline map[object.ID]health.Baseline
	watch    health.Watch
	others   map[object.ID]object.Object // as last read: what is waited for and is no workload

	waiting   map[object.ID]bool // another workload was still coming up at the last look
	nodesDown map[string]bool
	nodesSeen time.Time
	unblocked map[string]bool // uid of a pod that was deleted
	said      map[object.ID]string
	saidAt    map[object.ID]time.Time
	noted     map[string]bool
	started   time.Time
	ready     time.Time // since when everything has been ready, zero if it is not
}

// watchAll begins to follow the objects, and notes what is wrong with them now: that is
// not held against a release which is yet to be applied.
func (s *session) watchAll(ctx context.Context, objects []object.Object) (*watcher, error) {
	w := &watcher{
		session: s, mirrors: map[place]*kube.Mirror{}, changed: make(chan struct{}, 1), baseline: map[object.ID]health.Baseline{},
		others: map[object.ID]object.Object{}, unblocked: map[string]bool{}, said: map[object.ID]string{}, saidAt: map[object.ID]time.Time{},
		waiting: map[object.ID]bool{}, noted: map[string]bool{}, started: time.Now(),
	}
	for _, o := range objects {
		if o.IsWorkload() {
			w.follow(ctx, place{o.Type(), o.Namespace()})
			w.follow(ctx, place{podType, o.Namespace()})
			w.follow(ctx, place{eventType, o.Namespace()})
			if o.Kind() == "Deployment" {
				w.follow(ctx, place{setType, o.Namespace()})
			}
		}
	}
	for start := time.Now(); ; {
		waiting := false
		for at, m := range w.mirrors {
			if err := m.Err(); err != nil && at.kind != eventType {
				return nil, fmt.Errorf("watch %s in namespace %s: %w", at.kind.Kind, at.namespace, err)
			}
			waiting = waiting || !m.Synced() && m.Err() == nil
		}
		if !waiting {
			break
		}
		if time.Since(start) > syncLimit {
			return nil, fmt.Errorf("the API server did not list the release's pods within %s", syncLimit)
		}
		if !pause(ctx, 10*time.Millisecond) {
			return nil, context.Cause(ctx)
		}
	}
	for _, o := range objects {
		if o.IsWorkload() {
			w.baseline[o.ID()] = health.TakeBaseline(w.snapshot(o, nil))
		} else if live, err := s.readIfServed(ctx, o); err == nil && waitsFor(o) {
			w.baseline[o.ID()] = health.TakeBaseline(health.Snapshot{Wanted: o, Object: live})
		}
	}
	return w, nil
}

// readIfServed is the live object, nil when there is none or its kind is not known yet.
func (s *session) readIfServed(ctx context.Context, o object.Object) (object.Object, error) {
	if _, known := s.client.Resource(o.Type()); !known {
		return nil, nil
	}
	return s.client.Read(ctx, o)
}

func (w *watcher) follow(ctx context.Context, at place) {
	if w.mirrors[at] != nil {
		return
	}
	m := w.session.client.Watch(ctx, at.kind, at.namespace, url.Values{})
	w.mirrors[at] = m
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-m.Changed():
				select {
				case w.changed <- struct{}{}:
				default:
				}
			}
		}
	}()
}

func (w *watcher) items(kind object.Type, namespace string) []object.Object {
	if m := w.mirrors[place{kind, namespace}]; m != nil {
		return m.Items()
	}
	return nil
}

// waitsFor says whether an object that is no workload has a state worth waiting for.
func waitsFor(o object.Object) bool {
	switch o.Kind() {
	case "CustomResourceDefinition", "APIService", "PersistentVolumeClaim", "Service":
		return true
	}
	return isCustom(o)
}

// look is one moment of all that is followed in a namespace.
type look struct {
	pods   map[string][]object.Object // by the uid of their controller
	sets   map[string][]object.Object
	events []object.Object
	live   map[object.ID]object.Object
	leave  bool // some pod is being deleted
}

func (w *watcher) look(namespace string) *look {
	l := &look{pods: map[string][]object.Object{}, sets: map[string][]object.Object{}, live: map[object.ID]object.Object{}}
	for _, p := range w.items(podType, namespace) {
		l.pods[controller(p)] = append(l.pods[controller(p)], p)
		l.leave = l.leave || p.Text("metadata", "deletionTimestamp") != ""
	}
	for _, set := range w.items(setType, namespace) {
		l.sets[controller(set)] = append(l.sets[controller(set)], set)
	}
	l.events = w.items(eventType, namespace)
	for at := range w.mirrors {
		if at.namespace == namespace && at.kind != eventType {
			for _, o := range w.items(at.kind, namespace) {
				l.live[o.ID()] = o
			}
		}
	}
	return l
}

// controller is the uid of the object that made o, "" if none did.
func controller(o object.Object) string {
	for _, ref := range o.List("metadata", "ownerReferences") {
		if ref.Bool("controller") {
			return ref.Text("uid")
		}
	}
	return ""
}

// snapshot is what is known of a workload. applied is what applying it returned: until
// that has been reported, the state is that of before.
func (w *watcher) snapshot(o, applied object.Object) health.Snapshot {
	return w.snapshotIn(w.look(o.Namespace()), o, applied)
}

func (w *watcher) snapshotIn(l *look, o, applied object.Object) health.Snapshot {
	s := health.Snapshot{Wanted: o, Object: l.live[o.ID()], NodesDown: w.nodesDown, Leaving: l.leave}
	if applied != nil {
		if s.Object == nil {
			if gone := w.mirrors[place{o.Type(), o.Namespace()}].Gone(applied.UID()); gone != nil {
				s.Object, s.Gone = gone, true
			} else {
				s.Object = applied // not reported yet
			}
		} else if isOlder(s.Object, applied) {
			s.Object = applied
		}
	}
	if s.Object == nil {
		return s
	}
	names := map[string]bool{s.Object.Name(): true}
	s.Sets = l.sets[s.Object.UID()]
	s.Pods = slices.Clone(l.pods[s.Object.UID()])
	for _, set := range s.Sets {
		s.Pods = append(s.Pods, l.pods[set.UID()]...)
		names[set.Name()] = true
	}
	if s.Object.Kind() == "Pod" {
		s.Pods = []object.Object{s.Object}
	}
	for _, p := range s.Pods {
		names[p.Name()] = true
	}
	for _, e := range l.events {
		if names[e.Text("involvedObject", "name")] {
			s.Events = append(s.Events, e)
		}
	}
	return s
}

// isOlder says whether a live object as last reported is not yet what was applied.
func isOlder(reported, applied object.Object) bool {
	if reported.UID() != applied.UID() {
		return true
	}
	was, _ := reported.Int("metadata", "generation")
	is, _ := applied.Int("metadata", "generation")
	return was < is
}

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
		done, needed := true, time.Duration(0)
		for _, st := range states {
			w.report(st)
			done = done && st.Done
			needed = max(needed, steadiness(st))
			if err := w.unblock(ctx, st); err != nil {
				return err
			}
		}
		if !done {
			w.ready = time.Time{}
			if f := w.expired(ctx, states); f != nil {
				return f
			}
		} else {
			if w.ready.IsZero() {
				w.ready = time.Now()
			}
			if !steady || time.Since(w.ready) >= needed {
				return nil
			}
		}
		if time.Since(start) > s.limit && (!done || time.Since(start) > s.limit+restartedSteady) {
			return w.timedOut(ctx, states, s.limit)
		}
		next := awaitLook
		if done {
			next = min(next, max(needed-time.Since(w.ready), awaitGather))
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-w.changed:
			if !pause(ctx, awaitGather) {
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
			live, err := w.readWaiting(ctx, ch)
			if err != nil {
				return nil, err
			}
			snapshots = append(snapshots, health.Snapshot{Wanted: o, Object: live, Mounted: isMounted(o, p)})
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

// readWaiting is the live state of an object that is no workload. One that is ready is
// not read again.
func (w *watcher) readWaiting(ctx context.Context, ch *change) (object.Object, error) {
	id := ch.wanted.ID()
	last := w.others[id]
	if last == nil {
		last = ch.applied
	}
	if health.Judge(health.Snapshot{Wanted: ch.wanted, Object: last, Mounted: true}, w.baseline[id]).Done {
		w.others[id] = last
		return last, nil
	}
	live, err := w.session.client.Read(ctx, ch.wanted)
	if err != nil {
		return nil, err
	}
	w.others[id] = live
	return live, nil
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

// steadiness is how long an object must stay ready.
func steadiness(st state) time.Duration {
	if !st.object.IsWorkload() || isRun(st.object) || st.Unasked {
		return 0
	}
	if st.Restarted > 0 {
		return restartedSteady
	}
	for _, ctr := range st.object.Containers() {
		if ctr.Runs() && ctr.At("readinessProbe") == nil {
			return unprobedSteady
		}
	}
	return readinessSteady
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
	o := object.Object{"apiVersion": "v1", "kind": f.Missing.Kind, "metadata": map[string]any{"name": f.Missing.Name, "namespace": f.Missing.Namespace}}
	live, err := w.session.client.Read(ctx, o)
	if err != nil || live == nil || f.Key != "" && live.At("data", f.Key) == nil && live.At("binaryData", f.Key) == nil {
		return false
	}
	w.noted[f.Subject] = true // once
	w.watch.Reset(f.Subject)
	return true
}

func (w *watcher) timedOut(ctx context.Context, states []state, limit time.Duration) error {
	for _, st := range states {
		if !st.Done {
			text := strings.Join(append([]string{st.Text}, st.Worst...), "; ")
			return &failure{
				cause:  fmt.Sprintf("%s was not rolled out within %s: %s", st.object, limit, text),
				advice: "see why it is not ready, or allow more time with --timeout",
				detail: w.session.evidence(ctx, w, st),
			}
		}
	}
	return &failure{cause: fmt.Sprintf("the release did not stay ready within %s", limit), advice: "see why its pods restart"}
}

func labelQuery(labels map[string]string) url.Values {
	terms := make([]string, 0, len(labels))
	for key, value := range labels {
		terms = append(terms, key+"="+value)
	}
	slices.Sort(terms)
	return url.Values{"labelSelector": {strings.Join(terms, ",")}}
}
