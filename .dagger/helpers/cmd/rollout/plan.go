package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
	"slipway/helpers/internal/sanitize"
)

const (
	// parallel is the number of requests that are under way at once.
	parallel = 16
	// removeLimit is the least time for what is to go: a short --timeout is meant for the
	// new release.
	removeLimit = 90 * time.Second

	instanceKey = "app.kubernetes.io/instance"
	revisionKey = "slipway/revision"
	versionKey  = "slipway/version"
	labelLimit  = 63
)

// change is what applying does to an object.
type change struct {
	wanted  object.Object // as it is applied
	live    object.Object // as it was before, nil if there was none
	merged  object.Object // as it would be, nil if that cannot be known beforehand
	applied object.Object // as it is now; nil before it was applied
	replace bool          // it cannot be changed: it is deleted and made again
	foreign bool          // it was not the release's, and is taken over
	reclaim bool          // fields that an interrupted return of the release set are its own again
	late    bool          // its kind is known only once the release has defined it
	claim   [][]string    // defaulted fields that stand in the way of what is wanted
}

// plan is what a deploy or rollback will do, known before anything is touched.
type plan struct {
	changes  []*change       // in the order of their phases
	removals []object.Object // live objects that leave the release
	kept     []kept          // those that leave it and stay in the cluster
	records  []release.Record
	before   map[object.ID]object.Object // what interrupted releases changed, as it was before them
	created  map[object.ID]bool          // what interrupted releases created
}

// kept is an object that stays in the cluster, and why.
type kept struct {
	object object.Object
	why    string
}

func (p *plan) objects() []object.Object {
	all := make([]object.Object, len(p.changes))
	for i, ch := range p.changes {
		all[i] = ch.wanted
	}
	return all
}

// prepare completes the manifests with what makes them the release's. ownNamespace says
// whether the release's namespace is its own; one that was there before belongs to
// somebody else, with all its labels.
func (s *session) prepare(objects []object.Object, ownNamespace bool) []object.Object {
	var all []object.Object
	for _, o := range objects {
		if o.ID() == s.namespaceObject().ID() && !ownNamespace {
			continue
		}
		if skipped := hookOf(o); skipped == hookNever {
			s.say("%s is left out: it is a hook that deploy does not run (%s)", o, hookText(o))
			continue
		}
		o = s.client.Complete(o)
		if definitionOf(o, objects).Text("spec", "scope") == "Namespaced" && o.Namespace() == "" {
			o.Set(s.Namespace, "metadata", "namespace")
		}
		if o.Name() == "" {
			o.Set(o.Text("metadata", "generateName")+strings.ToLower(rand.Text()[:5]), "metadata", "name")
			o.Delete("metadata", "generateName")
		}
		if isSecret(o) {
			encodeStringData(o)
		}
		o.Set(s.owner, "metadata", "annotations", release.Key)
		o.Set(s.Revision, "metadata", "annotations", revisionKey)
		// Labels of the manifests' own stay: selectors and policies may depend on them.
		for key, value := range map[string]string{
			instanceKey: s.Release, "app.kubernetes.io/managed-by": release.Manager, "app.kubernetes.io/version": labelValue(s.Version),
		} {
			if o.Label(key) == "" && value != "" {
				o.Set(value, "metadata", "labels", key)
			}
		}
		if labelValue(s.Version) != s.Version {
			o.Set(s.Version, "metadata", "annotations", versionKey)
		}
		all = append(all, o)
	}
	s.mask(all)
	return all
}

// labelValue cuts a version to what a label takes.
func labelValue(version string) string {
	return strings.TrimRight(version[:min(len(version), labelLimit)], "-_.")
}

// encodeStringData moves the stringData of a Secret to its data. The API server does the
// same, but it does not remember who set a key that came as stringData, so that a key
// which the manifest drops would stay.
func encodeStringData(secret object.Object) {
	for key, value := range secret.Strings("stringData") {
		secret.Set(base64.StdEncoding.EncodeToString([]byte(value)), "data", key)
	}
	delete(secret, "stringData")
}

