package main

import (
	"encoding/json"
	"testing"

	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
)

// A release that fails may not take away what an interrupted one created if that may serve.
func TestKeepServing(t *testing.T) {
	web, config, job := thing("apps/v1", "Deployment"), thing("v1", "ConfigMap"), thing("batch/v1", "Job")
	ready := func(o object.Object, field string, n int) object.Object {
		o = o.Clone()
		o.Set(json.Number(string(rune('0'+n))), "status", field)
		return o
	}
	deployed := release.Record{Number: 1, Status: release.Deployed, Objects: []object.Object{at(web, "deployed"), at(job, "deployed")}}
	for name, test := range map[string]struct {
		plan            plan
		before, created string
	}{
		"none served, none is ready": {plan{
			changes: []*change{{wanted: web, live: at(web, "interrupted")}, {wanted: config}}, created: ids(web, config),
		}, "", "ConfigMap, Deployment"},
		"none served, one is ready": {plan{
			changes: []*change{{wanted: web, live: ready(at(web, "interrupted"), "readyReplicas", 1)}, {wanted: config}},
			created: ids(web, thing("v1", "Secret")),
		}, "Deployment interrupted", "ConfigMap"},
		"none served, one of all nodes is ready": {plan{
			changes: []*change{{wanted: web, live: ready(at(web, "interrupted"), "numberReady", 1)}}, created: ids(web),
		}, "Deployment interrupted", ""},
		"that served has it": {plan{
			changes: []*change{{wanted: web, live: at(web, "interrupted")}, {wanted: config, live: at(config, "interrupted")}},
			created: ids(web, config), records: []release.Record{deployed},
		}, "Deployment deployed", "ConfigMap"},
		"that served has it, and it is gone again": {plan{
			changes: []*change{{wanted: web}}, created: ids(web), records: []release.Record{deployed},
		}, "", "Deployment"},
		"a run is not repeated": {plan{
			changes: []*change{{wanted: job, live: at(job, "interrupted")}}, created: ids(job), records: []release.Record{deployed},
		}, "", "Job"},
	} {
		p := test.plan
		p.before = map[object.ID]object.Object{}
		p.keepServing()
		r := p.next(release.Record{})
		if got := steps(r.Before); got != test.before {
			t.Errorf("%s: before is %q, want %q", name, got, test.before)
		}
		var made []object.Object
		for _, id := range r.Created {
			made = append(made, object.Object{"kind": id.Kind})
		}
		if got := steps(made); got != test.created {
			t.Errorf("%s: created is %q, want %q", name, got, test.created)
		}
	}
}
