package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	// revisionLabel says which of its templates a StatefulSet made a pod from.
	revisionLabel = "controller-revision-hash"

	replacePatience = 3 * time.Second // a StatefulSet does not replace a broken pod
)

type condition struct{ Type, Status, Reason, Message string }

func find(conditions []condition, kind string) condition {
	for _, c := range conditions {
		if c.Type == kind {
			return c
		}
	}
	return condition{}
}

type meta struct {
	Name, UID         string
	Generation        int64
	Labels            map[string]string
	Annotations       map[string]string
	DeletionTimestamp string
	OwnerReferences   []struct{ Kind, Name string }
}

// workload is what Deployment, StatefulSet, DaemonSet and Job have in common here.
type workload struct {
	Metadata meta
	Spec     struct {
		Replicas       *int
		Completions    *int
		Paused         bool
		UpdateStrategy struct {
			RollingUpdate struct{ Partition int }
		}
		Selector struct {
			MatchLabels      map[string]string
			MatchExpressions []struct {
				Key, Operator string
				Values        []string
			}
		}
	}
	Status struct {
		ObservedGeneration                                              int64
		Replicas, UpdatedReplicas, AvailableReplicas, Succeeded         int
		UpdateRevision                                                  string
		DesiredNumberScheduled, UpdatedNumberScheduled, NumberAvailable int
		Conditions                                                      []condition
	}
}

type containerState struct {
	Waiting    *struct{ Reason, Message string }
	Terminated *struct {
		Reason   string
		ExitCode int
	}
}

type containerStatus struct {
	Name         string
	Ready        bool
	RestartCount int
	State        containerState
	LastState    containerState
}

type pod struct {
	Metadata meta
	Spec     struct{ NodeName string }
	Status   struct {
		Phase, Reason                            string
		Conditions                               []condition
		ContainerStatuses, InitContainerStatuses []containerStatus
	}
}

func (p pod) ready() bool { return find(p.Status.Conditions, "Ready").Status == "True" }

// selector is the workload's as a query takes it.
func (w workload) selector() string {
	var terms []string
	for k, v := range w.Spec.Selector.MatchLabels {
		terms = append(terms, k+"="+v)
	}
	for _, e := range w.Spec.Selector.MatchExpressions {
		values := "(" + strings.Join(e.Values, ",") + ")"
		terms = append(terms, map[string]string{
			"In": e.Key + " in " + values, "NotIn": e.Key + " notin " + values, "Exists": e.Key, "DoesNotExist": "!" + e.Key,
		}[e.Operator])
	}
	slices.Sort(terms)
	return strings.Join(terms, ",")
}

// isWorkload says whether an object runs pods that a release has to wait for.
func isWorkload(o object) bool {
	return slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet"}, o.kind()) && strings.HasPrefix(o.version(), "apps/") ||
		o.kind() == "Job" && strings.HasPrefix(o.version(), "batch/")
}

// workload is the live one, nil when there is none.
func (c *cluster) workload(ctx context.Context, o object) (*workload, error) {
	live, err := c.read(ctx, o)
	if err != nil || live == nil {
		return nil, err
	}
	w, err := convert[workload](live)
	return &w, err
}

func (c *cluster) pods(ctx context.Context, selector string) ([]pod, error) {
	var list struct{ Items []pod }
	query := url.Values{"labelSelector": {selector}}
	err := c.get(ctx, "/api/v1/namespaces/"+c.namespace+"/pods?"+query.Encode(), &list)
	return list.Items, err
}

// current are those of the workload's pods that its present template made.
func (c *cluster) current(ctx context.Context, o object, w workload, pods []pod) ([]pod, error) {
	var label, value string
	switch o.kind() {
	case "Deployment":
		var sets struct{ Items []struct{ Metadata meta } }
		query := url.Values{"labelSelector": {w.selector()}}
		if err := c.get(ctx, "/apis/apps/v1/namespaces/"+c.namespace+"/replicasets?"+query.Encode(), &sets); err != nil {
			return nil, err
		}
		const revision = "deployment.kubernetes.io/revision"
		label, value = "pod-template-hash", "not made yet"
		for _, s := range sets.Items {
			if s.Metadata.Annotations[revision] == w.Metadata.Annotations[revision] &&
				slices.ContainsFunc(s.Metadata.OwnerReferences, func(r struct{ Kind, Name string }) bool { return r.Name == o.name() }) {
				value = s.Metadata.Labels[label]
			}
		}
	case "StatefulSet":
		label, value = revisionLabel, w.Status.UpdateRevision
	case "DaemonSet":
		label, value = "pod-template-generation", w.Metadata.Annotations["deprecated.daemonset.template.generation"]
	default:
		return pods, nil
	}
	return slices.DeleteFunc(pods, func(p pod) bool {
		return p.Metadata.Labels[label] != value || p.Metadata.DeletionTimestamp != ""
	}), nil
}

