package health

import (
	"fmt"
	"time"
)

// Rule is one kind of state that a rollout does not recover from.
type Rule struct {
	Name   string
	Words  string        // what it is, for the table in docs/deploy.md
	Grace  time.Duration // how long it may last; 0: final at once
	advice string
}

// After is the grace in words.
func (r Rule) After() string {
	if r.Grace == 0 {
		return "at once"
	}
	return fmt.Sprintf("%.0f s", r.Grace.Seconds())
}

// Rules are all there are.
func Rules() []Rule { return append([]Rule{}, rules[:]...) }

type ruleID int

const (
	deleted ruleID = iota
	jobFailed
	podFailed
	paused
	crashing
	imageInvalid
	imageRefused
	imageUnreachable
	notCreated
	volumeMissing
	volumeNotMounted
	podsRefused
	accountMissing
	podsHindered
	unschedulable
	notSchedulableYet
	deadlineExceeded
	stalled
	claimLost
	namesTaken
)

const (
	adviceImage = "publish first, and give deploy the address that publish returns; the cluster's nodes must reach the registry, " +
		"and a private one needs imagePullSecrets"
	adviceReference = "add what is missing to the manifests, or take the reference out"
	adviceManifest  = "change the manifest as the message says"
	adviceQuota     = "request less, delete something, or have the namespace's ResourceQuota raised; " +
		"a rollout needs room for one pod more (maxSurge)"
	adviceRoom = "request less, make room, or add a node"
)

var rules = [...]Rule{
	deleted:   {"deleted", "an object of the release was deleted by somebody", 0, "find out who, then deploy again"},
	jobFailed: {"job failed", "a Job failed, by its own `backoffLimit` or deadline", 0, "see the log of its pods"},
	podFailed: {"pod failed", "a bare Pod failed", 0, "see its log"},
	paused:    {"paused", "a Deployment was paused by hand", 0, "kubectl rollout resume, then deploy again"},
	crashing: {"crashing", "a container ended four times, since its first end, unless another workload of the release is still coming up",
		30 * time.Second, adviceCrash},
	imageInvalid: {"image invalid", "the image has no valid name, or is not on the node and may not be pulled (`imagePullPolicy: Never`)",
		0, adviceImage},
	imageRefused: {"image refused", "image not found, access denied, no such platform", 20 * time.Second, adviceImage},
	imageUnreachable: {"image unreachable", "image not pulled, because the registry does not answer", 30 * time.Second,
		adviceImage},
	notCreated: {"not created", "a container cannot be created, mostly because its ConfigMap or Secret is missing", 30 * time.Second,
		adviceReference},
	volumeMissing: {"volume missing", "the ConfigMap or Secret of a volume is missing", 30 * time.Second, adviceReference},
	volumeNotMounted: {"volume not mounted", "a volume cannot be attached or mounted for another reason", 120 * time.Second,
		"see the event's message; a disk may still be attached to another node"},
	podsRefused: {"pods refused", "the cluster refuses the pods: quota (unless a pod is leaving), Pod Security, limits",
		15 * time.Second, adviceManifest},
	accountMissing: {"account missing", "the pods' ServiceAccount is missing", 30 * time.Second,
		"add the ServiceAccount to the manifests, or correct serviceAccountName"},
	podsHindered: {"pods hindered", "the pods cannot be made because a webhook or the API fails, or they were refused before the release too",
		60 * time.Second, "see the message; a webhook's own pods must run"},
	unschedulable: {"unschedulable", "no node has room for a pod, no pod is leaving, and no autoscaler has promised a node",
		30 * time.Second, adviceRoom},
	notSchedulableYet: {"not schedulable yet",
		"no node takes a pod because of labels, taints, a node that is not ready or a missing volume, or it was so before",
		120 * time.Second, adviceRoom},
	deadlineExceeded: {"deadline exceeded", "the Deployment's own `progressDeadlineSeconds` passed", 0,
		"see why the pods are not ready"},
	stalled:   {"stalled", "a resource's controller says `Stalled`", 0, "see the message of its controller"},
	claimLost: {"claim lost", "a PersistentVolumeClaim lost its volume", 0, "restore the volume, or make a new claim"},
	namesTaken: {"names taken", "a CustomResourceDefinition's names are taken by another", 0,
		"give the definition other names, or remove the other definition"},
}

const adviceCrash = "its last log lines say why; the same image runs here with: dagger call smoke"

// fault is what the rule says of a subject.
func (id ruleID) fault(subject, cause string) Fault {
	r := rules[id]
	return Fault{Rule: r.Name, Subject: subject, Cause: cause, Advice: r.advice, Grace: r.Grace}
}
