package health

import (
	"cmp"
	"fmt"
	"slices"
)

// builtIn are the API groups of Kubernetes itself whose kinds are ready as soon as they
// are there, but for those that resource knows.
var builtIn = []string{"", "apps", "batch", "autoscaling", "policy", "networking.k8s.io", "rbac.authorization.k8s.io", "storage.k8s.io",
	"scheduling.k8s.io", "coordination.k8s.io", "node.k8s.io", "admissionregistration.k8s.io", "discovery.k8s.io", "events.k8s.io",
	"certificates.k8s.io", "flowcontrol.apiserver.k8s.io", "resource.k8s.io"}

const there = "there"

// resource judges an object that makes no pods.
func (v view) resource() State {
	o := v.Object
	switch {
	case o.Kind() == "PersistentVolumeClaim" && o.Group() == "":
		return v.claim()
	case o.Kind() == "Service" && o.Group() == "":
		if o.Text("spec", "type") == "LoadBalancer" && len(o.List("status", "loadBalancer", "ingress")) == 0 {
			return State{Done: true, Text: there, Notes: []string{"LoadBalancer: it has no address yet"}}
		}
		return State{Done: true, Text: there}
	case o.Kind() == "CustomResourceDefinition" && o.Group() == "apiextensions.k8s.io":
		if c := conditionOf(o, "NamesAccepted"); c.status == "False" {
			return State{Text: c.reason, Faults: []Fault{namesTaken.fault(o.String(), o.String()+": "+because(c))}}
		}
		return v.untilTrue("Established", "established")
	case o.Kind() == "APIService" && o.Group() == "apiregistration.k8s.io":
		return v.untilTrue("Available", "available")
	case slices.Contains(builtIn, o.Group()):
		return State{Done: true, Text: there}
	}
	state := v.custom()
	if state.Done && !v.base.same(o) {
		generation, _ := o.Int("metadata", "generation")
		state.Starts = []string{fmt.Sprintf("%s/%d", o.UID(), generation)}
	}
	return state
}

// because is what a condition gives as its reason.
func because(c condition) string { return cmp.Or(c.message, c.reason, c.kind+" is "+c.status) }

// untilTrue waits for a condition of a kind that always gets it.
func (v view) untilTrue(kind, done string) State {
	c := conditionOf(v.Object, kind)
	switch {
	case c.status == "True":
		return State{Done: true, Text: done}
	case c.kind == "":
		return State{Text: "not " + done + " yet"}
	}
	return State{Text: "not " + done + " yet: " + because(c)}
}

func (v view) claim() State {
	switch phase := v.Object.Text("status", "phase"); {
	case phase == "Bound":
		return State{Done: true, Text: "bound"}
	case phase == "Lost":
		return State{Text: "lost", Faults: []Fault{claimLost.fault(v.Object.String(), v.Object.String()+" has lost its volume")}}
	case v.Mounted:
		return State{Done: true, Text: "not bound yet: the pods that mount it wait for it"}
	}
	return State{Done: true, Text: "not bound", Notes: []string{"is not bound to a volume: nothing of the release mounts it"}}
}

// custom judges an object of a kind that somebody's controller looks after, by the
// conditions that kstatus made common.
func (v view) custom() State {
	o := v.Object
	generation, _ := o.Int("metadata", "generation")
	if seen, found := o.Int("status", "observedGeneration"); found && seen < generation {
		return State{Text: "not seen by its controller yet"}
	}
	if c := conditionOf(o, "Stalled"); c.status == "True" && !c.stale {
		if v.base.same(o) && v.base.had(o, c) {
			return asBefore(c)
		}
		return State{Text: "stalled", Faults: []Fault{stalled.fault(o.String(), o.String()+" is stalled: "+because(c))}}
	}
	if c := conditionOf(o, "Reconciling"); c.status == "True" && !c.stale {
		return State{Text: "reconciling: " + because(c)}
	}
	switch c := conditionOf(o, "Ready"); {
	case c.kind == "":
		return State{Done: true, Text: there}
	case c.stale:
		return State{Text: "not seen by its controller yet"}
	case c.status == "True":
		return State{Done: true, Text: "ready"}
	case v.base.same(o) && v.base.lacked(o, c.kind):
		return asBefore(c)
	default:
		return State{Text: "not ready: " + because(c)}
	}
}

// asBefore is the state of an object that the release did not change, and that was not
// ready before it either.
func asBefore(c condition) State {
	return State{Done: true, Text: "not ready, as before", Notes: []string{"was not ready before this release either: " + because(c)}}
}
