// Package health says from a snapshot of an object how far its rollout is, and what it
// will not recover from. It asks nothing and reads no clock.
package health

import (
	"cmp"
	"time"

	"slipway/helpers/internal/object"
)

// Snapshot is what is known of one object at one moment. Wanted and Object say their kind;
// the others need not, as in a list that the API server answers with.
type Snapshot struct {
	Wanted    object.Object   // as applied
	Object    object.Object   // as it is now; nil when it is not there; its last state when Gone
	Gone      bool            // it was there and has been deleted
	Pods      []object.Object // pods it controls, of any template, those that are being deleted too
	Sets      []object.Object // ReplicaSets of a Deployment
	Events    []object.Object // core/v1 Events about it, its sets and its pods
	NodesDown map[string]bool // names of nodes that are not ready; nil when unknown
	Leaving   bool            // some pod of the namespace is being deleted: room may come free
	Others    bool            // another workload of the release is coming up without a fault of its own
	Mounted   bool            // for a PersistentVolumeClaim: some object of the release mounts it
}

// State is how far an object is.
type State struct {
	Done      bool
	Text      string          // progress in the words of kubectl rollout status
	Worst     []string        // at most three pods that are not ready, as "pod NAME: state", the worst first
	Faults    []Fault         // what it will not recover from, the most telling first; none when Done
	Notes     []string        // what a person must be told though it is no fault
	Current   []object.Object // pods of the present template that are not being deleted
	Unasked   bool            // no pod is meant to serve
	Restarted int             // restarts of the current pods' containers since the baseline
	Starts    []string        // one for each start of such a container since then that runs on, or change of a custom resource
	Unblock   []object.Object // pods that must be deleted so that the present template can take effect
}

// Fault is a state that a rollout does not recover from by itself.
type Fault struct {
	Rule    string        // name of the rule
	Subject string        // what its age is counted for, such as "pod shop/hello-7c/hello: image"
	Cause   string        // one line for the user
	Advice  string        // what to do about it
	Grace   time.Duration // how long it may last before it counts; 0: final at once
	Lull    time.Duration // how long it may be away and still be the same
	Open    bool          // it may still end well: its age is counted, and nothing more

	// Missing is the Secret, ConfigMap or ServiceAccount that is said not to be there, and
	// Key the key that is said not to be in it, "" when the object itself is missing. It may
	// have come since: Kubernetes looks again after a while that grows to minutes.
	Missing *object.ID
	Key     string
}

// view is a snapshot with the baseline that it is judged by.
type view struct {
	Snapshot
	base   Baseline
	events map[string][]object.Object // by the uid of what they are about
}

func newView(s Snapshot, b Baseline) view {
	v := view{s, b, map[string][]object.Object{}}
	named := map[string]string{} // for events that say no uid
	for _, p := range s.Pods {
		named["Pod/"+p.Name()] = p.UID()
	}
	if s.Object != nil {
		named[s.Object.String()] = s.Object.UID()
	}
	for _, e := range s.Events {
		uid := cmp.Or(e.Text("involvedObject", "uid"), named[e.Text("involvedObject", "kind")+"/"+e.Text("involvedObject", "name")])
		v.events[uid] = append(v.events[uid], e)
	}
	return v
}

// Judge says how far an object is. A Job and a bare Pod that have failed are judged
// whenever that was; all else by what happened since the baseline.
func Judge(s Snapshot, b Baseline) State {
	v := newView(s, b)
	switch {
	case s.Gone:
		return v.gone()
	case s.Object == nil:
		return State{Text: "not there yet"}
	case leaving(s.Object):
		return State{Text: "is being deleted"}
	case !s.Object.IsWorkload():
		return v.resource()
	case !v.observed():
		// Until its controller has seen the change, its pods are the ones to be replaced.
		return State{Text: "not seen by its controller yet"}
	}
	state := v.progress()
	state.Current = v.current()
	state.Worst = v.worst(state.Current)
	state.Restarted = v.restarted(state.Current)
	state.Starts = v.starts(state.Current)
	if !state.Done {
		state.Faults = v.faults(state.Current)
		state.Unblock = v.unblock()
	}
	return state
}

// gone judges an object that has been deleted by its last state.
func (v view) gone() State {
	o := v.Object
	if o == nil {
		o = v.Wanted
	}
	cause := o.String() + " was deleted by somebody while it was rolled out"
	if !isJob(o) {
		return State{Text: "deleted", Faults: []Fault{deleted.fault(o.String(), cause)}}
	}
	if c, failed := jobFailure(o); failed {
		return State{Text: "failed", Faults: []Fault{jobFailed.fault(o.String(), jobCause(o, c))}}
	}
	if conditionOf(o, "Complete").status == "True" || conditionOf(o, "SuccessCriteriaMet").status == "True" {
		return State{Done: true, Text: "completed"}
	}
	if v.Wanted.At("spec", "ttlSecondsAfterFinished") != nil {
		return State{Done: true, Text: "finished and gone", Notes: []string{
			"gone before it was seen to complete, by its ttlSecondsAfterFinished: nothing says that it failed"}}
	}
	return State{Text: "deleted", Faults: []Fault{deleted.fault(o.String(), cause)}}
}

// observed says whether the status is about the present spec. A Job's and a Pod's say
// nothing of generations.
func (v view) observed() bool {
	if isJob(v.Object) || v.Object.Kind() == "Pod" {
		return true
	}
	generation, _ := v.Object.Int("metadata", "generation")
	return v.status("observedGeneration") >= generation
}

// status is a number of the object's status, 0 where there is none.
func (v view) status(field string) int {
	n, _ := v.Object.Int("status", field)
	return n
}

func isJob(o object.Object) bool { return o.Kind() == "Job" && o.Group() == "batch" }

// leaving says whether an object is being deleted.
func leaving(o object.Object) bool { return o.Text("metadata", "deletionTimestamp") != "" }
