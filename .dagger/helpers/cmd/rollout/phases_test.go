package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"slipway/helpers/internal/object"
)

// parse is the object of a YAML text.
func parse(t *testing.T, text string) object.Object {
	t.Helper()
	var o object.Object
	out, err := yaml.YAMLToJSONStrict([]byte(text))
	if err == nil {
		err = object.Decode(out, &o)
	}
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return o
}

// thing is an object of namespace shop, named after its kind.
func thing(version, kind string) object.Object { return named(version, kind, strings.ToLower(kind)) }

func named(version, kind, name string) object.Object {
	return object.Object{"apiVersion": version, "kind": kind, "metadata": map[string]any{"name": name, "namespace": "shop"}}
}

func annotated(o object.Object, key, value string) object.Object {
	o = o.Clone()
	o.Set(value, "metadata", "annotations", key)
	return o
}

const (
	helmHook = "helm.sh/hook"
	argoHook = "argocd.argoproj.io/hook"
)

func TestPhaseOf(t *testing.T) {
	job, pod := thing("batch/v1", "Job"), thing("v1", "Pod")
	for name, test := range map[string]struct {
		object  object.Object
		phase   phase
		removal int
	}{
		"Namespace":                  {thing("v1", "Namespace"), phaseDefinitions, 4},
		"CustomResourceDefinition":   {thing("apiextensions.k8s.io/v1", "CustomResourceDefinition"), phaseDefinitions, 4},
		"ConfigMap":                  {thing("v1", "ConfigMap"), phaseConfiguration, 3},
		"Service":                    {thing("v1", "Service"), phaseConfiguration, 3},
		"PersistentVolumeClaim":      {thing("v1", "PersistentVolumeClaim"), phaseConfiguration, 3},
		"NetworkPolicy":              {thing("networking.k8s.io/v1", "NetworkPolicy"), phaseConfiguration, 3},
		"PodDisruptionBudget":        {thing("policy/v1", "PodDisruptionBudget"), phaseConfiguration, 3},
		"custom resource":            {thing("acme.dev/v1", "Rocket"), phaseCustom, 0},
		"a Deployment of others":     {thing("acme.dev/v1", "Deployment"), phaseCustom, 0},
		"Deployment":                 {thing("apps/v1", "Deployment"), phaseWorkloads, 2},
		"CronJob":                    {thing("batch/v1", "CronJob"), phaseWorkloads, 2},
		"Job":                        {job, phaseWorkloads, 2},
		"Pod":                        {pod, phaseWorkloads, 2},
		"Job before":                 {annotated(job, phaseAnnotation, "before"), phaseBefore, 2},
		"Job before what":            {annotated(job, phaseAnnotation, "after"), phaseWorkloads, 2},
		"Deployment before":          {annotated(thing("apps/v1", "Deployment"), phaseAnnotation, "before"), phaseWorkloads, 2},
		"ConfigMap before":           {annotated(thing("v1", "ConfigMap"), helmHook, "pre-install"), phaseConfiguration, 3},
		"Helm's Job before":          {annotated(job, helmHook, "pre-install, pre-upgrade"), phaseBefore, 2},
		"Argo CD's Pod before":       {annotated(pod, argoHook, "PreSync"), phaseBefore, 2},
		"Helm's Job after":           {annotated(job, helmHook, "post-upgrade"), phaseAfter, 1},
		"Helm's ConfigMap after":     {annotated(thing("v1", "ConfigMap"), helmHook, "post-install"), phaseAfter, 1},
		"custom resource after":      {annotated(thing("acme.dev/v1", "Rocket"), argoHook, "PostSync"), phaseAfter, 1},
		"HorizontalPodAutoscaler":    {thing("autoscaling/v2", "HorizontalPodAutoscaler"), phaseRest, 1},
		"Ingress":                    {thing("networking.k8s.io/v1", "Ingress"), phaseRest, 1},
		"MutatingWebhook":            {thing("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"), phaseRest, 1},
		"APIService":                 {thing("apiregistration.k8s.io/v1", "APIService"), phaseRest, 1},
		"ReplicationController":      {thing("v1", "ReplicationController"), phaseWorkloads, 2},
		"Gateway, which is no built": {thing("gateway.networking.k8s.io/v1", "Gateway"), phaseCustom, 0},
	} {
		if got := phaseOf(test.object); got != test.phase {
			t.Errorf("%s: phase %d, want %d", name, got, test.phase)
		}
		if got := removalGroup(test.object); got != test.removal {
			t.Errorf("%s: removal group %d, want %d", name, got, test.removal)
		}
	}
}

