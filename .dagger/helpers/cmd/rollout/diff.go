package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"sigs.k8s.io/yaml"

	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
)

// What progress shows of a difference, in lines.
const (
	progressLines     = 400
	progressLinesEach = 60 // of one object
)

// diff prints what applying would change.
func (s *session) diff(ctx context.Context) error {
	s.warn(s.warnings)
	state, err := s.lookAtNamespace(ctx)
	if err != nil {
		return err
	}
	objects := s.prepare(s.Objects, state != namespaceForeign)
	if state == namespaceAbsent {
		if s.Format == markdown {
			return s.printMarkdown(s.newcomers(objects))
		}
		s.printNew(s.out, objects)
		return errDifferent
	}
	records, err := s.store.List(ctx)
	if err != nil {
		return err
	}
	// What deploy would refuse to take over is part of the difference, and it waits for
	// nothing.
	s.ForceConflicts, s.DryRun = true, true
	p, err := s.makePlan(ctx, objects, records)
	if err != nil {
		return err
	}
	if s.Format == markdown {
		d, err := s.differences(p)
		if err != nil {
			return err
		}
		return s.printMarkdown(d)
	}
	different, err := s.printDifferences(s.out, p)
	if err == nil && different {
		err = errDifferent
	}
	return err
}

// printNew writes to w what differs where the namespace is not there yet.
func (s *session) printNew(w io.Writer, objects []object.Object) {
	fmt.Fprintf(w, "namespace %s is not there yet; with it would come:\n", s.Namespace)
	for _, o := range objects {
		fmt.Fprintf(w, "  %s\n", o)
	}
}

// difference is what would change of one object.
type difference struct{ object, text string }

// differences is what a plan would change in the cluster.
type differences struct {
	changes []difference
	removed []string // a line for each object
	notes   []string // on what stays
}

// differences compares the plan with the cluster. The values of Secrets that the cluster
// has now are masked from here on: pods print them too.
func (s *session) differences(p *plan) (differences, error) {
	s.maskRecords(p.records)
	for _, ch := range p.changes {
		s.mask([]object.Object{ch.live})
	}
	s.mask(p.removals)
	var d differences
	for _, ch := range p.changes {
		text, err := ch.text()
		if err != nil {
			return d, err
		}
		if ch.foreign {
			text = fmt.Sprintf("%s %s, and would be taken over\n%s", ch.wanted, whose(ch.live), text)
		}
		if text != "" {
			d.changes = append(d.changes, difference{ch.wanted.String(), text})
		}
	}
	for _, o := range p.removals {
		d.removed = append(d.removed, fmt.Sprintf("%s would be removed: the manifests no longer have it", o))
	}
	for _, k := range p.kept {
		d.notes = append(d.notes, fmt.Sprintf("%s leaves the manifests and stays in the cluster: %s", k.object, k.why))
	}
	for _, ch := range p.changes {
		if ch.live == nil || ch.merged == nil || ch.replace {
			continue
		}
		for _, field := range release.ByHand(ch.merged) {
			d.notes = append(d.notes, fmt.Sprintf("%s: set by hand, and stays: %s", ch.wanted, field))
		}
	}
	return d, nil
}

func (d differences) any() bool { return len(d.changes)+len(d.removed) > 0 }

// printDifferences writes to w what the changes are, what would be removed, and what
// somebody set by hand; to progress only as much as a log bears.
func (s *session) printDifferences(w io.Writer, p *plan) (different bool, err error) {
	d, err := s.differences(p)
	if err != nil {
		return false, err
	}
	room := progressLines
	for _, ch := range d.changes {
		text := ch.text
		if w == io.Writer(s.progress) {
			text = firstLines(text, min(room, progressLinesEach))
			room -= strings.Count(text, "\n")
		}
		fmt.Fprint(w, text)
	}
	for _, line := range append(d.removed, d.notes...) {
		fmt.Fprintln(w, line)
	}
	if !d.any() {
		fmt.Fprintln(w, "no difference")
	}
	return d.any(), nil
}

// firstLines are as many lines of a text as there is room for, with a note of the others.
func firstLines(text string, room int) string {
	total := strings.Count(text, "\n")
	if total <= room {
		return text
	}
	if room <= 1 {
		return ""
	}
	lines := strings.SplitAfterN(text, "\n", room)
	return strings.Join(lines[:room-1], "") + fmt.Sprintf("… %d more lines: dagger call diff shows all of them\n", total-room+1)
}

// text is the unified diff of a change, "" if nothing changes.
func (ch *change) text() (string, error) {
	switch {
	case ch.merged == nil && ch.live == nil:
		return fmt.Sprintf("%s would be made\n", ch.wanted), nil
	case ch.merged == nil:
		return fmt.Sprintf("%s would be changed: a default gives way\n", ch.wanted), nil
	}
	before, after := withoutStamps(ch.live), withoutStamps(ch.merged)
	if ch.replace {
		before = withoutStatus(before)
	}
	if isSecret(ch.wanted) {
		mask(before, after)
	}
	var text [2]string
	for i, o := range []object.Object{before, after} {
		if o == nil {
			continue
		}
		out, err := yaml.Marshal(o)
		if err != nil {
			return "", err
		}
		text[i] = string(out)
	}
	return udiff.Unified("live "+ch.wanted.String(), "merged "+ch.wanted.String(), text[0], text[1]), nil
}

// withoutStamps is an object without what the API server and deploy add to it: a commit
// that changes no manifest is no difference.
func withoutStamps(o object.Object) object.Object {
	if o == nil {
		return nil
	}
	o = o.Bare()
	// kubectl apply keeps a copy of the whole object in an annotation, also of a Secret.
	for _, key := range []string{
		release.Key, revisionKey, versionKey, "deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration",
	} {
		o.Delete("metadata", "annotations", key)
	}
	o.Delete("metadata", "labels", "app.kubernetes.io/version")
	for _, field := range []string{"annotations", "labels"} {
		if len(o.Map("metadata", field)) == 0 {
			o.Delete("metadata", field)
		}
	}
	return o
}

// mask leaves of a Secret's values only whether they change, as kubectl diff does.
func mask(before, after object.Object) {
	old, present := before.Map("data"), after.Map("data")
	differs := map[string]bool{}
	for key, was := range old {
		value, stays := present[key]
		differs[key] = stays && was != value
	}
	hide := func(values object.Object, when string) {
		for key := range values {
			values[key] = "***"
			if differs[key] {
				values[key] = "*** (" + when + ")"
			}
		}
	}
	hide(old, "before")
	hide(present, "after")
}
