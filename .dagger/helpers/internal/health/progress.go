package health

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"slipway/helpers/internal/object"
)

// progress says how far a workload is whose status is about its present spec.
func (v view) progress() State {
	switch v.Object.Kind() {
	case "Deployment":
		return v.deployment()
	case "StatefulSet":
		return v.statefulSet()
	case "DaemonSet":
		return v.daemonSet()
	case "Job":
		return v.job()
	case "Pod":
		return v.pod()
	}
	return v.replicaSet()
}

// replicas is the number of pods that the object is to have.
func (v view) replicas() int {
	if n, found := v.Object.Int("spec", "replicas"); found {
		return n
	}
	return 1
}

// rolled is the progress of a workload that replaces its pods.
func rolled(updated, wanted, available, old int) string {
	text := fmt.Sprintf("%d of %d pods updated, %d available", updated, wanted, available)
	if old > 0 {
		text += fmt.Sprintf(", %d old", old)
	}
	return text
}

// askNobody notes that no pod is meant to serve.
func (s *State) askNobody(why string) {
	s.Unasked = true
	s.Notes = append(s.Notes, why)
}

const noReplicas = "replicas: 0: no pod is meant to run"

func (v view) deployment() State {
	wanted, updated, available := v.replicas(), v.status("updatedReplicas"), v.status("availableReplicas")
	old := v.status("replicas") - updated
	s := State{
		Text: rolled(updated, wanted, available, old),
		Done: updated >= wanted && old <= 0 && available >= wanted,
	}
	if wanted == 0 {
		s.askNobody(noReplicas)
	}
	if !s.Done && v.Wanted.Bool("spec", "paused") && v.Object.Bool("spec", "paused") {
		if v.status("replicas") == 0 && len(v.Sets) == 0 {
			s.Done = true
			s.askNobody("paused in the manifest: it makes no pods")
			return s
		}
		s.Done = available >= wanted
		s.Notes = append(s.Notes, "paused in the manifest: its pods stay as they are")
	}
	return s
}

func (v view) statefulSet() State {
	wanted, updated, available := v.replicas(), v.status("updatedReplicas"), v.status("availableReplicas")
	if v.Object.Text("status", "currentRevision") == v.Object.Text("status", "updateRevision") {
		// With nothing to update, the pods may be counted as current ones only.
		updated = max(updated, v.status("currentReplicas"))
	}
	old := v.status("replicas") - updated
	s := State{Text: rolled(updated, wanted, available, old)}
	if wanted == 0 {
		s.askNobody(noReplicas)
	}
	if v.onDelete() {
		s.Done = v.status("replicas") >= wanted && available >= wanted
		s.noteOnDelete(old)
		return s
	}
	kept := min(v.partition(), wanted)
	s.Done = updated >= wanted-kept && old <= kept && available >= wanted
	if s.Done && old > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("partition: %d pods stay on an older template", old))
	}
	return s
}

// partition is how many of its pods a StatefulSet is not to update.
func (v view) partition() int {
	n, _ := v.Object.Int("spec", "updateStrategy", "rollingUpdate", "partition")
	return n
}

func (v view) onDelete() bool { return v.Object.Text("spec", "updateStrategy", "type") == "OnDelete" }

func (s *State) noteOnDelete(old int) {
	if old > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("OnDelete: %d pods keep an older template until somebody deletes them", old))
	}
}

func (v view) daemonSet() State {
	down := v.downNodes()
	updated, available := v.status("updatedNumberScheduled"), v.status("numberAvailable")
	wanted := max(v.status("desiredNumberScheduled")-len(down), 0)
	if len(down) > 0 {
		updated = min(updated, len(slices.DeleteFunc(v.current(), v.nodeDown)))
	}
	s := State{Text: fmt.Sprintf("%d of %d pods updated, %d available", updated, wanted, available)}
	if len(down) > 0 {
		s.Notes = append(s.Notes, "not waited for on nodes that are not ready: "+strings.Join(down, ", "))
		if updated < wanted {
			s.Text += fmt.Sprintf(", %d on nodes that are not ready, which count against its maxUnavailable", len(down))
		}
	}
	switch {
	case v.status("desiredNumberScheduled") == 0:
		s.Done = true
		s.askNobody("no node is to run a pod of it")
	case v.onDelete():
		s.Done = available >= wanted
		s.noteOnDelete(v.status("currentNumberScheduled") - len(down) - updated)
	default:
		s.Done = updated >= wanted && available >= wanted
	}
	return s
}

