package health

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway/helpers/internal/object"
)

const (
	worstPods = 3 // as many are named beside the progress

	revisionLabel      = "controller-revision-hash" // which of its templates a StatefulSet or DaemonSet made a pod from
	revisionAnnotation = "deployment.kubernetes.io/revision"
)

// container is one of a pod's, as its spec and its status say.
type container struct {
	pod          object.Object
	name         string
	spec, status object.Object
	init         bool // it must end before the pod's other containers start: no native sidecar
}

// containers are those of a pod, in the order in which they start.
func containers(p object.Object) []container {
	var all []container
	for _, list := range []struct{ specs, statuses string }{
		{"initContainers", "initContainerStatuses"}, {"containers", "containerStatuses"},
	} {
		statuses := p.List("status", list.statuses)
		for i, spec := range p.List("spec", list.specs) {
			c := container{pod: p, name: spec.Text("name"), spec: spec}
			c.init = !object.Container{Object: spec, Field: list.specs, Index: i}.Runs()
			for _, status := range statuses {
				if status.Text("name") == c.name {
					c.status = status
				}
			}
			all = append(all, c)
		}
	}
	return all
}

func (c container) key() string { return c.pod.UID() + "/" + c.name }

func (c container) restarts() int {
	n, _ := c.status.Int("restartCount")
	return n
}

// finished says whether an init container has done its work.
func (c container) finished() bool {
	code, ended := c.status.Int("state", "terminated", "exitCode")
	return c.init && ended && code == 0
}

// waiting is what the container waits for, "" where it does not.
func (c container) waiting() string { return c.status.Text("state", "waiting", "reason") }

// started says whether any process of the container has run.
func (c container) started() bool {
	return c.status.At("state", "running") != nil || c.status.At("state", "terminated") != nil ||
		c.status.At("lastState", "terminated") != nil
}

// end is how the container ended last, nil where it never has.
func (c container) end() object.Object {
	if t := c.status.Map("state", "terminated"); t != nil {
		return t
	}
	return c.status.Map("lastState", "terminated")
}

// alwaysRuns says whether the container is started again when it ends with status 0.
func (c container) alwaysRuns() bool {
	if c.init {
		return false
	}
	return cmp.Or(c.spec.Text("restartPolicy"), c.pod.Text("spec", "restartPolicy"), "Always") == "Always"
}

// backsOff says whether the container's present start has come to its end, and Kubernetes
// waits before the next one. It may say so only by the state in which it ended.
func (c container) backsOff() bool {
	reason := c.waiting()
	return reason == "CrashLoopBackOff" || reason == "RunContainerError" || c.status.At("state", "terminated") != nil
}

// String is the container as a message names it.
func (c container) String() string {
	kind := "container"
	if c.init {
		kind = "init container"
	}
	return fmt.Sprintf("%s %s of pod %s", kind, c.name, c.pod.Name())
}

func podSubject(p object.Object) string { return "pod " + p.Namespace() + "/" + p.Name() }

// Ready says whether a pod is ready to serve.
func Ready(p object.Object) bool { return conditionOf(p, "Ready").status == "True" }

// finished says whether a pod has come to its end: evicted, failed or succeeded.
func finished(p object.Object) bool {
	phase := p.Text("status", "phase")
	return phase == "Failed" || phase == "Succeeded"
}

// Ended is how a process ended, in words.
func Ended(reason string, code int) string {
	switch {
	case reason == "OOMKilled":
		return "killed for using more memory than its limit"
	case reason == "StartError", reason == "ContainerCannotRun":
		return "could not be started"
	case code > 128:
		return fmt.Sprintf("killed by signal %d", code-128)
	}
	return fmt.Sprintf("exit status %d", code)
}

// ended is how a container ended, with the reason why it could not be started.
func ended(t object.Object) string {
	code, _ := t.Int("exitCode")
	text := Ended(t.Text("reason"), code)
	if message := plain(t.Text("message")); text == "could not be started" && message != "" {
		text += ": " + message
	}
	return text
}

