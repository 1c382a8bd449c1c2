package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"slipway/helpers/internal/health"
	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
	"slipway/helpers/internal/sanitize"
)

// status prints the release that serves.
func (s *session) status(ctx context.Context) error {
	records, err := s.recorded(ctx)
	if err != nil {
		return err
	}
	r := release.Serving(records)
	if r == nil {
		return fmt.Errorf("no release of %s has served yet", s.Release)
	}
	v, err := s.view(ctx, *r)
	if err != nil {
		return err
	}
	if last := records[len(records)-1]; last.Status == release.Pending {
		v.Pending = last.Number
	}
	if s.Format == "json" {
		return s.printJSON(v)
	}
	if err := v.print(s.out); err != nil {
		return err
	}
	s.noteLacking(ctx, r.Image)
	return nil
}

// recorded are the records of a release that must exist. What pods and events say of the
// Secrets in them is masked from now on.
func (s *session) recorded(ctx context.Context) ([]release.Record, error) {
	records, err := s.mustHistory(ctx)
	s.maskRecords(records)
	return records, err
}

// entry is a release in the history, for scripts.
type entry struct {
	Number   int        `json:"number"`
	Status   string     `json:"status"`
	Started  *time.Time `json:"started,omitempty"`
	Version  string     `json:"version"`
	Revision string     `json:"revision"`
	Image    string     `json:"image"`
	Note     string     `json:"note,omitempty"`
}

