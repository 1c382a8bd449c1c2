package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
)

const (
	// parallel is the number of requests that are under way at once. The API server lets
	// hundreds through, and says 429 where it has enough.
	parallel = 32
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
	given   object.Object // as the manifests have it
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
	returns  []object.Object // what an interrupted release took over and this one has not, as it was
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

// labelValue makes of a version what a label takes.
func labelValue(version string) string {
	version = notInLabel.ReplaceAllString(version, "-")
	return strings.Trim(version[:min(len(version), labelLimit)], "-_.")
}

var notInLabel = regexp.MustCompile(`[^A-Za-z0-9._-]`)

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
	p := &plan{records: records}
	p.before, p.created = fromInterrupted(records)
	for _, o := range objects {
		p.changes = append(p.changes, &change{wanted: o})
	}
	slices.SortStableFunc(p.changes, func(a, b *change) int { return cmp.Compare(phaseOf(a.wanted), phaseOf(b.wanted)) })
	if err := s.gather(kube.Each(p.changes, parallel, func(_ int, ch *change) error { return s.foresee(ctx, ch, p) })); err != nil {
		return nil, fmt.Errorf("the cluster would not take the manifests:\n%w", err)
	}
	for _, ch := range p.changes {
		ch.wanted = keepReplicas(ch.wanted, ch.live)
	}
	p.keepServing()
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
		case p.before[live.ID()] != nil && !release.Owns(s.owner, p.before[live.ID()]):
			p.returns = append(p.returns, p.before[live.ID()])
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
	if ch.given == nil {
		ch.given = o
	}
	wanted := keepReplicas(o, live) // made the change's own when all are done, as the others read it
	if ch.replace = live != nil && mustReplace(wanted, live); ch.replace {
		ch.merged = wanted
		return s.mayReplace(ch, at)
	}
	ch.merged, err = s.client.Apply(ctx, wanted, kube.ApplyOptions{Force: s.ForceConflicts, DryRun: true})
	var refused *kube.StatusError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &refused):
		return fmt.Errorf("%s: %w", at, err)
	case conflictsWithItself(refused):
		ch.reclaim = true
		ch.merged, err = s.client.Apply(ctx, wanted, kube.ApplyOptions{Force: true, DryRun: true})
		return err
	case isImmutable(refused) && isRun(o) && live != nil:
		ch.replace, ch.merged = true, wanted
		return s.mayReplace(ch, at)
	case live == nil && p.bringsAlong(refused, o):
		return nil
	}
	if ch.claim = defaultsInTheWay(wanted, live, refused); len(ch.claim) > 0 {
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
	h := hookOf(wanted)
	return condition(live, "Failed") || live.Text("status", "phase") == "Failed" || h == hookEach || h == hookAfter
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

// next is the record of the release that the plan leads to.
func (p *plan) next(r release.Record) release.Record {
	r.Number, r.Status, r.Started = release.Next(p.records), release.Pending, time.Now().UTC()
	for _, ch := range p.changes {
		// A number of pods that is only kept is not what the release asks for.
		if r.Objects = append(r.Objects, ch.wanted); ch.given != nil {
			r.Objects[len(r.Objects)-1] = ch.given
		}
		id := ch.wanted.ID()
		_, earlier := p.before[id]
		switch {
		case ch.foreign && p.before[id].UID() != ch.live.UID(): // made anew by others since an interrupted release
			p.before[id] = ch.live
			delete(p.created, id)
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
