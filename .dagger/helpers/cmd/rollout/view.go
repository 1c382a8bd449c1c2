package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"slipway/helpers/internal/health"
	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
	"slipway/helpers/internal/sanitize"
)

// shown is how many pods of a workload and endpoints of a Service people see; scripts see all.
const shown = 12

// view is a release as the cluster has it now, for people and for scripts.
type view struct {
	Release   string            `json:"release"`
	Namespace string            `json:"namespace"`
	Number    int               `json:"number"`
	Pending   int               `json:"pending,omitempty"` // a later release that is being rolled out, or was interrupted
	Image     string            `json:"image"`
	Revision  string            `json:"revision"`
	Version   string            `json:"version"`
	Verified  *release.Verified `json:"verified,omitempty"` // what was verified of the image when it was deployed
	Workloads []workloadView    `json:"workloads"`
	Services  []serviceView     `json:"services"`
}

type workloadView struct {
	Name  string    `json:"name"` // Kind/name
	State string    `json:"state"`
	Ready bool      `json:"ready"`
	Pods  []podView `json:"pods"`
}

type podView struct {
	Name     string `json:"name"`
	State    string `json:"state"`
	Restarts int    `json:"restarts"`
	Node     string `json:"node,omitempty"`
}

type serviceView struct {
	Name      string   `json:"name"`
	Address   string   `json:"address"`
	Port      int      `json:"port"`
	Endpoints []string `json:"endpoints"`     // null where the account may not see them
	URL       string   `json:"url,omitempty"` // of its load balancer
	forward   string   // command that leads to it where there is no load balancer
}

// missing is the state of a workload that is not in the cluster.
const missing = "missing"

// describe prints a release as the cluster has it now.
func (s *session) describe(ctx context.Context, r release.Record) error {
	v, err := s.view(ctx, r)
	if err != nil {
		return err
	}
	return v.print(s.out)
}

// view reads what the cluster has of a release.
func (s *session) view(ctx context.Context, r release.Record) (view, error) {
	v := view{
		Release: s.Release, Namespace: s.Namespace, Number: r.Number,
		Image: sanitize.Line(r.Image), Revision: sanitize.Line(cmp.Or(r.Revision, "unknown")), Version: sanitize.Line(r.Version),
		Workloads: []workloadView{}, Services: []serviceView{}, Verified: printable(r.Verified),
	}
	err := s.eachPod(ctx, r, func(o object.Object, st health.State, there bool) {
		w := workloadView{Name: o.String(), State: missing, Pods: []podView{}}
		if there {
			w.State, w.Ready = sanitize.Line(strings.Join(append([]string{st.Text}, st.Notes...), "; ")), st.Done
		}
		v.Workloads = append(v.Workloads, w)
	}, func(p object.Object) {
		state := "ready"
		switch {
		case p.Text("metadata", "deletionTimestamp") != "":
			state = "terminating"
		case !health.Ready(p):
			state = sanitize.Line(health.PodState(p))
		}
		last := &v.Workloads[len(v.Workloads)-1]
		last.Pods = append(last.Pods, podView{p.Name(), state, restarts(p), p.Text("spec", "nodeName")})
	})
	if err != nil {
		return v, err
	}
	services := slices.DeleteFunc(slices.Clone(r.Objects), func(o object.Object) bool { return o.Kind() != "Service" || o.Group() != "" })
	each := make([][]serviceView, len(services))
	errs := kube.Each(services, parallel, func(i int, o object.Object) (err error) {
		each[i], err = s.viewService(ctx, o)
		return err
	})
	v.Services = append(v.Services, slices.Concat(each...)...)
	return v, errors.Join(errs...)
}

// printable is what was verified, as people and scripts may see it.
func printable(v *release.Verified) *release.Verified {
	if v == nil {
		return nil
	}
	return &release.Verified{Key: sanitize.Line(v.Key), Source: sanitize.Line(v.Source), Revision: sanitize.Line(v.Revision)}
}

func verifiedLine(v release.Verified) string {
	line := "signed by " + v.Key
	if v.Revision != "" {
		line += ", built from " + cmp.Or(v.Source, "a source without a name") + " at " + v.Revision
	}
	return line
}

// viewService has an element for each way to each port of a Service, none when the Service
// is not there.
func (s *session) viewService(ctx context.Context, o object.Object) ([]serviceView, error) {
	live, err := s.ownLive(ctx, o)
	if err != nil || live == nil {
		return nil, err
	}
	endpoints, known := s.endpoints(ctx, o)
	if known && endpoints == nil {
		endpoints = []string{}
	}
	var views []serviceView
	for _, p := range live.List("spec", "ports") {
		port, _ := p.Int("port")
		at := cmp.Or(live.Text("spec", "clusterIP"), live.Text("spec", "externalName"))
		if at == "None" {
			at = "headless"
		}
		v := serviceView{Name: o.Name(), Address: at, Port: port, Endpoints: endpoints}
		ingress := live.List("status", "loadBalancer", "ingress")
		for _, i := range ingress {
			v.URL = "http://" + net.JoinHostPort(cmp.Or(i.Text("hostname"), i.Text("ip")), strconv.Itoa(port))
			views = append(views, v)
		}
		if len(ingress) == 0 {
			v.forward = fmt.Sprintf("kubectl --namespace %s port-forward service/%s 8080:%d", o.Namespace(), o.Name(), port)
			views = append(views, v)
		}
	}
	return views, nil
}

// print is the view for people.
func (v view) print(w io.Writer) error {
	if v.Pending > 0 {
		fmt.Fprintf(w, "release %d is being rolled out, or was interrupted: the next deploy goes on from there\n", v.Pending)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "release\t%s, number %d, namespace %s\n", v.Release, v.Number, v.Namespace)
	fmt.Fprintf(table, "image\t%s\n", v.Image)
	fmt.Fprintf(table, "revision\t%s (%s)\n", v.Revision, cmp.Or(v.Version, "of no known version"))
	if v.Verified != nil {
		fmt.Fprintf(table, "verified\t%s\n", verifiedLine(*v.Verified))
	}
	for _, w := range v.Workloads {
		if w.State == missing {
			fmt.Fprintf(table, "missing\t%s\n", w.Name)
			continue
		}
		fmt.Fprintf(table, "workload\t%s: %s\n", w.Name, w.State)
		for _, p := range w.Pods[:min(shown, len(w.Pods))] {
			fmt.Fprintf(table, "pod\t%s: %s, %d restarts, on %s\n", p.Name, p.State, p.Restarts, cmp.Or(p.Node, "no node"))
		}
		if more := len(w.Pods) - shown; more > 0 {
			fmt.Fprintf(table, "pod\tand %d more\n", more)
		}
	}
	for i, s := range v.Services {
		if i == 0 || s.Name != v.Services[i-1].Name || s.Port != v.Services[i-1].Port {
			fmt.Fprintf(table, "service\t%s: %s, port %d, endpoints %s\n", s.Name, s.Address, s.Port, s.addresses())
		}
		fmt.Fprintf(table, "reach it\t%s\n", cmp.Or(s.URL, s.forward))
	}
	return table.Flush()
}

func (s serviceView) addresses() string {
	if s.Endpoints == nil {
		return "not to be seen by this account"
	}
	some := slices.Clone(s.Endpoints[:min(shown, len(s.Endpoints))])
	if more := len(s.Endpoints) - shown; more > 0 {
		some = append(some, fmt.Sprintf("and %d more", more))
	}
	return cmp.Or(strings.Join(some, ", "), "none")
}
