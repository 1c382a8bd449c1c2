package main

import (
	"slices"

	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
)

// fromInterrupted is what the interrupted releases changed, as it was before the first of
// them, and what they created.
func fromInterrupted(records []release.Record) (before map[object.ID]object.Object, created map[object.ID]bool) {
	before, created = map[object.ID]object.Object{}, map[object.ID]bool{}
	for _, r := range release.Interrupted(records) {
		for _, o := range r.Before {
			if _, known := before[o.ID()]; !known && !created[o.ID()] {
				before[o.ID()] = o
			}
		}
		for _, id := range r.Created {
			if _, known := before[id]; !known {
				created[id] = true
			}
		}
	}
	return before, created
}

// keepServing keeps a failing release from removing what may serve by now, though an
// interrupted release created it: what the release that served has as well goes back to
// that, and where none ever served, all stays as it is if any of its pods is ready.
func (p *plan) keepServing() {
	serving := release.Serving(p.records)
	if serving == nil {
		if slices.ContainsFunc(p.changes, func(ch *change) bool { return p.created[ch.wanted.ID()] && hasReady(ch.live) }) {
			for _, ch := range p.changes {
				if p.created[ch.wanted.ID()] && ch.live != nil {
					p.before[ch.wanted.ID()] = ch.live
				}
			}
			clear(p.created)
		}
		return
	}
	for _, ch := range p.changes {
		id := ch.wanted.ID()
		same := slices.IndexFunc(serving.Objects, func(o object.Object) bool { return o.ID() == id })
		if same < 0 || !p.created[id] || ch.live == nil || isRun(ch.wanted) {
			continue
		}
		p.before[id] = serving.Objects[same]
		delete(p.created, id)
	}
}

// hasReady says whether a workload has pods that are ready.
func hasReady(live object.Object) bool {
	return slices.ContainsFunc([]string{"readyReplicas", "numberReady"}, func(field string) bool {
		n, _ := live.Int("status", field)
		return n > 0
	})
}