// PodState is what a pod is doing, in a few words.
func PodState(p object.Object) string {
	state, _ := podState(p)
	return state
}

// Ranks of what a pod or a container is doing, the worst first.
const (
	failing = iota
	hindered
	unplaced
	unready
	starting
	goingAway
	healthy
)

// podState is what a pod is doing, with its rank.
func podState(p object.Object) (state string, rank int) {
	phase := p.Text("status", "phase")
	if leaving(p) {
		return "being deleted", goingAway
	}
	if reason := p.Text("status", "reason"); finished(p) && reason != "" {
		return reason, failing
	}
	rank = healthy
	for _, c := range containers(p) {
		text, r := c.state()
		if r >= rank {
			continue
		}
		if c.init {
			text = "init " + c.name + ": " + text
		}
		state, rank = text, r
	}
	if rank < healthy {
		return state, rank
	}
	if scheduled := conditionOf(p, "PodScheduled"); scheduled.status == "False" {
		return scheduled.reason, unplaced
	}
	if phase == "Running" && !Ready(p) {
		return "running, not ready", unready
	}
	return cmp.Or(p.Text("status", "reason"), phase, "Pending"), starting
}

// state is what a container is doing, "" when it is healthy.
func (c container) state() (text string, rank int) {
	if reason := c.waiting(); c.status.At("state", "waiting") != nil {
		switch {
		case reason == "CrashLoopBackOff" && c.end() != nil:
			code, _ := c.end().Int("exitCode")
			return reason + ", " + Ended(c.end().Text("reason"), code), failing
		case reason == "", reason == "PodInitializing", reason == "ContainerCreating":
			return cmp.Or(reason, "waiting"), starting
		}
		return reason, hindered
	}
	if t := c.status.Map("state", "terminated"); t != nil {
		if code, _ := t.Int("exitCode"); code != 0 || c.alwaysRuns() {
			return Ended(t.Text("reason"), code), failing
		}
		return "", healthy
	}
	if c.init && c.status.At("state", "running") != nil {
		return "running", starting
	}
	return "", healthy
}

// worst names the pods that are not ready, the worst first.
func (v view) worst(pods []object.Object) []string {
	type entry struct {
		text string
		rank int
	}
	var all []entry
	for _, p := range pods {
		if Ready(p) || p.Text("status", "phase") == "Succeeded" || v.nodeDown(p) {
			continue
		}
		state, rank := podState(p)
		all = append(all, entry{"pod " + p.Name() + ": " + state, rank})
	}
	slices.SortStableFunc(all, func(a, b entry) int { return cmp.Or(cmp.Compare(a.rank, b.rank), strings.Compare(a.text, b.text)) })
	var texts []string
	for _, e := range all[:min(len(all), worstPods)] {
		texts = append(texts, e.text)
	}
	return texts
}

// restarted counts the restarts since the baseline, but for those of init containers: one
// that has ended is no longer of interest.
func (v view) restarted(pods []object.Object) int {
	sum := 0
	for _, p := range pods {
		for _, c := range containers(p) {
			if !c.init && !v.nodeDown(p) {
				sum += v.failures(c)
			}
		}
	}
	return sum
}

// starts tell the starts of containers since the baseline apart, but for those of init
// containers.
func (v view) starts(pods []object.Object) []string {
	var all []string
	for _, p := range pods {
		for _, c := range containers(p) {
			_, before := v.base.waiting[c.key()]
			if !c.init && !v.nodeDown(p) && c.status.At("state", "running") != nil && (!before || v.failures(c) > 0) {
				all = append(all, fmt.Sprintf("%s/%d", c.key(), c.restarts()))
			}
		}
	}
	return all
}

// failures are a container's restarts since the baseline.
func (v view) failures(c container) int { return max(c.restarts()-v.base.restarts[c.key()], 0) }

func (v view) nodeDown(p object.Object) bool { return v.NodesDown[nodeOf(p)] }

