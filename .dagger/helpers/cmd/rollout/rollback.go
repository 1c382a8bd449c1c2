package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
	"slipway/helpers/internal/sanitize"
)

// rollback deploys the objects of an earlier release again, or shows what that would do.
func (s *session) rollback(ctx context.Context) error {
	if _, err := s.mustHistory(ctx); err != nil {
		return err
	}
	if s.DryRun {
		_, _, err := s.wayBack(ctx, s.out)
		if err == nil {
			for _, note := range s.notes {
				fmt.Fprintln(s.out, note)
			}
			fmt.Fprintln(s.out, "\ndry run: nothing was changed")
		}
		return err
	}
	return s.locked(ctx, func(ctx context.Context) error {
		target, p, err := s.wayBack(ctx, s.progress)
		if err != nil {
			return err
		}
		r, w, err := s.beginRelease(ctx, p, release.Record{
			Of: target.Origin(), Note: fmt.Sprintf("rollback to %d", target.Number),
			Image: target.Image, Revision: target.Revision, Version: target.Version, Smoke: target.Smoke, Port: target.Port,
			Verified: s.Verified,
		})
		if err != nil {
			return err
		}
		return s.roll(ctx, p, w, r)
	})
}

// target prints which release a rollback goes to, and its image, so that the image can be
// verified first.
func (s *session) target(ctx context.Context) error {
	records, err := s.mustHistory(ctx)
	if err != nil {
		return err
	}
	target, err := release.Target(records, s.To, sameRelease)
	if err != nil {
		return fmt.Errorf("release %s: %w", s.Release, err)
	}
	return s.printJSON(struct {
		Number int
		Image  string
	}{target.Number, target.Image})
}

// runsVerified refuses a record that has other images than the one that was verified: it may
// have been changed since, or say one image and run another.
func runsVerified(r release.Record, image string) error {
	if r.Image != image {
		return fmt.Errorf("release %d is no longer what was verified: its image is %s: roll back again", r.Number, sanitize.Line(r.Image))
	}
	runs := false
	for _, o := range r.Objects {
		for _, c := range o.Containers() {
			other := c.Text("image")
			runs = runs || other == image
			if other != image && repositoryOf(other) == repositoryOf(image) {
				return fmt.Errorf("release %d cannot come back: %s runs %s, which is not the image that was verified",
					r.Number, o, sanitize.Line(other))
			}
		}
	}
	if !runs {
		return fmt.Errorf("release %d cannot come back: nothing in it runs %s, the image that was verified", r.Number, sanitize.Line(image))
	}
	return nil
}

// repositoryOf is an image's name without tag and digest.
func repositoryOf(image string) string {
	name, _, _ := strings.Cut(image, "@")
	if tag := strings.LastIndex(name, ":"); tag > strings.LastIndex(name, "/") {
		return name[:tag]
	}
	return name
}

// wayBack finds the release to go back to, checks what its record holds as manifests are
// checked, and writes to w what would change.
func (s *session) wayBack(ctx context.Context, w io.Writer) (*release.Record, *plan, error) {
	records, err := s.mustHistory(ctx)
	if err != nil {
		return nil, nil, err
	}
	target, err := release.Target(records, s.To, sameRelease)
	if err != nil {
		return nil, nil, fmt.Errorf("release %s: %w", s.Release, err)
	}
	s.maskRecords(records)
	if s.Verified != nil {
		if err := runsVerified(*target, s.Image); err != nil {
			return nil, nil, err
		}
	}
	s.Smoke, s.Image, s.Port = target.Smoke, target.Image, target.Port
	refused, err := s.judge(target.Objects)
	if err == nil {
		err = s.findPods(ctx, refused)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("release %d cannot come back: %w", target.Number, err)
	}
	if err := s.mustBeCarried(ctx, *target); err != nil {
		return nil, nil, err
	}
	objects, err := s.bind(ctx, *target, records)
	if err != nil {
		return nil, nil, err
	}
	if err := s.demand(ctx, s.rightsFor(objects)); err != nil {
		return nil, nil, err
	}
	p, err := s.planBack(ctx, objects, records)
	if err != nil {
		return nil, nil, fmt.Errorf("release %d cannot come back: %w", target.Number, err)
	}
	_, err = s.printDifferences(w, p)
	s.say("rolling back to release %d (%s)", target.Number, target.Image)
	return target, p, err
}

// planBack plans the way back to an earlier release's objects. What the cluster does not
// take back stays as the present release has it and is named, as long as no workload is
// among it: service comes back all the same.
func (s *session) planBack(ctx context.Context, objects []object.Object, records []release.Record) (*plan, error) {
	p, err := s.makePlan(ctx, objects, records)
	var refused findings
	now := release.Serving(records)
	if !errors.As(err, &refused) || now == nil {
		return p, err
	}
	trial := &plan{}
	for _, o := range objects {
		trial.changes = append(trial.changes, &change{wanted: o})
	}
	errs := kube.Each(trial.changes, parallel, func(_ int, ch *change) error { return s.foresee(ctx, ch, trial) })
	var mixed []object.Object
	var notes []string
	for i, o := range objects {
		present := slices.IndexFunc(now.Objects, func(other object.Object) bool { return other.ID() == o.ID() })
		if errors.As(errs[i], &refused) && present >= 0 && !o.IsWorkload() {
			o = now.Objects[present].Clone()
			o.Set(s.owner, "metadata", "annotations", release.Key)
			notes = append(notes, "stays as it is: "+refused[0])
		}
		mixed = append(mixed, o)
	}
	if len(notes) == 0 {
		return nil, err
	}
	if p, err = s.makePlan(ctx, mixed, records); err == nil {
		s.notes = append(s.notes, notes...)
	}
	return p, err
}

// sameRelease says whether two releases have the same objects.
func sameRelease(a, b release.Record) bool {
	return reflect.DeepEqual(unstamped(a.Objects), unstamped(b.Objects))
}

func unstamped(objects []object.Object) map[object.ID]object.Object {
	all := map[object.ID]object.Object{}
	for _, o := range objects {
		all[o.ID()] = withoutStamps(o)
	}
	return all
}

// mustHistory is the history of a release that must exist.
func (s *session) mustHistory(ctx context.Context) ([]release.Record, error) {
	if _, err := s.lookAtNamespace(ctx); err != nil {
		return nil, err
	}
	records, err := s.store.List(ctx)
	if err == nil && len(records) == 0 {
		err = s.noRelease()
	}
	return records, err
}

func (s *session) noRelease() error {
	return fmt.Errorf("there is no release %s in namespace %s, or its records are lost: --release and --namespace say which one, "+
		"and a deploy from its source makes a record", s.Release, s.Namespace)
}
