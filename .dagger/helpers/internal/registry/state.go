package registry

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/helpers/internal/object"
	"slipway/helpers/internal/sanitize"
)

// Copy is the registry's part on one node.
type Copy struct {
	Node, Pod string
	Ready     bool
	Crashed   bool // its log says why

	// Problem is why it is not ready, "" while it may just be starting; Grace is how long
	// it may last.
	Problem string
	Grace   time.Duration
}

// State is how far the registry is.
type State struct {
	Copies []Copy   // on the nodes that must have one, in their order
	Away   []string // nodes that cannot have one now, each with the reason
}

const (
	pullGrace  = 20 * time.Second
	placeGrace = 20 * time.Second
	crashGrace = 5 * time.Second
	// An event may be of before, and the next attempt succeed.
	refusedGrace = 8 * time.Second
)

// Judge tells how far the registry is from what the cluster says of its nodes, the
// DaemonSet's pods and the events about it.
func Judge(nodes, pods []object.Object, daemonSet object.Object, events []object.Object) State {
	var s State
	for _, n := range nodes {
		if n.Label("kubernetes.io/os") != "linux" {
			continue // It runs nothing that is built here.
		}
		if why := away(n); why != "" {
			s.Away = append(s.Away, fmt.Sprintf("node %s %s", n.Name(), why))
			continue
		}
		s.Copies = append(s.Copies, copyOn(n.Name(), pods, daemonSet))
	}
	why := refused(events, daemonSet)
	for i, c := range s.Copies {
		if c.Pod == "" && why != "" {
			s.Copies[i].Problem, s.Copies[i].Grace = why, refusedGrace
		}
	}
	return s
}

func away(node object.Object) string {
	for _, v := range virtual {
		if node.Label(v.label) == v.value {
			return "is no machine of its own (" + v.value + "), so its pods cannot pull an image that was carried in"
		}
	}
	if !condition(node, "Ready") {
		return "is not ready: deploy again when it is, so that it gets the image"
	}
	return ""
}

func condition(o object.Object, kind string) bool {
	return slices.ContainsFunc(o.List("status", "conditions"), func(c object.Object) bool {
		return c.Text("type") == kind && c.Text("status") == "True"
	})
}

// nodeOf is the node of a DaemonSet's pod, which is fixed before it is scheduled.
func nodeOf(pod object.Object) string {
	if name := pod.Text("spec", "nodeName"); name != "" {
		return name
	}
	terms := pod.Map("spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution").List("nodeSelectorTerms")
	for _, term := range terms {
		for _, field := range term.List("matchFields") {
			values, _ := field.At("values").([]any)
			if field.Text("key") == "metadata.name" && len(values) == 1 {
				name, _ := values[0].(string)
				return name
			}
		}
	}
	return ""
}

// copyOn is the state of the newest of the node's pods.
func copyOn(node string, pods []object.Object, daemonSet object.Object) Copy {
	c := Copy{Node: node}
	generation, _ := daemonSet.Int("metadata", "generation")
	for _, p := range pods {
		current := p.Label("pod-template-generation") == "" || p.Label("pod-template-generation") == fmt.Sprint(generation)
		if nodeOf(p) != node || p.Text("metadata", "deletionTimestamp") != "" || !current || p.Text("status", "phase") == "Failed" {
			continue
		}
		c.Pod, c.Ready = p.Name(), condition(p, "Ready")
		if !c.Ready {
			c.judge(p)
		}
	}
	return c
}

// pullReasons are those of a container whose image cannot be had.
var pullReasons = []string{"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}

func (c *Copy) judge(pod object.Object) {
	for _, cond := range pod.List("status", "conditions") {
		if cond.Text("type") != "PodScheduled" || cond.Text("status") != "False" {
			continue
		}
		message := cond.Text("message")
		if strings.Contains(message, "free ports") {
			c.Problem = fmt.Sprintf("port %d is taken by another pod", Port)
			return
		}
		c.Problem, c.Grace = "no room for it: "+sanitize.Line(message), placeGrace
	}
	for _, status := range pod.List("status", "containerStatuses") {
		waiting := status.Map("state", "waiting")
		restarts, _ := status.Int("restartCount")
		switch {
		case slices.Contains(pullReasons, waiting.Text("reason")):
			c.Problem, c.Grace = fmt.Sprintf("its image cannot be pulled (%s): name one that the nodes can pull with --registry-image",
				sanitize.Line(waiting.Text("message"))), pullGrace
		case restarts > 0 || waiting.Text("reason") == "CrashLoopBackOff" || status.At("state", "terminated") != nil:
			c.Problem, c.Crashed, c.Grace = "it ends as soon as it starts", true, crashGrace
		case strings.HasSuffix(waiting.Text("reason"), "Error"):
			c.Problem, c.Grace = sanitize.Line(waiting.Text("message")), crashGrace
		}
	}
}

// refused is why the cluster takes none of the DaemonSet's pods, "" if nothing says so.
func refused(events []object.Object, daemonSet object.Object) string {
	why := ""
	for _, e := range events {
		if e.Text("reason") == "FailedCreate" && e.Text("involvedObject", "uid") == daemonSet.UID() {
			why = "the cluster does not admit its pods: " + sanitize.Line(e.Text("message"))
		}
	}
	return why
}
