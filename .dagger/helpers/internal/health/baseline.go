package health

import (
	"strings"
	"time"

	"slipway/helpers/internal/object"
)

// Baseline is what was wrong before the release was applied: it is not held against the
// release. The zero value is that of an object that was not there.
type Baseline struct {
	uid        string
	generation int
	restarts   map[string]int       // of each container of each pod
	waiting    map[string]string    // what such a container was waiting for
	conditions map[string]condition // of the object, its sets and its pods
	events     map[string]int       // how often each event had been seen
}

// TakeBaseline keeps of a snapshot what Judge compares later ones with.
func TakeBaseline(s Snapshot) Baseline {
	b := Baseline{
		waiting:    map[string]string{},
		conditions: map[string]condition{},
		events:     map[string]int{},
	}
	b = b.Forgive(s)
	held := append([]object.Object{}, s.Sets...)
	held = append(held, s.pods()...)
	if s.Object != nil {
		b.uid = s.Object.UID()
		b.generation, _ = s.Object.Int("metadata", "generation")
		held = append(held, s.Object)
	}
	for _, o := range held {
		for _, c := range o.List("status", "conditions") {
			b.conditions[o.UID()+"/"+c.Text("type")] = asCondition(c)
		}
	}
	for _, p := range s.pods() {
		for _, c := range containers(p) {
			b.waiting[c.key()] = c.status.Text("state", "waiting", "reason")
		}
	}
	for _, e := range s.Events {
		b.events[e.UID()] = times(e)
	}
	return b
}

// Forgive returns the baseline with restarts counted from a snapshot on: for the moment when
// what the pods may have crashed for, such as the release's own database, has come up.
func (b Baseline) Forgive(s Snapshot) Baseline {
	b.restarts = map[string]int{}
	for _, p := range s.pods() {
		for _, c := range containers(p) {
			b.restarts[c.key()] = c.restarts()
		}
	}
	return b
}

// pods are the object's pods; a bare Pod's is itself.
func (s Snapshot) pods() []object.Object {
	if s.Object != nil && s.Object.Kind() == "Pod" && s.Object.Group() == "" {
		return []object.Object{s.Object}
	}
	return s.Pods
}

// had says whether a condition of an object was the same before.
func (b Baseline) had(o object.Object, c condition) bool {
	before, found := b.conditions[o.UID()+"/"+c.kind]
	return found && before.status == c.status && before.reason == c.reason && before.updated == c.updated && before.changed == c.changed
}

// lacked says whether a condition of an object was there before and not True.
func (b Baseline) lacked(o object.Object, kind string) bool {
	before, found := b.conditions[o.UID()+"/"+kind]
	return found && before.status != "True"
}

// fresh says whether an event has happened, or happened again, since.
func (b Baseline) fresh(e object.Object) bool {
	before, found := b.events[e.UID()]
	return !found || times(e) > before
}

// same says whether the object is the very one there was before, with the same spec.
func (b Baseline) same(o object.Object) bool {
	generation, _ := o.Int("metadata", "generation")
	return b.uid != "" && b.uid == o.UID() && b.generation == generation
}

type condition struct {
	kind, status, reason, message string
	updated, changed              string // lastUpdateTime, lastTransitionTime
	stale                         bool   // it is about an earlier generation
}

func asCondition(c object.Object) condition {
	return condition{
		kind: c.Text("type"), status: c.Text("status"), reason: c.Text("reason"), message: plain(c.Text("message")),
		updated: c.Text("lastUpdateTime"), changed: c.Text("lastTransitionTime"),
	}
}

// conditionOf is the object's condition of a type, the zero one where there is none.
func conditionOf(o object.Object, kind string) condition {
	for _, c := range o.List("status", "conditions") {
		if c.Text("type") != kind {
			continue
		}
		found := asCondition(c)
		generation, _ := o.Int("metadata", "generation")
		if seen, has := c.Int("observedGeneration"); has {
			found.stale = seen < generation
		}
		return found
	}
	return condition{}
}

// times is how often an event has happened.
func times(e object.Object) int {
	n, _ := e.Int("count")
	series, _ := e.Int("series", "count")
	return max(n, series, 1)
}

// last is when an event happened last.
func last(e object.Object) time.Time {
	var latest time.Time
	for _, path := range [][]string{{"firstTimestamp"}, {"eventTime"}, {"lastTimestamp"}, {"series", "lastObservedTime"}} {
		if t := instant(e.Text(path...)); t.After(latest) {
			latest = t
		}
	}
	return latest
}

// instant is a point in time as the API writes it, the zero one if it is none.
func instant(text string) time.Time {
	t, _ := time.Parse(time.RFC3339, text)
	return t
}

// An API message is cut in the middle: its start says what failed, and its end why, as
// the last of several wrapped errors.
const (
	messageStart = 240 // characters
	messageEnd   = 120
)

// plain is an API message in one line of bounded length.
func plain(message string) string {
	runes := []rune(strings.Join(strings.Fields(message), " "))
	if len(runes) <= messageStart+messageEnd+1 {
		return string(runes)
	}
	return string(runes[:messageStart]) + "…" + string(runes[len(runes)-messageEnd:])
}