// makePlan reads what is in the cluster and has the API server say what it would make of
// every object, without storing anything.
func (s *session) makePlan(ctx context.Context, objects []object.Object, records []release.Record) (*plan, error) {
	p := &plan{records: records, before: map[object.ID]object.Object{}, created: map[object.ID]bool{}}
	for _, r := range release.Interrupted(records) {
		for _, o := range r.Before {
			if _, known := p.before[o.ID()]; !known && !p.created[o.ID()] {
				p.before[o.ID()] = o
			}
		}
		for _, id := range r.Created {
			if _, known := p.before[id]; !known {
				p.created[id] = true
			}
		}
	}
	for _, o := range objects {
		p.changes = append(p.changes, &change{wanted: o})
	}
	slices.SortStableFunc(p.changes, func(a, b *change) int { return cmp.Compare(phaseOf(a.wanted), phaseOf(b.wanted)) })
	if err := s.gather(kube.Each(p.changes, parallel, func(_ int, ch *change) error { return s.foresee(ctx, ch, p) })); err != nil {
		return nil, fmt.Errorf("the cluster would not take the manifests:\n%w", err)
	}
	return p, s.planRemovals(ctx, p)
}

// planRemovals finds what the release had and has no longer.
func (s *session) planRemovals(ctx context.Context, p *plan) error {
	inventory, err := s.inventory(ctx, p.records)
	if err != nil {
		return err
	}
	gone := object.Without(inventory, p.objects())
	lives := make([]object.Object, len(gone))
	errs := kube.Each(gone, parallel, func(i int, o object.Object) (err error) {
		lives[i], err = s.ownLive(ctx, o)
		return err
	})
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i, live := range lives {
		switch {
		case live == nil || live.ID() == s.namespaceObject().ID():
		case release.Keep(gone[i], live, s.DeleteData) != "":
			p.kept = append(p.kept, kept{live, release.Keep(gone[i], live, s.DeleteData)})
		default:
			p.removals = append(p.removals, live)
		}
	}
	return nil
}

// ownLive is the live object that a release made, nil if it is not there or somebody
// else's by now, or if nobody can tell because its kind is no longer served.
func (s *session) ownLive(ctx context.Context, o object.Object) (object.Object, error) {
	if o = s.client.InServedVersion(o); o == nil {
		return nil, nil
	}
	live, err := s.client.Read(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", o, err)
	}
	if !release.Owns(s.owner, live) {
		return nil, nil
	}
	return live, nil
}

// foresee reads the live object and has the API server judge the change. What it has
// against the object are findings.
func (s *session) foresee(ctx context.Context, ch *change, p *plan) error {
	o := ch.wanted
	at := s.origin(o)
	if _, known := s.client.Resource(o.Type()); !known {
		if definitionOf(o, p.objects()) != nil {
			ch.late = true
			return nil
		}
		return findings{fmt.Sprintf("%s: the cluster knows no kind %s in %s: %s", at, o.Kind(), o.Version(), s.whyUnknown(o))}
	}
	live, err := s.settled(ctx, o)
	if err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	ch.live = live
	if live != nil && !release.Owns(s.owner, live) {
		if !s.ForceConflicts {
			return findings{fmt.Sprintf("%s: is in the cluster already and %s: another --namespace or --release leaves it alone, --force-conflicts takes it over",
				at, whose(live))}
		}
		ch.foreign = true
	}
	ch.wanted = keepReplicas(o, live)
	if ch.replace = live != nil && mustReplace(ch.wanted, live); ch.replace {
		ch.merged = ch.wanted
		return s.mayReplace(ch, at)
	}
	ch.merged, err = s.client.Apply(ctx, ch.wanted, kube.ApplyOptions{Force: s.ForceConflicts, DryRun: true})
	var refused *kube.StatusError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &refused):
		return fmt.Errorf("%s: %w", at, err)
	case conflictsWithItself(refused):
		ch.reclaim = true
		ch.merged, err = s.client.Apply(ctx, ch.wanted, kube.ApplyOptions{Force: true, DryRun: true})
		return err
	case isImmutable(refused) && isRun(o) && live != nil:
		ch.replace, ch.merged = true, ch.wanted
		return s.mayReplace(ch, at)
	case live == nil && p.bringsAlong(refused, o):
		return nil
	}
	if ch.claim = defaultsInTheWay(ch.wanted, live, refused); len(ch.claim) > 0 {
		return nil
	}
	return findings(s.explain(at, o, refused))
}

