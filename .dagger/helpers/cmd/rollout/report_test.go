package main

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"slipway/helpers/internal/health"
	"slipway/helpers/internal/object"
)

func TestShortImage(t *testing.T) {
	for image, want := range map[string]string{
		"registry:5000/team/web@sha256:0123456789abcdef": "web@0123456789ab",
		"web@sha256:0123": "web@0123",
	} {
		if got := shortImage(image); got != want {
			t.Errorf("%s: %q, want %q", image, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, test := range []struct {
		text  string
		limit int
		want  string
	}{{"", 3, ""}, {"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"äöüß", 4, "äöüß"}, {"äöüßé", 4, "äöü…"}} {
		if got := cut(test.text, test.limit); got != test.want {
			t.Errorf("%q: %q, want %q", test.text, got, test.want)
		}
	}
}

func TestReferences(t *testing.T) {
	pod := parse(t, `
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: shop}
spec:
  serviceAccountName: account
  imagePullSecrets: [{name: pull}]
  volumes:
  - {name: a, secret: {secretName: mounted}}
  - {name: b, configMap: {name: file}}
  - {name: c, persistentVolumeClaim: {claimName: data}}
  - {name: d, projected: {sources: [{secret: {name: part}}, {configMap: {name: piece}}, {serviceAccountToken: {path: x}}]}}
  - {name: e, emptyDir: {}}
  - {name: f, csi: {driver: d, nodePublishSecretRef: {name: csi}}}
  initContainers: [{name: i, envFrom: [{secretRef: {name: from-init}}]}]
  containers:
  - name: c
    envFrom: [{configMapRef: {name: all}}]
    env:
    - {name: A, valueFrom: {secretKeyRef: {name: one, key: k}}}
    - {name: B, valueFrom: {configMapKeyRef: {name: two, key: k}}}
    - {name: C, value: plain}
`)
	got := map[string]bool{}
	for _, id := range references(pod) {
		if id.Namespace != "shop" || id.Group != "" {
			t.Errorf("%+v", id)
		}
		got[id.Kind+"/"+id.Name] = true
	}
	want := strings.Fields(`ServiceAccount/account Secret/pull Secret/mounted ConfigMap/file PersistentVolumeClaim/data
		Secret/part ConfigMap/piece Secret/csi Secret/from-init ConfigMap/all Secret/one ConfigMap/two`)
	for _, name := range want {
		if !got[name] {
			t.Errorf("%s is missing", name)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%v", got)
	}
	if references(thing("v1", "Pod")) != nil {
		t.Error("an empty pod refers to something")
	}
}

func TestStuckCustom(t *testing.T) {
	definition := parse(t,
		`{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, spec: {group: acme.dev, names: {kind: Rocket}}}`)
	rocket := named("acme.dev/v1", "Rocket", "r")
	for name, test := range map[string]struct {
		left           []string
		group, objects []object.Object
		want           string
	}{
		"stuck": {[]string{"Rocket/r is still being deleted"}, []object.Object{rocket}, []object.Object{rocket, definition},
			"Rocket/r"},
		"gone":                {nil, []object.Object{rocket}, []object.Object{rocket, definition}, ""},
		"another of its kind": {[]string{"Rocket/r2 is still being deleted"}, []object.Object{rocket}, []object.Object{rocket, definition}, ""},
		"defined elsewhere":   {[]string{"Rocket/r is still being deleted"}, []object.Object{rocket}, []object.Object{rocket}, ""},
	} {
		if got := stuckCustom(test.left, test.group, test.objects); got != test.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestIsOlder(t *testing.T) {
	generation := func(uid string, n any) object.Object {
		o := thing("apps/v1", "Deployment")
		o.Set(uid, "metadata", "uid")
		o.Set(n, "metadata", "generation")
		return o
	}
	for name, test := range map[string]struct {
		reported, applied object.Object
		want              bool
	}{
		"same":             {generation("u", 2), generation("u", 2), false},
		"before":           {generation("u", 1), generation("u", 2), true},
		"after":            {generation("u", 3), generation("u", 2), false},
		"another object":   {generation("v", 9), generation("u", 1), true},
		"no generation":    {generation("u", nil), generation("u", nil), false},
		"nothing reported": {nil, generation("u", 1), true},
	} {
		if got := isOlder(test.reported, test.applied); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Everything must stay ready for a while, longer after a crash, and each container must
// have run for a while.
func TestUnsettled(t *testing.T) {
	workload, claim := thing("apps/v1", "Deployment"), thing("v1", "PersistentVolumeClaim")
	is := func(o object.Object, st health.State) []state { return []state{{State: st, object: o}} }
	patient := workload.Clone()
	patient.Set(json.Number("1"), "spec", "minReadySeconds")
	for name, test := range map[string]struct {
		states []state
		want   time.Duration
	}{
		"nothing":           {nil, 0},
		"ready":             {is(workload, health.State{}), readinessSteady},
		"just started":      {is(workload, health.State{Starts: []string{"pod/c 0"}}), startedSteady},
		"a time of its own": {is(patient, health.State{Starts: []string{"pod/c 0"}}), readinessSteady},
		"crashed":           {is(workload, health.State{Restarted: 1}), restartedSteady},
		"meant for none":    {is(workload, health.State{Unasked: true, Restarted: 1}), 0},
		"Job":               {is(thing("batch/v1", "Job"), health.State{Starts: []string{"a"}}), 0},
		"no workload":       {is(claim, health.State{}), 0},
		"the longest one":   {append(is(workload, health.State{Restarted: 2}), is(claim, health.State{})...), restartedSteady},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &watcher{starts: map[string]time.Time{}}
				if got := w.unsettled(test.states, true); got != test.want {
					t.Errorf("%s, want %s", got, test.want)
				}
				time.Sleep(test.want)
				if got := w.unsettled(test.states, true); got > 0 {
					t.Errorf("%s is left after %s", got, test.want)
				}
				w.unsettled(test.states, false) // not ready for a moment
				if got := w.unsettled(test.states, true); len(test.states) > 0 && test.want > 0 && got < readinessSteady {
					t.Errorf("%s after it was not ready", got)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w := &watcher{starts: map[string]time.Time{}}
		w.unsettled(is(workload, health.State{Starts: []string{"first"}}), true)
		time.Sleep(4 * time.Second)
		if got := w.unsettled(is(workload, health.State{Starts: []string{"first", "second"}}), true); got != startedSteady {
			t.Errorf("a container that started anew: %s", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := &watcher{starts: map[string]time.Time{}}
		w.unsettled(is(workload, health.State{Starts: []string{"first"}}), true)
		time.Sleep(3 * time.Second)
		if got := w.unsettled(is(workload, health.State{}), true); got != 2*time.Second {
			t.Errorf("a container that has just ended, and not restarted: %s", got)
		}
	})
}

func TestWorstPod(t *testing.T) {
	pod := func(name string, ready bool, restarts int) object.Object {
		o := named("v1", "Pod", name)
		status := "False"
		if ready {
			status = "True"
		}
		o.Set([]any{map[string]any{"type": "Ready", "status": status}}, "status", "conditions")
		o.Set([]any{map[string]any{"restartCount": restarts}}, "status", "containerStatuses")
		o.Set([]any{map[string]any{"restartCount": 1}}, "status", "initContainerStatuses")
		return o
	}
	if got := worstPod([]object.Object{pod("a", false, 1), pod("b", true, 9), pod("c", false, 3), pod("d", false, 3)}); got.Name() != "c" ||
		restarts(got) != 4 {
		t.Errorf("%v", got)
	}
	if worstPod([]object.Object{pod("a", true, 5)}) != nil || worstPod(nil) != nil {
		t.Error("a ready pod is the worst")
	}
}

func TestLabelQuery(t *testing.T) {
	if got := labelQuery(map[string]string{"b": "2", "a": "1"}).Get("labelSelector"); got != "a=1,b=2" {
		t.Errorf("%q", got)
	}
}

func TestController(t *testing.T) {
	o := parse(t, `{metadata: {ownerReferences: [{uid: a}, {uid: b, controller: true}]}}`)
	if controller(o) != "b" || controller(thing("v1", "Pod")) != "" {
		t.Errorf("%q", controller(o))
	}
}
