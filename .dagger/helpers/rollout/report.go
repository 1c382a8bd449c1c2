package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// describe prints a release as the cluster has it now.
func (c *cluster) describe(ctx context.Context, r record) error {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "release\t%s, number %d, namespace %s\n", c.release, r.Number, c.namespace)
	fmt.Fprintf(table, "image\t%s\n", r.Image)
	fmt.Fprintf(table, "revision\t%s (%s)\n", cmp.Or(r.Revision, "unknown"), r.Version)
	for _, o := range r.Objects {
		if !isWorkload(o) {
			continue
		}
		w, err := c.workload(ctx, o)
		if err != nil {
			return err
		}
		if w == nil {
			fmt.Fprintf(table, "missing\t%s\n", o)
			continue
		}
		text, _ := w.progress(o.kind())
		fmt.Fprintf(table, "workload\t%s: %s\n", o, text)
		pods, err := c.pods(ctx, w.selector())
		if err != nil {
			return err
		}
		for _, p := range pods {
			state := "ready"
			switch {
			case p.Metadata.DeletionTimestamp != "":
				state = "terminating"
			case !p.ready():
				state = p.state()
			}
			fmt.Fprintf(table, "pod\t%s: %s, %d restarts, on %s\n", p.Metadata.Name, state, restarts(p), cmp.Or(p.Spec.NodeName, "no node"))
		}
	}
	for _, o := range r.Objects {
		if o.kind() == "Service" {
			if err := c.describeService(ctx, table, o); err != nil {
				return err
			}
		}
	}
	return table.Flush()
}

func (c *cluster) describeService(ctx context.Context, table *tabwriter.Writer, o object) error {
	live, err := c.read(ctx, o)
	if err != nil || live == nil {
		return err
	}
	s, err := convert[struct {
		Spec struct {
			ClusterIP string
			Ports     []struct{ Port int }
		}
		Status struct {
			LoadBalancer struct {
				Ingress []struct{ IP, Hostname string }
			}
		}
	}](live)
	if err != nil {
		return err
	}
	var slice struct {
		Items []struct {
			Endpoints []struct {
				Addresses  []string
				Conditions struct{ Ready *bool }
			}
		}
	}
	query := url.Values{"labelSelector": {"kubernetes.io/service-name=" + o.name()}}
	var endpoints []string
	// A user who may not list them still gets the rest.
	if c.get(ctx, "/apis/discovery.k8s.io/v1/namespaces/"+c.namespace+"/endpointslices?"+query.Encode(), &slice) == nil {
		for _, item := range slice.Items {
			for _, e := range item.Endpoints {
				if e.Conditions.Ready == nil || *e.Conditions.Ready {
					endpoints = append(endpoints, e.Addresses...)
				}
			}
		}
	}
	slices.Sort(endpoints)
	for _, p := range s.Spec.Ports {
		fmt.Fprintf(table, "service\t%s: %s:%d, endpoints %s\n", o.name(), s.Spec.ClusterIP, p.Port, cmp.Or(strings.Join(endpoints, ", "), "none"))
		for _, i := range s.Status.LoadBalancer.Ingress {
			fmt.Fprintf(table, "reach it\thttp://%s\n", net.JoinHostPort(cmp.Or(i.Hostname, i.IP), strconv.Itoa(p.Port)))
		}
		if len(s.Status.LoadBalancer.Ingress) == 0 {
			fmt.Fprintf(table, "reach it\tkubectl --namespace %s port-forward service/%s 8080:%d\n", c.namespace, o.name(), p.Port)
		}
	}
	return nil
}

func status(ctx context.Context, c *cluster, _ request) error {
	records, err := c.present(ctx)
	if err != nil {
		return err
	}
	last := records[len(records)-1]
	if last.Status == pending {
		fmt.Printf("release %d is being rolled out, or was interrupted: the next deploy goes on from there\n", last.Number)
	}
	r := serving(records)
	if r == nil {
		return fmt.Errorf("no release of %s has served yet", c.release)
	}
	return c.describe(ctx, *r)
}

func history(ctx context.Context, c *cluster, _ request) error {
	records, err := c.present(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NUMBER\tSTATUS\tSTARTED\tVERSION\tIMAGE\tNOTE")
	for _, r := range records {
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\n", r.Number, r.Status, r.Started.Format(time.RFC3339), r.Version, r.Image, r.Note)
	}
	return table.Flush()
}

func logs(ctx context.Context, c *cluster, req request) error {
	records, err := c.present(ctx)
	if err != nil {
		return err
	}
	for _, o := range records[len(records)-1].Objects {
		if !isWorkload(o) {
			continue
		}
		w, err := c.workload(ctx, o)
		if err != nil {
			return err
		}
		if w == nil {
			continue
		}
		pods, err := c.pods(ctx, w.selector())
		if err != nil {
			return err
		}
		for _, p := range pods {
			for _, s := range p.Status.ContainerStatuses {
				text, err := c.log(ctx, p.Metadata.Name, s.Name, req.Tail, false)
				if err != nil {
					text = "no log: " + err.Error()
				}
				for line := range strings.Lines(text) {
					fmt.Printf("%s/%s  %s\n", p.Metadata.Name, s.Name, strings.TrimRight(line, "\n"))
				}
			}
		}
	}
	return nil
}