// whyUnknown says what may be the matter with a kind that is not served.
func (s *session) whyUnknown(o object.Object) string {
	for _, stale := range s.client.Stale() {
		if stale == o.Version() || strings.HasPrefix(stale, o.Group()+"/") {
			return "the server of that API is down: see kubectl get apiservices"
		}
	}
	return "is its CustomResourceDefinition installed?"
}

// settled is the live object, once it is not on its way out any more.
func (s *session) settled(ctx context.Context, o object.Object) (object.Object, error) {
	said := false
	for start := time.Now(); ; {
		live, err := s.client.Read(ctx, o)
		if err != nil || live.Text("metadata", "deletionTimestamp") == "" {
			return live, err
		}
		if time.Since(start) > min(s.limit, removeLimit) || s.DryRun {
			return nil, findings{fmt.Sprintf("%s: is being deleted (finalizers: %v): wait until it is gone, or clear what holds it",
				s.origin(o), live.At("metadata", "finalizers"))}
		}
		if !said {
			said = true
			s.say("waiting: %s is being deleted", o)
		}
		if !pause(ctx, 300*time.Millisecond) {
			return nil, context.Cause(ctx)
		}
	}
}

func whose(live object.Object) string {
	if other := live.Annotation(release.Key); other != "" {
		return "belongs to release " + other
	}
	if helm := live.Annotation("meta.helm.sh/release-name"); helm != "" {
		return "belongs to the Helm release " + helm
	}
	return "was not made by Slipway"
}

// isRun says whether the object is a piece of work of its own, which with another image
// is another piece of work: a Job or a bare Pod.
func isRun(o object.Object) bool {
	return o.Kind() == "Job" && o.Group() == "batch" || o.Kind() == "Pod" && o.Group() == ""
}

// mustReplace says whether an object has to be made again though it may be the same: a
// Job that failed does nothing any more, and a hook runs with each deploy.
func mustReplace(wanted, live object.Object) bool {
	if !isRun(wanted) {
		return false
	}
	return condition(live, "Failed") || live.Text("status", "phase") == "Failed" || hookOf(wanted) == hookEach
}

func condition(o object.Object, kind string) bool {
	return slices.ContainsFunc(o.List("status", "conditions"), func(c object.Object) bool {
		return c.Text("type") == kind && c.Text("status") == "True"
	})
}

// mayReplace refuses to delete what somebody else made.
func (s *session) mayReplace(ch *change, at string) error {
	if ch.foreign {
		return findings{at + ": cannot be changed, only deleted and made again, and it is not the release's: delete it yourself, or choose another name"}
	}
	return nil
}

// isImmutable says whether a refusal means that the object cannot be changed, only
// made again.
func isImmutable(err *kube.StatusError) bool {
	return err.Reason == "Invalid" && (strings.Contains(err.Message, "field is immutable") || strings.Contains(err.Message, "pod updates may not change fields"))
}

// conflictsWithItself says whether a refusal is about nothing but fields that the release
// itself set, in another way than by applying them.
func conflictsWithItself(refused *kube.StatusError) bool {
	for _, cause := range refused.Details.Causes {
		if cause.Reason != "FieldManagerConflict" || !strings.Contains(cause.Message, `"`+release.Manager+`"`) {
			return false
		}
	}
	return len(refused.Details.Causes) > 0
}

// defaultsInTheWay are the fields that the API server refuses beside what is wanted,
// though only its own defaults set them: a Deployment that goes to Recreate still has
// the limits of the rolling update that was its default.
func defaultsInTheWay(wanted, live object.Object, refused *kube.StatusError) [][]string {
	var claim [][]string
	for _, cause := range refused.Details.Causes {
		path := strings.Split(cause.Field, ".")
		if cause.Reason != "FieldValueForbidden" && cause.Reason != "FieldValueInvalid" || strings.Contains(cause.Field, "[") || wanted.At(path...) != nil ||
			release.Claim(live, path...) == nil {
			return nil
		}
		claim = append(claim, path)
	}
	return claim
}

