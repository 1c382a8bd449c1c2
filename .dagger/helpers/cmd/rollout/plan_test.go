package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
	"slipway/helpers/internal/sanitize"
)

// quiet is a session whose output is kept.
func quiet() (*session, *bytes.Buffer) {
	out := &bytes.Buffer{}
	return &session{out: sanitize.NewWriter(out), progress: sanitize.NewWriter(out), begin: time.Now()}, out
}

func refused(reason, message string, causes ...kube.Cause) *kube.StatusError {
	err := &kube.StatusError{Code: 422, Reason: reason, Message: message}
	err.Details.Causes = causes
	return err
}

func TestLabelValue(t *testing.T) {
	for version, want := range map[string]string{
		"":                      "",
		"v1.2.3":                "v1.2.3",
		strings.Repeat("a", 63): strings.Repeat("a", 63),
		strings.Repeat("a", 64): strings.Repeat("a", 63),
		strings.Repeat("a", 60) + "-_.-" + "tail": strings.Repeat("a", 60),
		"v1-": "v1",
	} {
		if got := labelValue(version); got != want {
			t.Errorf("%q: %q, want %q", version, got, want)
		}
	}
}

func TestEncodeStringData(t *testing.T) {
	for name, test := range map[string]struct{ secret, want string }{
		"moved":           {`{"stringData":{"a":"text","b":""}}`, `{"data":{"a":"dGV4dA==","b":""}}`},
		"wins over data":  {`{"data":{"a":"b2xk","c":"eA=="},"stringData":{"a":"new"}}`, `{"data":{"a":"bmV3","c":"eA=="}}`},
		"nothing to do":   {`{"data":{"a":"eA=="}}`, `{"data":{"a":"eA=="}}`},
		"null":            {`{"stringData":null}`, `{}`},
		"what is no text": {`{"stringData":{"a":"x","n":null}}`, `{"data":{"a":"eA=="}}`},
	} {
		o := parse(t, test.secret)
		encodeStringData(o)
		if got, _ := json.Marshal(o); string(got) != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func TestMustReplace(t *testing.T) {
	job, pod := thing("batch/v1", "Job"), thing("v1", "Pod")
	with := func(o object.Object, status string) object.Object {
		o = o.Clone()
		o.Set(map[string]any(parse(t, status)), "status")
		return o
	}
	for name, test := range map[string]struct {
		wanted, live object.Object
		want         bool
	}{
		"Job runs":            {job, job, false},
		"Job succeeded":       {job, with(job, `conditions: [{type: Complete, status: "True"}]`), false},
		"Job failed":          {job, with(job, `conditions: [{type: Failed, status: "True"}]`), true},
		"Job failed not":      {job, with(job, `conditions: [{type: Failed, status: "False"}]`), false},
		"Pod failed":          {pod, with(pod, `phase: Failed`), true},
		"Pod succeeded":       {pod, with(pod, `phase: Succeeded`), false},
		"hook each time":      {annotated(job, helmHook, "pre-upgrade"), job, true},
		"hook after":          {annotated(job, helmHook, "post-upgrade"), job, true},
		"before, once":        {annotated(job, phaseAnnotation, "before"), job, false},
		"Deployment":          {thing("apps/v1", "Deployment"), with(thing("apps/v1", "Deployment"), `phase: Failed`), false},
		"a Job of others":     {thing("acme.dev/v1", "Job"), with(thing("acme.dev/v1", "Job"), `phase: Failed`), false},
		"ConfigMap as a hook": {annotated(thing("v1", "ConfigMap"), helmHook, "pre-upgrade"), thing("v1", "ConfigMap"), false},
	} {
		if got := mustReplace(test.wanted, test.live); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// managed is a live object of which manager applied or updated a field.
func managed(o object.Object, manager, operation string, path ...string) object.Object {
	o = o.Clone()
	fields := object.Object{}
	node := []string{"fieldsV1"}
	for _, field := range path {
		node = append(node, "f:"+field)
	}
	fields.Set(map[string]any{}, node...)
	fields["manager"], fields["operation"] = manager, operation
	list, _ := o.At("metadata", "managedFields").([]any)
	o.Set(append(list, map[string]any(fields)), "metadata", "managedFields")
	return o
}

func TestKeepReplicas(t *testing.T) {
	deployment := thing("apps/v1", "Deployment")
	scaled := func(o object.Object) object.Object {
		o = o.Clone()
		o.Set(json.Number("7"), "spec", "replicas")
		return o
	}
	ours := func(o object.Object) object.Object { return managed(scaled(o), "slipway", "Apply", "spec", "replicas") }
	for name, test := range map[string]struct {
		wanted, live object.Object
		want         any
	}{
		"left to an autoscaler": {deployment, ours(deployment), json.Number("7")},
		"StatefulSet":           {thing("apps/v1", "StatefulSet"), ours(thing("apps/v1", "StatefulSet")), json.Number("7")},
		"the autoscaler's":      {deployment, managed(scaled(deployment), "kube-controller-manager", "Update", "spec", "replicas"), nil},
		"nobody's":              {deployment, scaled(deployment), nil},
		"the manifest says": {func() object.Object { o := deployment.Clone(); o.Set(3, "spec", "replicas"); return o }(),
			ours(deployment), 3},
		"new":             {deployment, nil, nil},
		"of another kind": {thing("acme.dev/v1", "Deployment"), ours(thing("acme.dev/v1", "Deployment")), nil},
		"ReplicaSet":      {thing("apps/v1", "ReplicaSet"), ours(thing("apps/v1", "ReplicaSet")), nil},
	} {
		before := test.wanted.Clone()
		if got := keepReplicas(test.wanted, test.live).At("spec", "replicas"); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
		if !reflect.DeepEqual(before, test.wanted) {
			t.Errorf("%s: the manifest itself has changed", name)
		}
	}
}

func TestConflictsWithItself(t *testing.T) {
	by := func(manager string) kube.Cause {
		return kube.Cause{Reason: "FieldManagerConflict", Message: fmt.Sprintf("conflict with %q using apps/v1", manager), Field: ".spec"}
	}
	for name, test := range map[string]struct {
		causes []kube.Cause
		want   bool
	}{
		"itself":         {[]kube.Cause{by("slipway"), by("slipway")}, true},
		"another":        {[]kube.Cause{by("kubectl-edit")}, false},
		"both":           {[]kube.Cause{by("slipway"), by("helm")}, false},
		"another's name": {[]kube.Cause{by("slipway-operator")}, false},
		"no conflict":    {[]kube.Cause{{Reason: "FieldValueInvalid", Message: `"slipway"`}}, false},
		"nothing":        {nil, false},
	} {
		if got := conflictsWithItself(refused("Conflict", "", test.causes...)); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestDefaultsInTheWay(t *testing.T) {
	live := managed(thing("apps/v1", "Deployment"), "slipway", "Apply", "spec", "template")
	live.Set(map[string]any{"type": "RollingUpdate", "rollingUpdate": map[string]any{"maxSurge": "25%"}}, "spec", "strategy")
	wanted := thing("apps/v1", "Deployment")
	wanted.Set("Recreate", "spec", "strategy", "type")
	others := managed(live, "kubectl-edit", "Update", "spec", "strategy", "rollingUpdate")
	asks := wanted.Clone()
	asks.Set("50%", "spec", "strategy", "rollingUpdate", "maxSurge")
	forbidden := func(field string) kube.Cause { return kube.Cause{Reason: "FieldValueForbidden", Field: field} }
	const limits = "spec.strategy.rollingUpdate"
	for name, test := range map[string]struct {
		wanted, live object.Object
		causes       []kube.Cause
		want         string
	}{
		"a default":            {wanted, live, []kube.Cause{forbidden(limits)}, "[[spec strategy rollingUpdate]]"},
		"invalid":              {wanted, live, []kube.Cause{{Reason: "FieldValueInvalid", Field: limits}}, "[[spec strategy rollingUpdate]]"},
		"somebody's":           {wanted, others, []kube.Cause{forbidden(limits)}, "[]"},
		"the manifest's own":   {asks, live, []kube.Cause{forbidden(limits)}, "[]"},
		"not there":            {wanted, live, []kube.Cause{forbidden("spec.none")}, "[]"},
		"in a list":            {wanted, live, []kube.Cause{forbidden("spec.template.spec.containers[0].image")}, "[]"},
		"another reason":       {wanted, live, []kube.Cause{{Reason: "FieldValueRequired", Field: limits}}, "[]"},
		"and something else":   {wanted, live, []kube.Cause{forbidden(limits), {Reason: "FieldValueRequired", Field: "spec.x"}}, "[]"},
		"new":                  {wanted, nil, []kube.Cause{forbidden(limits)}, "[]"},
		"a refusal of a field": {wanted, live, nil, "[]"},
	} {
		if got := fmt.Sprint(defaultsInTheWay(test.wanted, test.live, refused("Invalid", "", test.causes...))); got != test.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestBringsAlong(t *testing.T) {
	binding, role := thing("rbac.authorization.k8s.io/v1", "RoleBinding"), named("rbac.authorization.k8s.io/v1", "Role", "reader")
	p := &plan{changes: []*change{{wanted: binding}, {wanted: role}, {wanted: named("v1", "Secret", "")}}}
	for message, want := range map[string]bool{
		`roles.rbac.authorization.k8s.io "reader" not found`:             true,
		`no PriorityClass with name reader was found`:                    true,
		`roles.rbac.authorization.k8s.io "writer" not found`:             false,
		`rolebindings.rbac.authorization.k8s.io "rolebinding" not found`: false, // itself
		`spec.role: reader is not acceptable`:                            false,
	} {
		if got := p.bringsAlong(refused("NotFound", message), binding); got != want {
			t.Errorf("%s: %v", message, got)
		}
	}
}

func TestIsImmutable(t *testing.T) {
	for name, test := range map[string]struct {
		err  *kube.StatusError
		want bool
	}{
		"Job":     {refused("Invalid", "spec.template: Invalid value: field is immutable"), true},
		"Pod":     {refused("Invalid", "spec: Forbidden: pod updates may not change fields other than"), true},
		"invalid": {refused("Invalid", "spec.replicas: must be positive"), false},
		"denied":  {refused("Forbidden", "field is immutable"), false},
	} {
		if got := isImmutable(test.err); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestDefinitionOf(t *testing.T) {
	definition := parse(t,
		`{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, spec: {group: acme.dev, names: {kind: Rocket}}}`)
	all := []object.Object{thing("v1", "Secret"), definition}
	if definitionOf(thing("acme.dev/v1", "Rocket"), all) == nil || definitionOf(thing("acme.dev/v1", "Moon"), all) != nil ||
		definitionOf(thing("other.dev/v1", "Rocket"), all) != nil {
		t.Error("the wrong definition")
	}
}

func TestWhose(t *testing.T) {
	o := thing("v1", "Service")
	for want, live := range map[string]object.Object{
		"belongs to release shop.api":     annotated(annotated(o, release.Key, "shop.api"), "meta.helm.sh/release-name", "x"),
		"belongs to the Helm release web": annotated(o, "meta.helm.sh/release-name", "web"),
		"was not made by Slipway":         o,
	} {
		if got := whose(live); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestExplain(t *testing.T) {
	s, _ := quiet()
	o := thing("apps/v1", "Deployment")
	got := s.explain("web.yaml: Deployment/web", o, refused("Conflict", "",
		kube.Cause{Reason: "FieldManagerConflict", Message: `conflict with "kubectl-edit" using apps/v1`, Field: ".spec.replicas"},
		kube.Cause{Reason: "FieldValueInvalid", Message: "must be positive", Field: "spec.x"}, kube.Cause{Message: "no field"}))
	want := []string{
		`web.yaml: Deployment/web: spec.replicas: is set by "kubectl-edit" using apps/v1: ` +
			"remove it from the manifest, or take it over with --force-conflicts",
		"web.yaml: Deployment/web: spec.x: must be positive",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := s.explain("at", o, refused("Forbidden", "denied\nby a webhook")); len(got) != 1 || !strings.HasPrefix(got[0], "at: denied") ||
		strings.Contains(got[0], "\n") {
		t.Errorf("%q", got)
	}
	secret := parse(t, `{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {password: aHVudGVyMi1hbmQtbW9yZQ==}}`)
	if got := s.explain("at", secret, refused("Invalid", "value aHVudGVyMi1hbmQtbW9yZQ== is wrong")); strings.Contains(got[0], "aHVudGVy") {
		t.Errorf("a value of a Secret is shown: %q", got)
	}
}

func TestGather(t *testing.T) {
	s, _ := quiet()
	if err := s.gather([]error{nil, nil}); err != nil {
		t.Error(err)
	}
	err := s.gather([]error{findings{"b", "a"}, nil, fmt.Errorf("wrapped: %w", findings{"b"})})
	if err == nil || err.Error() != "a\nb" {
		t.Errorf("%v", err)
	}
	if err := s.gather([]error{findings{"a"}, context.Canceled}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