// history prints a line for each release.
func (s *session) history(ctx context.Context) error {
	records, err := s.recorded(ctx)
	if err != nil {
		return err
	}
	if s.Format == "json" {
		return s.printJSON(entries(records))
	}
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NUMBER\tSTATUS\tSTARTED\tVERSION\tIMAGE\tNOTE")
	for _, r := range records {
		started := ""
		if !r.Started.IsZero() {
			started = r.Started.Format(time.RFC3339)
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\n", r.Number, r.Status, started, cut(r.Version, 24), shortImage(r.Image), cut(sanitize.Line(r.Note), 80))
	}
	return table.Flush()
}

func entries(records []release.Record) []entry {
	all := make([]entry, len(records))
	for i, r := range records {
		all[i] = entry{
			Number: r.Number, Status: r.Status, Version: sanitize.Line(r.Version), Revision: sanitize.Line(r.Revision),
			Image: sanitize.Line(r.Image), Note: sanitize.Line(r.Note),
		}
		if !r.Started.IsZero() {
			all[i].Started = &r.Started
		}
	}
	return all
}

// printJSON prints for scripts. Its lines are short enough for the writer to leave them whole.
func (s *session) printJSON(v any) error {
	enc := json.NewEncoder(s.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func cut(text string, limit int) string {
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return text
}

// shortImage is the last element of an image's name with as much of its digest as people
// compare.
func shortImage(image string) string {
	name, digest, _ := strings.Cut(image, "@sha256:")
	return name[strings.LastIndex(name, "/")+1:] + "@" + digest[:min(len(digest), 12)]
}

// logs prints the last log lines of every container of the newest release's pods.
func (s *session) logs(ctx context.Context) error {
	records, err := s.recorded(ctx)
	if err != nil {
		return err
	}
	readable := slices.DeleteFunc(records, func(r release.Record) bool { return r.Status == release.Unreadable })
	if len(readable) == 0 {
		return fmt.Errorf("no record of release %s can be read", s.Release)
	}
	return s.eachPod(ctx, readable[len(readable)-1], nil, func(p object.Object) {
		for _, status := range containerStatuses(p) {
			text, err := s.client.Log(ctx, p.Namespace(), p.Name(), kube.LogOptions{Container: status.Text("name"), Lines: s.Tail})
			if err != nil {
				text = "no log: " + err.Error()
			}
			for line := range strings.Lines(text) {
				fmt.Fprintf(s.out, "%s/%s  %s\n", p.Name(), status.Text("name"), sanitize.Line(strings.TrimRight(line, "\n")))
			}
		}
	})
}

// eachPod calls workload, if not nil, with every workload of a release and how far it is,
// and pod with each of its pods.
func (s *session) eachPod(ctx context.Context, r release.Record, workload func(o object.Object, st health.State, there bool), pod func(p object.Object)) error {
	var workloads []object.Object
	for _, o := range r.Objects {
		if o = s.client.InServedVersion(o); o != nil && o.IsWorkload() {
			workloads = append(workloads, o)
		}
	}
	lives := make([]object.Object, len(workloads))
	// Of a record that somebody else wrote, no other's pods are shown.
	errs := kube.Each(workloads, parallel, func(i int, o object.Object) (err error) {
		lives[i], err = s.ownLive(ctx, o)
		return err
	})
	if err := errors.Join(errs...); err != nil {
		return err
	}
	byOwner, sets, listed := map[string][]object.Object{}, map[string][]object.Object{}, map[place]bool{}
	list := func(kind object.Type, namespace string, into map[string][]object.Object) error {
		at := place{kind, namespace}
		if listed[at] {
			return nil
		}
		listed[at] = true
		items, err := s.client.List(ctx, kind, namespace, url.Values{})
		for _, o := range items {
			into[controller(o)] = append(into[controller(o)], o)
		}
		return err
	}
	for i, o := range workloads {
		live := lives[i]
		if live != nil {
			if err := list(podType, o.Namespace(), byOwner); err != nil {
				return err
			}
		}
		snap := health.Snapshot{Wanted: o, Object: live}
		switch {
		case live == nil:
		case o.Kind() == "Deployment":
			if err := list(setType, o.Namespace(), sets); err != nil {
				return err
			}
			snap.Sets = sets[live.UID()]
			for _, set := range snap.Sets {
				snap.Pods = append(snap.Pods, byOwner[set.UID()]...)
			}
		case o.Kind() == "Pod":
			snap.Pods = []object.Object{live}
		default:
			snap.Pods = byOwner[live.UID()]
		}
		if workload != nil {
			workload(o, health.Judge(snap, health.TakeBaseline(snap)), live != nil)
		}
		for _, p := range snap.Pods {
			pod(p)
		}
	}
	return nil
}

// endpoints are the addresses of the ready pods behind a Service; known is false where
// the account may not see them.
func (s *session) endpoints(ctx context.Context, service object.Object) (addresses []string, known bool) {
	slicesType := object.Type{Version: "discovery.k8s.io/v1", Kind: "EndpointSlice"}
	list, err := s.client.List(ctx, slicesType, service.Namespace(), url.Values{"labelSelector": {"kubernetes.io/service-name=" + service.Name()}})
	if err != nil {
		return nil, false
	}
	for _, slice := range list {
		for _, e := range slice.List("endpoints") {
			if ready, ok := e.At("conditions", "ready").(bool); ok && !ready {
				continue
			}
			all, _ := e.At("addresses").([]any)
			for _, address := range all {
				addresses = append(addresses, fmt.Sprint(address))
			}
		}
	}
	slices.Sort(addresses)
	return addresses, true
}

// printRemoval says what stays in the cluster though the release no longer has it.
func (s *session) printRemoval(p *plan, result removal) {
	for _, k := range p.kept {
		fmt.Fprintf(s.out, "%s is kept, though the manifests no longer have it: %s\n", k.object, k.why)
	}
	for _, line := range append(result.kept, result.left...) {
		fmt.Fprintln(s.out, line)
	}
}

func (s *session) printWarnings() {
	for _, f := range s.warnings {
		fmt.Fprintf(s.out, "warning: %s\n", object.InLine(f.String()))
	}
	for _, note := range s.notes {
		fmt.Fprintln(s.out, note)
	}
}

// printRemarks says once what the API server remarked on what was applied, or would be. An
// outcome for scripts has no room for it.
func (s *session) printRemarks() {
	w := s.out
	if s.Format != "" {
		w = s.progress
	}
	kept, more := s.client.Warnings()
	for _, text := range kept {
		fmt.Fprintf(w, "warning by the API server: %s\n", sanitize.Line(text))
	}
	if more > 0 {
		fmt.Fprintf(w, "warning by the API server: %d more\n", more)
	}
}

// printStale says which workloads still run with what they read from a ConfigMap or Secret
// before it changed: Kubernetes restarts no pod for that.
func (s *session) printStale(p *plan) {
	changed := map[object.ID]bool{}
	for _, ch := range p.changes {
		if ch.wanted.Group() == "" && (ch.wanted.Kind() == "ConfigMap" || ch.wanted.Kind() == "Secret") && ch.live != nil && ch.applied != nil {
			for _, field := range []string{"data", "binaryData"} {
				changed[ch.wanted.ID()] = changed[ch.wanted.ID()] || !reflect.DeepEqual(ch.live[field], ch.applied[field])
			}
		}
	}
	for _, ch := range p.changes {
		if !ch.wanted.IsWorkload() || isRun(ch.wanted) || ch.live == nil || isOlder(ch.live, ch.applied) {
			continue
		}
		template := ch.wanted.PodTemplate().Clone()
		template.Set(ch.wanted.Namespace(), "metadata", "namespace")
		template["kind"] = "Pod"
		for _, id := range references(template) {
			if changed[id] {
				fmt.Fprintf(s.out, "%s/%s changed, but no pod of %s was restarted: one that reads it only at start has the old one "+
					"(kubectl --namespace %s rollout restart %s)\n", id.Kind, id.Name, ch.wanted, ch.wanted.Namespace(), strings.ToLower(ch.wanted.String()))
			}
		}
	}
}

// moved says where a release of this name also serves, when it is new in this namespace:
// if it has moved, the old one still runs.
func (s *session) moved(ctx context.Context, p *plan) {
	if release.Serving(p.records) != nil {
		return
	}
	missing, err := s.client.Missing(ctx, []kube.Right{{Verb: "list", Resource: "secrets"}})
	if err != nil || len(missing) > 0 {
		return
	}
	records, err := s.client.List(ctx, object.Type{Version: "v1", Kind: "Secret"}, "", url.Values{"labelSelector": {release.ServingSelector(s.Release)}})
	if err != nil {
		return
	}
	for _, r := range records {
		if ns := release.ReleaseNamespace(r); release.IsRecord(r) && object.IsLabel(ns) && ns != s.Namespace {
			s.notes = append(s.notes, fmt.Sprintf("a release %s also serves in namespace %s; if it has moved from there, remove it with: "+
				"dagger call --namespace %[2]s destroy --confirm %[1]s", s.Release, ns))
		}
	}
}
