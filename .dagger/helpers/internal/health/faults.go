package health

import (
	"regexp"
	"slices"
	"strings"

	"slipway/helpers/internal/object"
)

// faults are those of a workload and its pods of the present template, the most telling
// first.
func (v view) faults(current []object.Object) []Fault {
	o, name := v.Object, v.Object.String()
	var all []Fault
	switch o.Kind() {
	case "Job":
		if c, failed := jobFailure(o); failed {
			return []Fault{jobFailed.fault(name, jobCause(o, c))}
		}
		if o.Bool("spec", "suspend") {
			return nil
		}
	case "Pod":
		if o.Text("status", "phase") == "Failed" {
			return []Fault{podFailed.fault(name, name+" failed: "+v.podEnd(o))}
		}
	case "Deployment":
		if o.Bool("spec", "paused") && !v.Wanted.Bool("spec", "paused") {
			return []Fault{paused.fault(name, name+" is paused: Kubernetes does not roll it out")}
		}
	}
	for _, p := range current {
		if !finished(p) && !Ready(p) && !v.nodeDown(p) {
			all = append(all, v.podFaults(p)...)
		}
	}
	slices.SortStableFunc(all, func(a, b Fault) int { return int(a.Grace - b.Grace) })
	if f, refused := v.refused(); refused {
		all = append([]Fault{f}, all...)
	}
	deadline := conditionOf(o, "Progressing")
	if o.Kind() == "Deployment" && deadline.reason == "ProgressDeadlineExceeded" && deadline.status == "False" && !v.base.had(o, deadline) {
		all = append(all, deadlineExceeded.fault(name+": progress", name+" made no progress for its progressDeadlineSeconds"))
	}
	return all
}

// podEnd is why a pod has failed: what its kubelet says, and how its containers ended.
func (v view) podEnd(p object.Object) string {
	var why []string
	for _, text := range []string{p.Text("status", "reason"), plain(p.Text("status", "message"))} {
		if text != "" {
			why = append(why, text)
		}
	}
	for _, c := range containers(p) {
		if code, found := c.status.Int("state", "terminated", "exitCode"); found && code != 0 {
			why = append(why, "container "+c.name+": "+ended(c.status.Map("state", "terminated")))
		}
	}
	return strings.Join(why, ": ")
}

var accountNotFound = regexp.MustCompile(`serviceaccount "([^"]+)" not found`)

// refused is the fault of a workload whose pods the API server does not take.
func (v view) refused() (f Fault, found bool) {
	message, before := v.refusal()
	if message == "" {
		return f, false
	}
	why := message
	if _, after, cut := strings.Cut(message, "is forbidden: "); cut {
		why = after
	}
	subject := v.Object.String() + ": pods"
	cause := v.Object.String() + ": the cluster refuses its pods: " + why
	lower := strings.ToLower(why)
	quota := strings.Contains(lower, "exceeded quota")
	account := accountNotFound.FindStringSubmatch(why)
	switch {
	case quota && v.Leaving:
		return f, false
	case account != nil:
		f = accountMissing.fault(subject, cause)
		f.Missing = &object.ID{Kind: "ServiceAccount", Namespace: v.Object.Namespace(), Name: account[1]}
	case before || containsAny(lower, "failed calling webhook", "internal error occurred", "timed out", "timeout", "deadline exceeded"):
		f = podsHindered.fault(subject, cause)
	default:
		f = podsRefused.fault(subject, cause)
	}
	if quota {
		f.Advice = adviceQuota
	}
	return f, true
}

// refusal is why pods were not made, "" where there is no such thing; before says that it
// was so before the release, and may have been cured by it.
func (v view) refusal() (message string, before bool) {
	holders := []object.Object{v.Object}
	if v.Object.Kind() == "Deployment" {
		if sets := v.presentSets(); len(sets) > 0 {
			holders = sets // the Deployment's own condition may be about an old set
		}
	}
	for _, o := range holders {
		if c := conditionOf(o, "ReplicaFailure"); c.status == "True" && c.reason != "FailedDelete" {
			return c.message, v.base.had(o, c)
		}
	}
	if v.Object.Kind() == "Deployment" || v.allMade() {
		return "", false
	}
	var newest object.Object
	for _, e := range v.events[v.Object.UID()] {
		if e.Text("reason") == "FailedCreate" && v.base.fresh(e) && !v.madeSince(e) &&
			(newest == nil || last(e).After(last(newest))) {
			newest = e
		}
	}
	return plain(newest.Text("message")), false
}

// allMade says whether the pods that an object is to have exist. A Job with a pod that
// runs makes the next one when that has ended.
func (v view) allMade() bool {
	made := len(slices.DeleteFunc(v.owned(), finished))
	switch v.Object.Kind() {
	case "Job":
		return made > 0
	case "DaemonSet":
		return made >= v.status("desiredNumberScheduled")
	}
	return made >= v.replicas()
}

// madeSince says whether a pod has been made since an event that said none could be. One
// made within the same second counts: if the refusal goes on, the event comes again.
func (v view) madeSince(e object.Object) bool {
	return slices.ContainsFunc(v.owned(), func(p object.Object) bool {
		return strings.Contains(e.Text("message"), "Pod "+p.Name()+" ") || // a StatefulSet's event names the pod
			!instant(p.Text("metadata", "creationTimestamp")).Before(last(e).Truncate(1e9))
	})
}

func containsAny(text string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}
