package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"slipway/helpers/internal/health"
	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/sanitize"
)

// How much of what others say is shown of a failure: nothing but states and the API's own
// reasons, the last lines, or more of them.
const (
	evidenceNone  = "none"
	evidenceShort = "short"
	evidenceFull  = "full"
)

// evidenceLines is how many of a container's last log lines are shown.
func (r request) evidenceLines() int { return r.measure(0, 10, 200) }

// evidenceEvents is how many of the last warnings are shown.
func (r request) evidenceEvents() int { return r.measure(0, 5, 50) }

func (r request) measure(none, short, full int) int {
	switch r.Evidence {
	case evidenceNone:
		return none
	case evidenceFull:
		return full
	}
	return short
}

// evidence is what can be seen of an object that fails: state, last log lines of its most
// telling pod, and warnings. It is collected before the pods are taken away, and an error
// here must not hide the one that led here.
func (s *session) evidence(ctx context.Context, w *watcher, st state) []string {
	var lines []string
	about := map[string]bool{st.object.Name(): true}
	if p := worstPod(st.Current); p != nil {
		about[p.Name()] = true
		lines = append(lines, fmt.Sprintf("pod %s: %s", p.Name(), sanitize.Line(health.PodState(p))))
		lines = append(lines, s.lastWords(ctx, p, func(status object.Object) bool {
			return !status.Bool("ready") && status.Text("state", "terminated", "reason") != "Completed"
		})...)
	}
	var warnings []string
	for _, e := range w.items(eventType, st.object.Namespace()) {
		line := e.Text("reason") + ": " + strings.TrimSpace(e.Text("message"))
		if e.Text("type") == "Warning" && about[e.Text("involvedObject", "name")] && !slices.Contains(warnings, line) {
			warnings = append(warnings, line)
		}
	}
	if len(warnings) > 0 && s.evidenceEvents() > 0 {
		lines = append(lines, "events:")
		lines = append(lines, sanitize.Quote(warnings[max(0, len(warnings)-s.evidenceEvents()):])...)
	}
	return lines
}

// lastWords are the last log lines of those of a pod's containers that are wanted, by
// their status.
func (s *session) lastWords(ctx context.Context, p object.Object, wanted func(status object.Object) bool) []string {
	var lines []string
	for _, status := range containerStatuses(p) {
		if !wanted(status) || s.evidenceLines() == 0 {
			continue
		}
		restarts, _ := status.Int("restartCount")
		log := s.lastLines(ctx, p, status.Text("name"), restarts > 0 && status.At("state", "terminated") == nil && !status.Bool("ready"))
		if len(log) > 0 {
			lines = append(lines, fmt.Sprintf("last log lines of container %s:", status.Text("name")))
			lines = append(lines, sanitize.Quote(log)...)
		}
	}
	return lines
}

func anyContainer(object.Object) bool { return true }

// worstPod is the one of those not ready whose containers restarted most, nil if all are
// ready.
func worstPod(pods []object.Object) object.Object {
	var worst object.Object
	for _, p := range pods {
		if !health.Ready(p) && (worst == nil || restarts(p) > restarts(worst)) {
			worst = p
		}
	}
	return worst
}

// containerStatuses are those of a pod, init containers first.
func containerStatuses(p object.Object) []object.Object {
	return slices.Concat(p.List("status", "initContainerStatuses"), p.List("status", "containerStatuses"))
}

func restarts(p object.Object) (n int) {
	for _, status := range containerStatuses(p) {
		count, _ := status.Int("restartCount")
		n += count
	}
	return n
}

// lastLines is the end of a container's log; of the run before the present one if
// previous is set and there is such a log.
func (s *session) lastLines(ctx context.Context, p object.Object, container string, previous bool) []string {
	text, err := s.client.Log(ctx, p.Namespace(), p.Name(), kube.LogOptions{Container: container, Lines: s.evidenceLines(), Previous: previous})
	if previous && (err != nil || text == "") {
		return s.lastLines(ctx, p, container, false)
	}
	if err != nil || strings.TrimSpace(text) == "" {
		return nil
	}
	return strings.Split(strings.TrimRight(text, "\n"), "\n")
}
