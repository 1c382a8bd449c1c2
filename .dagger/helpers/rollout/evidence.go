package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

const (
	evidenceLines  = 10 // of a container's log
	evidenceEvents = 5
)

// evidence is what can be seen of a workload that fails: states, warnings and
// last log lines of its most telling pod. It is collected before a rollback
// takes the pods away, and an error here must not hide the one that led here.
func (c *cluster) evidence(ctx context.Context, o object, pods []pod) []string {
	var lines []string
	about := []string{o.name()}
	var worst *pod
	for _, p := range pods {
		if p.ready() {
			continue
		}
		if worst == nil || restarts(p) > restarts(*worst) {
			worst = &p
		}
	}
	if worst != nil {
		about = append(about, worst.Metadata.Name)
		lines = append(lines, fmt.Sprintf("pod %s: %s", worst.Metadata.Name, worst.state()))
		for _, s := range slices.Concat(worst.Status.InitContainerStatuses, worst.Status.ContainerStatuses) {
			if s.Ready {
				continue
			}
			log := c.lastLines(ctx, worst.Metadata.Name, s.Name, s.RestartCount > 0 && s.State.Terminated == nil)
			if len(log) > 0 {
				lines = append(lines, fmt.Sprintf("last log lines of container %s:", s.Name))
				lines = append(lines, indent(log)...)
			}
		}
	}
	if warnings := c.warnings(ctx, about); len(warnings) > 0 {
		lines = append(lines, "events:")
		lines = append(lines, indent(warnings)...)
	}
	return lines
}

func restarts(p pod) (n int) {
	for _, s := range p.Status.ContainerStatuses {
		n += s.RestartCount
	}
	return n
}

// log is the end of a container's log; of the run before the present one if
// previous is set.
func (c *cluster) log(ctx context.Context, pod, container string, lines int, previous bool) (string, error) {
	query := url.Values{"container": {container}, "tailLines": {fmt.Sprint(lines)}, "previous": {fmt.Sprint(previous)}}
	var text string
	err := c.get(ctx, "/api/v1/namespaces/"+c.namespace+"/pods/"+pod+"/log?"+query.Encode(), &text)
	return text, err
}

// lastLines is the end of a container's log; of the run before the present one
// if previous is set and there is such a log.
func (c *cluster) lastLines(ctx context.Context, pod, container string, previous bool) []string {
	text, err := c.log(ctx, pod, container, evidenceLines, previous)
	if previous && (err != nil || text == "") {
		return c.lastLines(ctx, pod, container, false)
	}
	if err != nil || strings.TrimSpace(text) == "" {
		return nil
	}
	return strings.Split(strings.TrimRight(text, "\n"), "\n")
}

type event struct {
	Reason, Message string
	InvolvedObject  struct{ Name string }
}

// events are those that a field selector chooses, oldest first.
func (c *cluster) events(ctx context.Context, selector string) ([]event, error) {
	var list struct{ Items []event }
	query := url.Values{"fieldSelector": {selector}}
	err := c.get(ctx, "/api/v1/namespaces/"+c.namespace+"/events?"+query.Encode(), &list)
	return list.Items, err
}

// warnings are the latest warning events about objects with one of the names.
func (c *cluster) warnings(ctx context.Context, names []string) []string {
	events, err := c.events(ctx, "type=Warning")
	if err != nil {
		return nil
	}
	var lines []string
	for _, e := range events {
		if slices.Contains(names, e.InvolvedObject.Name) {
			line := fmt.Sprintf("%s: %s", e.Reason, strings.TrimSpace(e.Message))
			if !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
	}
	return lines[max(0, len(lines)-evidenceEvents):]
}

func indent(lines []string) []string {
	indented := make([]string, len(lines))
	for i, l := range lines {
		indented[i] = "  " + l
	}
	return indented
}