// replicaSet is the progress of a ReplicaSet or ReplicationController, which replace no
// pods.
func (v view) replicaSet() State {
	wanted, available := v.replicas(), v.status("availableReplicas")
	s := State{
		Text: fmt.Sprintf("%d of %d pods available", available, wanted),
		Done: v.status("replicas") >= wanted && available >= wanted,
	}
	if wanted == 0 {
		s.askNobody(noReplicas)
	}
	return s
}

func (v view) job() State {
	wanted, found := v.Object.Int("spec", "completions")
	if !found {
		wanted = 1
	}
	s := State{
		Text: fmt.Sprintf("%d of %d completed", v.status("succeeded"), wanted),
		Done: conditionOf(v.Object, "Complete").status == "True",
	}
	for _, part := range []string{"active", "failed"} {
		if n := v.status(part); n > 0 && !s.Done {
			s.Text += fmt.Sprintf(", %d %s", n, part)
		}
	}
	_, failed := jobFailure(v.Object)
	switch {
	case s.Done || failed || !v.Object.Bool("spec", "suspend"):
	case v.Wanted.Bool("spec", "suspend"):
		s.Done = true
		s.Text = "is suspended"
		s.askNobody("is suspended: not waited for")
	default:
		s.Text = "is suspended" // by a queue such as Kueue, which lets it go on when its turn comes
	}
	return s
}

// jobFailure is the condition that says that a Job has failed, or is about to.
func jobFailure(o object.Object) (condition, bool) {
	for _, kind := range []string{"Failed", "FailureTarget"} {
		if c := conditionOf(o, kind); c.status == "True" {
			return c, true
		}
	}
	return condition{}, false
}

func jobCause(o object.Object, c condition) string {
	switch {
	case c.message != "":
		return o.String() + " failed: " + c.message
	case c.reason != "":
		return o.String() + " failed: " + c.reason
	}
	return o.String() + " failed"
}

func (v view) pod() State {
	s := State{Text: PodState(v.Object), Done: Ready(v.Object)}
	if v.Object.Text("status", "phase") == "Succeeded" && v.Object.Text("spec", "restartPolicy") != "Always" {
		s.Done = true
		s.Text = "completed"
		s.Unasked = true
	}
	if s.Done && !s.Unasked {
		s.Text = "ready"
	}
	return s
}

// unblock are the pods of a StatefulSet that are broken and of an older template. The
// controller waits forever for such a pod to become ready before it replaces it, even
// where the present template is the cure.
func (v view) unblock() []object.Object {
	if v.Object.Kind() != "StatefulSet" || v.onDelete() || v.Object.Text("status", "updateRevision") == "" {
		return nil
	}
	start, _ := v.Object.Int("spec", "ordinals", "start")
	return slices.DeleteFunc(v.owned(), func(p object.Object) bool {
		return p.Label(revisionLabel) == v.Object.Text("status", "updateRevision") || Ready(p) || v.nodeDown(p) ||
			ordinal(p)-start < v.partition() || !broken(p)
	})
}

// ordinal is a StatefulSet pod's number, -1 if its name has none.
func ordinal(p object.Object) int {
	name := p.Name()
	n, err := strconv.Atoi(name[strings.LastIndex(name, "-")+1:])
	if err != nil {
		return -1
	}
	return n
}

// broken says whether a pod is in a state that its own template keeps it in. One that
// runs and is not ready yet may only be slow.
func broken(p object.Object) bool {
	if c := conditionOf(p, "PodScheduled"); c.status == "False" && c.reason == "Unschedulable" {
		return true
	}
	return slices.ContainsFunc(containers(p), func(c container) bool {
		switch c.waiting() {
		case "CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull",
			"CreateContainerConfigError", "CreateContainerError", "RunContainerError":
			return true
		}
		// The first restart comes at once; from the second on, Kubernetes waits.
		return c.backsOff() && !c.finished() && c.restarts() >= 2
	})
}