// nodeOf is the name of the node that a pod is on, or of the only one that it is for, as
// each of a DaemonSet's is.
func nodeOf(p object.Object) string {
	if name := p.Text("spec", "nodeName"); name != "" {
		return name
	}
	terms := p.List("spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
	for _, term := range terms {
		for _, field := range term.List("matchFields") {
			if names, _ := field["values"].([]any); field.Text("key") == "metadata.name" && len(names) == 1 && len(terms) == 1 {
				name, _ := names[0].(string)
				return name
			}
		}
	}
	return ""
}

// controlled says whether an object's controller is the one with the uid.
func controlled(o object.Object, uid string) bool {
	return uid != "" && slices.ContainsFunc(o.List("metadata", "ownerReferences"), func(r object.Object) bool {
		return r.Bool("controller") && r.Text("uid") == uid
	})
}

// presentSets are the ReplicaSets that a Deployment made of its present template: one,
// or none yet.
func (v view) presentSets() []object.Object {
	revision := v.Object.Annotation(revisionAnnotation)
	var present []object.Object
	for _, set := range v.Sets {
		if revision != "" && set.Annotation(revisionAnnotation) == revision && controlled(set, v.Object.UID()) {
			present = append(present, set)
		}
	}
	return present
}

// owned are the pods that the object controls and nobody is deleting.
func (v view) owned() []object.Object {
	if v.Object.Kind() == "Pod" {
		return v.pods()
	}
	owners := []object.Object{v.Object}
	if v.Object.Kind() == "Deployment" {
		owners = slices.DeleteFunc(slices.Clone(v.Sets), func(set object.Object) bool { return !controlled(set, v.Object.UID()) })
	}
	return slices.DeleteFunc(slices.Clone(v.Pods), func(p object.Object) bool {
		return leaving(p) || !slices.ContainsFunc(owners, func(o object.Object) bool { return controlled(p, o.UID()) })
	})
}

// current are the pods of the present template. Those that have come to their end belong
// to them only where that is what they are for.
func (v view) current() []object.Object {
	pods := v.owned()
	if isJob(v.Object) || v.Object.Kind() == "Pod" {
		return pods
	}
	pods = slices.DeleteFunc(pods, finished)
	switch v.Object.Kind() {
	case "Deployment":
		sets := v.presentSets()
		return slices.DeleteFunc(pods, func(p object.Object) bool {
			return !slices.ContainsFunc(sets, func(set object.Object) bool { return controlled(p, set.UID()) })
		})
	case "StatefulSet":
		return slices.DeleteFunc(pods, func(p object.Object) bool {
			return p.Label(revisionLabel) != v.Object.Text("status", "updateRevision")
		})
	case "DaemonSet":
		return v.currentDaemons(pods)
	}
	return pods
}

// currentDaemons are a DaemonSet's pods of its present template. Its status does not name
// the template's revision, but a pod made since the last change has the set's generation.
// After a change back to what was before, pods of that revision count again.
func (v view) currentDaemons(pods []object.Object) []object.Object {
	if v.status("updatedNumberScheduled") >= len(pods) {
		return pods
	}
	generation := v.Object.Annotation("deprecated.daemonset.template.generation")
	revisions := map[string]bool{}
	isNew := func(p object.Object) bool { return p.Label("pod-template-generation") == generation }
	for _, p := range pods {
		if revision := p.Label(revisionLabel); isNew(p) && revision != "" {
			revisions[revision] = true
		}
	}
	return slices.DeleteFunc(pods, func(p object.Object) bool { return !isNew(p) && !revisions[p.Label(revisionLabel)] })
}

// downNodes are the nodes that are not ready and have a pod of the object, also one that
// cannot leave.
func (v view) downNodes() []string {
	nodes := map[string]bool{}
	for _, p := range v.Pods {
		if v.nodeDown(p) && controlled(p, v.Object.UID()) {
			nodes[nodeOf(p)] = true
		}
	}
	return slices.Sorted(maps.Keys(nodes))
}