// definitionOf is the CustomResourceDefinition among the objects that defines o's kind,
// nil if there is none.
func definitionOf(o object.Object, objects []object.Object) object.Object {
	for _, d := range objects {
		if d.Kind() == "CustomResourceDefinition" && d.Text("spec", "group") == o.Group() && d.Text("spec", "names", "kind") == o.Kind() {
			return d
		}
	}
	return nil
}

// bringsAlong says whether an object is refused only because another of the release is
// not there yet, as a RoleBinding before its Role.
func (p *plan) bringsAlong(refused *kube.StatusError, o object.Object) bool {
	if !strings.Contains(refused.Message, "not found") && !strings.Contains(refused.Message, "was found") {
		return false
	}
	return slices.ContainsFunc(p.changes, func(ch *change) bool {
		other := ch.wanted
		return other.ID() != o.ID() && other.Name() != "" && strings.Contains(refused.Message, other.Name())
	})
}

// keepReplicas has a workload keep its number of pods when the manifest leaves that to an
// autoscaler and an earlier one did not: Kubernetes would go to its default, one, until
// the autoscaler has looked.
func keepReplicas(o, live object.Object) object.Object {
	scales := o.Group() == "apps" && (o.Kind() == "Deployment" || o.Kind() == "StatefulSet")
	if !scales || o.At("spec", "replicas") != nil || !release.OwnsField(live, "spec", "replicas") {
		return o
	}
	o = o.Clone()
	o.Set(live.At("spec", "replicas"), "spec", "replicas")
	return o
}

// explain makes a line of each thing that the API server has against an object. Of a
// Secret no value is shown.
func (s *session) explain(at string, o object.Object, refused *kube.StatusError) []string {
	var lines []string
	for _, cause := range refused.Details.Causes {
		if cause.Reason == "FieldManagerConflict" {
			other := strings.TrimPrefix(cause.Message, "conflict with ")
			lines = append(lines, fmt.Sprintf("%s: %s: is set by %s: remove it from the manifest, or take it over with --force-conflicts",
				at, strings.TrimPrefix(cause.Field, "."), other))
		} else if cause.Field != "" {
			lines = append(lines, fmt.Sprintf("%s: %s: %s", at, cause.Field, cause.Message))
		}
	}
	if len(lines) == 0 {
		lines = []string{at + ": " + refused.Error()}
	}
	for i, line := range lines {
		if isSecret(o) {
			line = sanitize.Secret(line, o)
		}
		lines[i] = sanitize.Line(line)
	}
	return lines
}

// gather joins the findings of several objects; an error of another kind comes first.
func (s *session) gather(errs []error) error {
	var all findings
	for _, err := range errs {
		var f findings
		switch {
		case errors.As(err, &f):
			all = append(all, f...)
		case err != nil:
			return err
		}
	}
	if len(all) > 0 {
		return all
	}
	return nil
}

// findings are several things that are wrong, each a line.
type findings []string

func (f findings) Error() string {
	sorted := slices.Clone(f)
	slices.Sort(sorted)
	return strings.Join(slices.Compact(sorted), "\n")
}

// next is the record of the release that the plan leads to.
func (p *plan) next(r release.Record) release.Record {
	r.Number, r.Status, r.Started = release.Next(p.records), release.Pending, time.Now().UTC()
	r.Objects = p.objects()
	for _, ch := range p.changes {
		id := ch.wanted.ID()
		_, earlier := p.before[id]
		switch {
		case earlier || p.created[id]:
		case ch.live == nil:
			p.created[id] = true
		default:
			p.before[id] = ch.live
		}
	}
	for _, o := range p.removals {
		if _, earlier := p.before[o.ID()]; !earlier && !p.created[o.ID()] {
			p.before[o.ID()] = o
		}
	}
	for _, id := range slices.SortedFunc(maps.Keys(p.before), compareIDs) {
		r.Before = append(r.Before, withoutStatus(p.before[id]))
	}
	r.Created = slices.SortedFunc(maps.Keys(p.created), compareIDs)
	return r
}

func withoutStatus(o object.Object) object.Object {
	o = o.Clone()
	delete(o, "status")
	return o
}

func compareIDs(a, b object.ID) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) }