// unblock deletes pods of a StatefulSet that are broken and of another template
// than the present one. The controller waits for ever for such a pod to get ready
// before it replaces it, also where the present template is the cure.
func (c *cluster) unblock(ctx context.Context, o object, w workload, pods []pod, since map[string]time.Time) error {
	if o.kind() != "StatefulSet" || w.Spec.UpdateStrategy.RollingUpdate.Partition > 0 {
		return nil
	}
	for _, p := range pods {
		m := p.Metadata
		if p.ready() || m.DeletionTimestamp != "" || m.Labels[revisionLabel] == w.Status.UpdateRevision ||
			!lasts(since, m.UID, replacePatience) {
			continue
		}
		say("%s: deleting pod %s, which is not ready and of an older template", o, m.Name)
		pod := object{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": m.Name, "namespace": c.namespace}}
		if err := c.delete(ctx, pod); err != nil {
			return err
		}
	}
	return nil
}

// observed says whether the status is about the present spec. A Job's says nothing
// of generations.
func (w workload) observed(kind string) bool {
	return kind == "Job" || w.Status.ObservedGeneration >= w.Metadata.Generation
}

// progress says how far a workload is, in the words of kubectl rollout status.
func (w workload) progress(kind string) (string, bool) {
	s := w.Status
	if !w.observed(kind) {
		return "not seen by its controller yet", false
	}
	switch kind {
	case "Job":
		wanted := 1
		if w.Spec.Completions != nil {
			wanted = *w.Spec.Completions
		}
		return fmt.Sprintf("%d of %d completed", s.Succeeded, wanted), find(s.Conditions, "Complete").Status == "True"
	case "DaemonSet":
		return fmt.Sprintf("%d of %d pods updated, %d available", s.UpdatedNumberScheduled, s.DesiredNumberScheduled, s.NumberAvailable),
			s.UpdatedNumberScheduled >= s.DesiredNumberScheduled && s.NumberAvailable >= s.DesiredNumberScheduled
	}
	wanted := 1
	if w.Spec.Replicas != nil {
		wanted = *w.Spec.Replicas
	}
	text := fmt.Sprintf("%d of %d pods updated, %d available", s.UpdatedReplicas, wanted, s.AvailableReplicas)
	old := s.Replicas - s.UpdatedReplicas
	if old > 0 {
		text += fmt.Sprintf(", %d old", old)
	}
	kept := min(w.Spec.UpdateStrategy.RollingUpdate.Partition, wanted) // pods that a StatefulSet is not to update
	return text, s.UpdatedReplicas >= wanted-kept && old <= kept && s.AvailableReplicas >= wanted
}

// await waits for all workloads, reporting progress, and ends early on what
// cannot heal. The error is a *verdict where the release is to blame.
func (c *cluster) await(ctx context.Context, objects []object) error {
	waiting := slices.DeleteFunc(slices.Clone(objects), func(o object) bool { return !isWorkload(o) })
	start := time.Now()
	said := map[string]string{}
	since := map[string]time.Time{} // when a state that may heal was first seen
	for len(waiting) > 0 {
		for i := 0; i < len(waiting); i++ {
			o := waiting[i]
			w, err := c.workload(ctx, o)
			if err != nil {
				return err
			}
			if w == nil {
				return &verdict{cause: o.String() + " was deleted by somebody while it was rolled out", advice: "find out who, then deploy again"}
			}
			text, done := w.progress(o.kind())
			if done {
				say("%s: %s", o, text)
				waiting = slices.Delete(waiting, i, i+1)
				i--
				continue
			}
			// Before its controller has seen the change, its pods are the ones to be replaced.
			var pods []pod
			var v *verdict
			if w.observed(o.kind()) {
				if pods, err = c.pods(ctx, w.selector()); err != nil {
					return err
				}
				if err := c.unblock(ctx, o, *w, pods, since); err != nil {
					return err
				}
				if pods, err = c.current(ctx, o, *w, pods); err != nil {
					return err
				}
				v = stuck(o, *w, pods, since)
				if v != nil && v.noNode != "" && c.nodeComes(ctx, v.noNode) {
					v = nil
				}
			}
			for _, p := range pods {
				if !p.ready() {
					text += "; " + p.Metadata.Name + ": " + p.state()
				}
			}
			if said[o.id()] != text {
				said[o.id()] = text
				say("%s: %s", o, text)
			}
			if v == nil && time.Since(start) > c.limit {
				v = &verdict{
					cause:  fmt.Sprintf("%s was not rolled out within %s: %s", o, c.limit, text),
					advice: "see why the pods are not ready, or allow more time with --timeout",
				}
			}
			if v != nil {
				v.detail = append(v.detail, c.evidence(ctx, o, pods)...)
				return v
			}
		}
		if len(waiting) > 0 {
			// Most rollouts take seconds; one that takes minutes need not be asked as often.
			if !pause(ctx, min(50*time.Millisecond+time.Since(start)/40, time.Second)) {
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

// state is what a pod is doing, in a few words.
func (p pod) state() string {
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if s.State.Waiting != nil {
			return cmp.Or(s.State.Waiting.Reason, "waiting")
		}
		if t := s.State.Terminated; t != nil && t.ExitCode != 0 {
			return ended(t.Reason, t.ExitCode)
		}
	}
	if scheduled := find(p.Status.Conditions, "PodScheduled"); scheduled.Status == "False" {
		return scheduled.Reason
	}
	if p.Status.Phase == "Running" && !p.ready() {
		return "running, not ready"
	}
	return cmp.Or(p.Status.Reason, p.Status.Phase)
}

func ended(reason string, code int) string {
	switch {
	case reason == "OOMKilled":
		return "killed for using more memory than its limit"
	case code > 128:
		return fmt.Sprintf("killed by signal %d", code-128)
	}
	return fmt.Sprintf("exit status %d", code)
}

// pause waits, or returns false when ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
