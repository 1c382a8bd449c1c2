package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strconv"
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
	if last := records[len(records)-1]; last.Status == release.Pending {
		fmt.Fprintf(s.out, "release %d is being rolled out, or was interrupted: the next deploy goes on from there\n", last.Number)
	}
	r := release.Serving(records)
	if r == nil {
		return fmt.Errorf("no release of %s has served yet", s.Release)
	}
	if err := s.describe(ctx, *r); err != nil {
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

// history prints a line for each release.
func (s *session) history(ctx context.Context) error {
	records, err := s.recorded(ctx)
	if err != nil {
		return err
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
	errs := kube.Each(workloads, parallel, func(i int, o object.Object) (err error) {
		lives[i], err = s.client.Read(ctx, o)
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
		if err := list(podType, o.Namespace(), byOwner); err != nil {
			return err
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

// podsShown is the number of pods of a workload that are listed one by one.
const podsShown = 12

// describe prints a release as the cluster has it now.
func (s *session) describe(ctx context.Context, r release.Record) error {
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "release\t%s, number %d, namespace %s\n", s.Release, r.Number, s.Namespace)
	fmt.Fprintf(table, "image\t%s\n", r.Image)
	fmt.Fprintf(table, "revision\t%s (%s)\n", cmp.Or(r.Revision, "unknown"), r.Version)
	shown := 0
	more := func() {
		if shown > podsShown {
			fmt.Fprintf(table, "pod\tand %d more\n", shown-podsShown)
		}
		shown = 0
	}
	err := s.eachPod(ctx, r, func(o object.Object, st health.State, there bool) {
		more()
		if !there {
			fmt.Fprintf(table, "missing\t%s\n", o)
			return
		}
		fmt.Fprintf(table, "workload\t%s: %s\n", o, strings.Join(append([]string{st.Text}, st.Notes...), "; "))
	}, func(p object.Object) {
		if shown++; shown > podsShown {
			return
		}
		state := "ready"
		switch {
		case p.Text("metadata", "deletionTimestamp") != "":
			state = "terminating"
		case !health.Ready(p):
			state = sanitize.Line(health.PodState(p))
		}
		fmt.Fprintf(table, "pod\t%s: %s, %d restarts, on %s\n", p.Name(), state, restarts(p), cmp.Or(p.Text("spec", "nodeName"), "no node"))
	})
	if err != nil {
		return err
	}
	more()
	services := slices.DeleteFunc(slices.Clone(r.Objects), func(o object.Object) bool { return o.Kind() != "Service" || o.Group() != "" })
	rows := make([]string, len(services))
	errs := kube.Each(services, parallel, func(i int, o object.Object) (err error) {
		rows[i], err = s.describeService(ctx, o)
		return err
	})
	fmt.Fprint(table, strings.Join(rows, ""))
	return errors.Join(append(errs, table.Flush())...)
}

// describeService is the table's rows for a Service, "" when it is not there.
func (s *session) describeService(ctx context.Context, o object.Object) (string, error) {
	live, err := s.client.Read(ctx, o)
	if err != nil || live == nil {
		return "", err
	}
	endpoints, known := s.endpoints(ctx, o)
	addresses := cmp.Or(strings.Join(endpoints, ", "), "none")
	if !known {
		addresses = "not to be seen by this account"
	}
	var rows strings.Builder
	for _, p := range live.List("spec", "ports") {
		port, _ := p.Int("port")
		at := cmp.Or(live.Text("spec", "clusterIP"), live.Text("spec", "externalName"))
		if at == "None" {
			at = "headless"
		}
		fmt.Fprintf(&rows, "service\t%s: %s, port %d, endpoints %s\n", o.Name(), at, port, addresses)
		ingress := live.List("status", "loadBalancer", "ingress")
		for _, i := range ingress {
			fmt.Fprintf(&rows, "reach it\thttp://%s\n", net.JoinHostPort(cmp.Or(i.Text("hostname"), i.Text("ip")), strconv.Itoa(port)))
		}
		if len(ingress) == 0 {
			fmt.Fprintf(&rows, "reach it\tkubectl --namespace %s port-forward service/%s 8080:%d\n", o.Namespace(), o.Name(), port)
		}
	}
	return rows.String(), nil
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
	if hidden := len(addresses) - podsShown; hidden > 0 {
		addresses = append(addresses[:podsShown], fmt.Sprintf("and %d more", hidden))
	}
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
		fmt.Fprintf(s.out, "warning: %s\n", f)
	}
	for _, note := range s.notes {
		fmt.Fprintln(s.out, note)
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
		if ns := r.Namespace(); ns != s.Namespace {
			s.notes = append(s.notes, fmt.Sprintf("a release %s also serves in namespace %s; if it has moved from there, remove it with: "+
				"dagger call destroy --namespace %[2]s --confirm %[1]s", s.Release, ns))
		}
	}
}