func TestHookOf(t *testing.T) {
	for _, test := range []struct {
		key, value string
		want       hook
	}{
		{helmHook, "", hookNone},
		{helmHook, "crd-install", hookNone},
		{helmHook, "pre-install", hookEach},
		{helmHook, "post-install,post-upgrade", hookAfter},
		{helmHook, "test", hookNever},
		{helmHook, "pre-delete, pre-upgrade", hookEach},
		{helmHook, "pre-rollback,post-delete", hookNever},
		{helmHook, "pre-install,post-install", hookEach},
		{argoHook, "PreSync", hookEach},
		{argoHook, "Sync", hookNone},
		{argoHook, "PostSync", hookAfter},
		{argoHook, "SyncFail", hookNever},
		{argoHook, "Skip", hookNever},
		{phaseAnnotation, "before", hookBefore},
	} {
		if got := hookOf(annotated(thing("batch/v1", "Job"), test.key, test.value)); got != test.want {
			t.Errorf("%s: %s is %d, want %d", test.key, test.value, got, test.want)
		}
	}
	both := annotated(annotated(thing("batch/v1", "Job"), helmHook, "test"), argoHook, "PreSync")
	if hookOf(both) != hookNever {
		t.Error("Helm's hook does not come first")
	}
	if hookOf(annotated(both, phaseAnnotation, "before")) != hookBefore {
		t.Error("this project's annotation does not come first")
	}
}

func TestWeightOf(t *testing.T) {
	job := thing("batch/v1", "Job")
	for want, o := range map[int]object.Object{
		0:  annotated(job, "helm.sh/hook-weight", "heavy"),
		-5: annotated(job, "helm.sh/hook-weight", "-5"),
		3:  annotated(job, "argocd.argoproj.io/sync-wave", "3"),
	} {
		if got := weightOf(o); got != want {
			t.Errorf("%v: %d", o, got)
		}
	}
}

func TestInPhase(t *testing.T) {
	weighed := func(name, weight string) *change {
		return &change{wanted: annotated(annotated(named("batch/v1", "Job", name), helmHook, "pre-upgrade"), "helm.sh/hook-weight", weight)}
	}
	p := &plan{changes: []*change{weighed("c", "10"), {wanted: thing("v1", "Secret")}, weighed("a", "-1"), weighed("b", ""), weighed("d", "10")}}
	var got []string
	for _, ch := range p.inPhase(phaseBefore) {
		got = append(got, ch.wanted.Name())
	}
	if !slices.Equal(got, []string{"a", "b", "c", "d"}) {
		t.Errorf("%q", got)
	}
	if p.changes[0].wanted.Name() != "c" || len(p.changes) != 5 {
		t.Error("the plan itself has changed")
	}
}

// What others depend on is made first, and goes last.
func TestPhaseOrder(t *testing.T) {
	order := []object.Object{
		thing("apiextensions.k8s.io/v1", "CustomResourceDefinition"), thing("v1", "ConfigMap"), thing("acme.dev/v1", "Rocket"),
		annotated(thing("batch/v1", "Job"), phaseAnnotation, "before"), thing("apps/v1", "Deployment"),
		thing("networking.k8s.io/v1", "Ingress"), annotated(thing("v1", "Pod"), helmHook, "post-install"),
	}
	for i, o := range order {
		if phaseOf(o) != phase(i) {
			t.Errorf("%s is in phase %d, want %d", o, phaseOf(o), i)
		}
	}
	if len(order) != int(phases) {
		t.Errorf("%d phases", phases)
	}
	all := []object.Object{thing("apps/v1", "Deployment"), thing("autoscaling/v2", "HorizontalPodAutoscaler")}
	if got := autoscalers(all); len(got) != 1 || fmt.Sprint(got[0]) != "HorizontalPodAutoscaler/horizontalpodautoscaler" || len(all) != 2 {
		t.Errorf("%v", got)
	}
}
