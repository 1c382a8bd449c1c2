package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
)

func at(o object.Object, step string) object.Object {
	o = o.Clone()
	o.Set(step, "spec", "step")
	o.Set("x", "status")
	return o
}

// steps lists objects as kind and step.
func steps(objects []object.Object) string {
	var all []string
	for _, o := range objects {
		all = append(all, strings.TrimSpace(o.Kind()+" "+o.Text("spec", "step")))
	}
	return strings.Join(all, ", ")
}

func ids(objects ...object.Object) map[object.ID]bool {
	all := map[object.ID]bool{}
	for _, o := range objects {
		all[o.ID()] = true
	}
	return all
}

func before(objects ...object.Object) map[object.ID]object.Object {
	all := map[object.ID]object.Object{}
	for _, o := range objects {
		all[o.ID()] = o
	}
	return all
}

// What was there before the first of several interrupted releases is what a release goes
// back to, and what they made is what it takes away.
func TestNext(t *testing.T) {
	web, config, secret, service := thing("apps/v1", "Deployment"), thing("v1", "ConfigMap"), thing("v1", "Secret"), thing("v1", "Service")
	for name, test := range map[string]struct {
		plan            plan
		before, created string
	}{
		"first": {plan{changes: []*change{{wanted: web}, {wanted: config}}}, "", "Deployment, ConfigMap"},
		"one that is there": {plan{changes: []*change{{wanted: at(web, "new"), live: at(web, "old")}, {wanted: config}}},
			"Deployment old", "ConfigMap"},
		"removed":    {plan{changes: []*change{{wanted: web}}, removals: []object.Object{at(config, "old")}}, "ConfigMap old", "Deployment"},
		"unreadable": {plan{records: []release.Record{{Number: 4, Status: release.Unreadable}}}, "", ""},
		"interrupted, changed": {plan{changes: []*change{{wanted: at(web, "newer"), live: at(web, "interrupted")}},
			before: before(at(web, "old"))},
			"Deployment old", ""},
		"interrupted, created":      {plan{changes: []*change{{wanted: web, live: at(web, "interrupted")}}, created: ids(web)}, "", "Deployment"},
		"interrupted, not yet made": {plan{changes: []*change{{wanted: web}}, created: ids(web)}, "", "Deployment"},
		"interrupted, was deleted":  {plan{changes: []*change{{wanted: web}}, before: before(at(web, "old"))}, "Deployment old", ""},
		"interrupted, dropped": {plan{
			changes:  []*change{{wanted: service, live: at(service, "old")}},
			removals: []object.Object{at(config, "interrupted"), at(secret, "interrupted")},
			before:   before(at(config, "old")), created: ids(secret),
		}, "ConfigMap old, Service old", "Secret"},
	} {
		p := test.plan
		if p.before == nil {
			p.before = map[object.ID]object.Object{}
		}
		if p.created == nil {
			p.created = map[object.ID]bool{}
		}
		r := p.next(release.Record{Image: "app", Of: 3})
		if got := steps(r.Before); got != test.before {
			t.Errorf("%s: before is %q, want %q", name, got, test.before)
		}
		if slices.ContainsFunc(r.Before, func(o object.Object) bool { return o.At("status") != nil }) {
			t.Errorf("%s: a status is kept", name)
		}
		var made []string
		for _, id := range r.Created {
			made = append(made, id.Kind)
		}
		want := strings.Split(test.created, ", ")
		slices.Sort(want)
		slices.Sort(made)
		if strings.Join(made, ", ") != strings.Join(want, ", ") {
			t.Errorf("%s: created is %q, want %q", name, made, test.created)
		}
		if r.Number != release.Next(test.plan.records) || r.Status != release.Pending || r.Image != "app" || r.Of != 3 ||
			len(r.Objects) != len(test.plan.changes) || time.Since(r.Started) > time.Minute {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// Of several interrupted releases, one after another, the first that says what an object
// was before is right: the later ones saw what it had made.
func TestInterruptedChain(t *testing.T) {
	web, config, secret, account := thing("apps/v1", "Deployment"), thing("v1", "ConfigMap"), thing("v1", "Secret"),
		thing("v1", "ServiceAccount")
	records := []release.Record{
		{Number: 1, Status: release.Deployed},
		{Number: 2, Status: release.Failed, Before: []object.Object{at(account, "2")}, Created: []object.ID{account.ID()}},
		{Number: 3, Status: release.Pending, Before: []object.Object{at(web, "3")}, Created: []object.ID{config.ID()}},
		{Number: 4, Status: release.Pending, Before: []object.Object{at(web, "4"), at(config, "4"), at(secret, "4")},
			Created: []object.ID{secret.ID(), web.ID()}},
	}
	// Signed records are believed. The client knows no kind, so nothing is asked.
	s := &session{client: &kube.Client{}, request: request{Namespace: "shop", RecordKey: "0123456789abcdef"}}
	p, err := s.makePlan(t.Context(), nil, records)
	if err != nil {
		t.Fatal(err)
	}
	r := p.next(release.Record{})
	if got := steps(r.Before); got != "Deployment 3, Secret 4" || r.Number != 5 {
		t.Errorf("before %d: %q", r.Number, got)
	}
	if !slices.Equal(r.Created, []object.ID{config.ID()}) {
		t.Errorf("created: %v", r.Created)
	}
}

func TestReverts(t *testing.T) {
	web, config, job, pod := thing("apps/v1", "Deployment"), thing("v1", "ConfigMap"), thing("batch/v1", "Job"), thing("v1", "Pod")
	ingress, removed := thing("networking.k8s.io/v1", "Ingress"), thing("v1", "Secret")
	p := &plan{
		records: []release.Record{{Number: 1, Status: release.Deployed}},
		changes: []*change{
			{wanted: at(config, "new"), live: at(config, "old"), applied: at(config, "applied")},
			{wanted: at(web, "new"), live: at(web, "old"), applied: at(web, "applied")},
			{wanted: at(ingress, "new"), live: at(ingress, "old")}, // not applied yet
			{wanted: thing("v1", "Service"), applied: thing("v1", "Service")},
			{wanted: at(job, "new"), live: at(job, "old"), applied: at(job, "applied")},
		},
		before:  before(at(config, "old"), at(web, "old"), at(ingress, "old"), at(job, "old"), at(pod, "old"), at(removed, "old")),
		created: ids(thing("v1", "Service")),
	}
	var got []string
	back := p.reverts()
	for _, ch := range back.changes {
		got = append(got, fmt.Sprintf("%s %s: %s", ch.wanted.Kind(), ch.wanted.Text("spec", "step"), ch.applied.Text("spec", "step")))
	}
	want := []string{"Deployment old: applied", "Pod old: ", "ConfigMap old: applied", "Secret old: ", "Ingress old: "}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if len(back.records) != 1 {
		t.Error("the records are lost")
	}
}

// What others made anew since an interrupted release took it over, goes back to what they
// made, and is not taken away.
func TestRevertsTakenOver(t *testing.T) {
	uid := func(o object.Object, uid string) object.Object {
		o = o.Clone()
		o.Set(uid, "metadata", "uid")
		return o
	}
	web, config := thing("apps/v1", "Deployment"), thing("v1", "ConfigMap")
	p := &plan{
		changes: []*change{
			{wanted: web, live: uid(at(web, "anew"), "2"), applied: at(web, "applied"), foreign: true},
			{wanted: config, live: at(config, "theirs"), applied: at(config, "applied"), foreign: true},
		},
		before: before(uid(at(web, "old"), "1"), at(config, "old")), created: ids(config),
	}
	var got []string
	for _, ch := range p.reverts().changes {
		got = append(got, ch.wanted.Kind()+" "+ch.wanted.Text("spec", "step")+": "+ch.applied.Text("spec", "step"))
	}
	if want := []string{"Deployment anew: applied", "ConfigMap old: "}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if p.before[web.ID()].Text("spec", "step") != "old" {
		t.Error("the plan itself has changed")
	}
	if made := p.createdObjects(); len(made) != 0 {
		t.Errorf("what is somebody else's is taken away: %v", made)
	}
}

func TestCreatedObjects(t *testing.T) {
	web, config, secret := thing("apps/v1", "Deployment"), thing("v1", "ConfigMap"), thing("v1", "Secret")
	p := &plan{
		changes: []*change{{wanted: at(web, "new")}, {wanted: config}},
		created: ids(web, secret),
		records: []release.Record{
			{Number: 1, Status: release.Failed, Objects: []object.Object{config}},
			{Number: 2, Status: release.Pending, Objects: []object.Object{at(web, "interrupted"), at(secret, "interrupted"), config}},
		},
	}
	if got := steps(p.createdObjects()); got != "Deployment new, Secret interrupted" {
		t.Errorf("%q", got)
	}
}

func TestForeignAndOwned(t *testing.T) {
	p := &plan{changes: []*change{{wanted: thing("v1", "Secret"), foreign: true}, {wanted: thing("v1", "Service")}}}
	if got := p.foreign(); !slices.Equal(got, []string{"Secret/secret"}) {
		t.Errorf("%q", got)
	}
	s := &session{request: request{Namespace: "shop"}, owner: "shop.web"}
	namespace := annotated(s.namespaceObject(), release.Key, "shop.web")
	mine, other := annotated(thing("v1", "Secret"), release.Key, "shop.web"), annotated(thing("v1", "Service"), release.Key, "shop.api")
	if s.ownsAny(before(namespace, other)) || !s.ownsAny(before(namespace, mine)) || s.ownsAny(nil) {
		t.Error("ownsAny")
	}
}

func TestSameRelease(t *testing.T) {
	web := annotated(thing("apps/v1", "Deployment"), release.Key, "shop.web")
	config := thing("v1", "ConfigMap")
	stamped := annotated(annotated(web, revisionKey, "abc"), versionKey, "v2")
	stamped.Set("v2", "metadata", "labels", "app.kubernetes.io/version")
	labelled := web.Clone()
	labelled.Set("x", "metadata", "labels", "team")
	for name, test := range map[string]struct {
		a, b []object.Object
		want bool
	}{
		"same":           {[]object.Object{web, config}, []object.Object{web, config}, true},
		"another order":  {[]object.Object{web, config}, []object.Object{config, web}, true},
		"another commit": {[]object.Object{web}, []object.Object{stamped}, true},
		"a label":        {[]object.Object{web}, []object.Object{labelled}, false},
		"one more":       {[]object.Object{web}, []object.Object{web, config}, false},
		"a value":        {[]object.Object{at(web, "1")}, []object.Object{at(web, "2")}, false},
		"nothing":        {nil, nil, true},
	} {
		if got := sameRelease(release.Record{Objects: test.a}, release.Record{Objects: test.b, Number: 7}); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
