package main

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"slipway/helpers/internal/object"
)

// A phase is applied whole before the next one begins.
type phase int

const (
	phaseDefinitions   phase = iota // what makes kinds and namespaces, waited for
	phaseConfiguration              // what pods refer to: configuration, rights, Services
	phaseCustom                     // custom resources
	phaseBefore                     // Jobs that must have succeeded before any workload changes
	phaseWorkloads
	phaseRest  // what acts on workloads, or sends them traffic
	phaseAfter // hooks that run once everything is ready
	phases
)

// phaseAnnotation on a Job says that it comes before the workloads: "before".
const phaseAnnotation = "slipway/phase"

// hook is when an object asks to be applied, by this project's annotation, Helm's or
// Argo CD's.
type hook int

const (
	hookNone   hook = iota
	hookBefore      // before the workloads, when it has changed
	hookEach        // before the workloads, with each deploy
	hookAfter       // when everything is ready, with each deploy
	hookNever       // at a moment that deploy does not have: a test, a deletion, a failure
)

var hooks = map[string]hook{
	"pre-install": hookEach, "pre-upgrade": hookEach, "PreSync": hookEach,
	"post-install": hookAfter, "post-upgrade": hookAfter, "PostSync": hookAfter,
	"test": hookNever, "test-success": hookNever, "test-failure": hookNever, "pre-delete": hookNever, "post-delete": hookNever,
	"pre-rollback": hookNever, "post-rollback": hookNever, "SyncFail": hookNever, "Skip": hookNever, "PreDelete": hookNever, "PostDelete": hookNever,
}

// hookOf is an object's hook; of several the first that deploy has a moment for.
func hookOf(o object.Object) hook {
	if o.Annotation(phaseAnnotation) == "before" {
		return hookBefore
	}
	found := hookNone
	for name := range strings.SplitSeq(hookText(o), ",") {
		switch h := hooks[strings.TrimSpace(name)]; {
		case h == hookEach || h == hookAfter:
			return h
		case h == hookNever:
			found = hookNever
		}
	}
	return found
}

// weightOf is the place of a hook among those of its phase, lower first: Helm's weight, or
// Argo CD's wave.
func weightOf(o object.Object) int {
	n, _ := strconv.Atoi(cmp.Or(o.Annotation("helm.sh/hook-weight"), o.Annotation("argocd.argoproj.io/sync-wave")))
	return n
}

func hookText(o object.Object) string {
	if text := o.Annotation("helm.sh/hook"); text != "" {
		return text
	}
	return o.Annotation("argocd.argoproj.io/hook")
}

// last are the kinds that act on workloads or lead to them: they come when there is
// something to act on, and go before it.
var last = []string{
	"HorizontalPodAutoscaler", "Ingress", "APIService", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration",
}

func phaseOf(o object.Object) phase {
	h := hookOf(o)
	switch {
	case o.Kind() == "Namespace" || o.Kind() == "CustomResourceDefinition":
		return phaseDefinitions
	case h == hookAfter:
		return phaseAfter
	case o.IsCustom():
		return phaseCustom
	case (h == hookBefore || h == hookEach) && isRun(o):
		return phaseBefore
	case o.IsWorkload() || o.Kind() == "CronJob":
		return phaseWorkloads
	case slices.Contains(last, o.Kind()):
		return phaseRest
	}
	return phaseConfiguration
}

// removalGroup is the place of an object among what is removed: a lower group is gone
// before the next begins. Custom resources go while the operator that clears their
// finalizers still runs.
func removalGroup(o object.Object) int {
	switch phaseOf(o) {
	case phaseCustom:
		return 0
	case phaseRest, phaseAfter:
		return 1
	case phaseBefore, phaseWorkloads:
		return 2
	case phaseConfiguration:
		return 3
	}
	return 4
}
