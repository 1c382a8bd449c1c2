package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	crashLimit = 3 // starts of a container that ended in a crash

	// These may heal by themselves, and mostly do not.
	pullPatience     = 30 * time.Second // the registry does not answer
	schedulePatience = 20 * time.Second // no node has room
	createPatience   = 8 * time.Second  // the API server refuses the pods; or one refers to what is missing
)

// verdict is why a release cannot be had.
type verdict struct {
	cause  string   // one line
	detail []string // what was seen: states, events, log lines
	advice string   // what to do about it
	noNode string   // the pod that no node can take, if it is that
}

func (v *verdict) Error() string { return v.cause }

// lasts says whether a state is older than limit; since holds when each was first
// seen.
func lasts(since map[string]time.Time, key string, limit time.Duration) bool {
	if since[key].IsZero() {
		since[key] = time.Now()
	}
	return time.Since(since[key]) > limit
}

// stuck looks for a state that cannot heal, or that has not in its time.
func stuck(o object, w workload, pods []pod, since map[string]time.Time) *verdict {
	if f := find(w.Status.Conditions, "ReplicaFailure"); f.Status == "True" && lasts(since, o.id()+f.Message, createPatience) {
		return refusedPods(o, f.Message)
	}
	if w.Spec.Paused {
		return &verdict{cause: o.String() + " is paused: Kubernetes does not roll it out", advice: "kubectl rollout resume, or take paused out of the manifest"}
	}
	if p := find(w.Status.Conditions, "Progressing"); p.Reason == "ProgressDeadlineExceeded" {
		return &verdict{cause: fmt.Sprintf("%s made no progress for its progressDeadlineSeconds", o), advice: "see why the pods are not ready"}
	}
	if f := find(w.Status.Conditions, "Failed"); o.kind() == "Job" && f.Status == "True" {
		return &verdict{cause: fmt.Sprintf("%s failed: %s", o, f.Message), advice: "see the log of its pods"}
	}
	for _, p := range pods {
		name := p.Metadata.Name
		if s := find(p.Status.Conditions, "PodScheduled"); s.Status == "False" && s.Reason == "Unschedulable" && lasts(since, name+"/schedule", schedulePatience) {
			return &verdict{
				cause:  fmt.Sprintf("no node can take pod %s: %s", name, s.Message),
				advice: "request less, make room, or add a node",
				noNode: name,
			}
		}
		for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
			if v := stuckContainer(name, s, since); v != nil {
				return v
			}
		}
	}
	return nil
}

// nodeComes says whether an autoscaler has promised a node for the pod, which may
// take minutes.
func (c *cluster) nodeComes(ctx context.Context, pod string) bool {
	events, err := c.events(ctx, "involvedObject.name="+pod)
	return err == nil && slices.ContainsFunc(events, func(e event) bool {
		return e.Reason == "TriggeredScaleUp" || e.Reason == "Nominated" // cluster-autoscaler's, Karpenter's
	})
}

func refusedPods(o object, message string) *verdict {
	_, why, found := strings.Cut(message, "is forbidden: ")
	if !found {
		why = message
	}
	v := &verdict{cause: fmt.Sprintf("%s: the cluster refuses its pods: %s", o, why), advice: "change the manifest as the message says"}
	if strings.Contains(why, "exceeded quota") {
		v.advice = "request less, delete something, or have the namespace's ResourceQuota raised; a rollout needs room for one pod more (maxSurge)"
	}
	return v
}

func stuckContainer(name string, s containerStatus, since map[string]time.Time) *verdict {
	at := fmt.Sprintf("container %s of pod %s", s.Name, name)
	if s.RestartCount >= crashLimit-1 {
		for _, state := range []containerState{s.State, s.LastState} {
			if t := state.Terminated; t != nil && (s.State.Terminated != nil || s.State.Waiting != nil) {
				return &verdict{
					cause:  fmt.Sprintf("%s crashed %d times: %s", at, s.RestartCount+1, ended(t.Reason, t.ExitCode)),
					advice: "the log lines above are its last words; the same image runs here with: dagger call smoke",
				}
			}
		}
	}
	if s.State.Waiting == nil {
		return nil
	}
	reason, message := s.State.Waiting.Reason, s.State.Waiting.Message
	switch reason {
	case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable":
		lower := strings.ToLower(message)
		final := reason == "InvalidImageName" || reason == "ErrImageNeverPull"
		for _, sign := range []string{"not found", "manifest unknown", "notfound", "unauthorized", "denied", "forbidden", "no match for platform", "invalid reference"} {
			final = final || strings.Contains(lower, sign)
		}
		if final || lasts(since, name+"/pull", pullPatience) {
			return &verdict{
				cause:  fmt.Sprintf("%s: its image cannot be pulled: %s", at, message),
				advice: "publish first, and give deploy the address that publish returns; the cluster's nodes must reach the registry, and a private one needs imagePullSecrets",
			}
		}
	case "CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError":
		if lasts(since, name+"/"+reason, createPatience) {
			return &verdict{
				cause:  fmt.Sprintf("%s cannot be started: %s", at, cmp.Or(message, reason)),
				advice: "add what is missing to the manifests, or take the reference out",
			}
		}
	}
	return nil
}
