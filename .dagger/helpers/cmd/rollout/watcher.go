package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"slipway/helpers/internal/health"
	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
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
	readAt   map[object.ID]time.Time

	waiting   map[object.ID]bool // another workload was still coming up at the last look
	nodesDown map[string]bool
	nodesSeen time.Time
	unblocked map[string]bool // uid of a pod that was deleted
	said      map[object.ID]string
	saidAt    map[object.ID]time.Time
	noted     map[string]bool
	started   time.Time
	ready     time.Time            // since when everything has been ready, zero if it is not
	starts    map[string]time.Time // when each start of a container was seen
}

// watchAll begins to follow the objects, and notes what is wrong with them now: that is
// not held against a release which is yet to be applied.
func (s *session) watchAll(ctx context.Context, objects []object.Object) (*watcher, error) {
	w := &watcher{
		session: s, mirrors: map[place]*kube.Mirror{}, changed: make(chan struct{}, 1), baseline: map[object.ID]health.Baseline{},
		others: map[object.ID]object.Object{}, unblocked: map[string]bool{}, said: map[object.ID]string{}, saidAt: map[object.ID]time.Time{},
		waiting: map[object.ID]bool{}, noted: map[string]bool{}, started: time.Now(),
		starts: map[string]time.Time{}, readAt: map[object.ID]time.Time{},
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
		if !kube.Pause(ctx, 10*time.Millisecond) {
			return nil, context.Cause(ctx)
		}
	}
	lives := make([]object.Object, len(objects))
	errs := kube.Each(objects, parallel, func(i int, o object.Object) (err error) {
		if waitsFor(o) {
			lives[i], err = s.readIfServed(ctx, o)
		}
		return err
	})
	for i, o := range objects {
		if o.IsWorkload() {
			w.baseline[o.ID()] = health.TakeBaseline(w.snapshot(o, nil))
		} else if waitsFor(o) && errs[i] == nil {
			w.baseline[o.ID()] = health.TakeBaseline(health.Snapshot{Wanted: o, Object: lives[i]})
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
	return o.IsCustom()
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
