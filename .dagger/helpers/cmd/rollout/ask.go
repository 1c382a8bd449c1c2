package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"slipway/helpers/internal/health"
	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/questions"
	"slipway/helpers/internal/release"
)

const (
	// smokePatience is for wrong answers and for ways that break: a pod may have caches to
	// fill, and a connection through the API server may fail for reasons of its own.
	smokePatience = 10 * time.Second
	// silentPatience is for a port of which nobody says that something listens there.
	silentPatience = 3 * time.Second
	askedPods      = 5 // of each workload, and workloads at once
)

// target is a workload whose pods run the release's image, and how they are asked.
type target struct {
	workload object.Object
	port     int
	named    bool // the manifests say that the pods listen on the port
	leads    bool // so does a Service
	probed   bool // the kubelet reaches the port at the pod's address
	service  questions.Service
}

// ask puts the questions of smoke.yaml to each ready pod of the release that runs its
// image, a few at most, each through a connection that kubectl forwards. It returns a
// line for each answer. Only wrong answers of the service itself fail a release: where
// the way to a pod is barred, its readiness decides, and the answer says so. From the first
// question on that may have a side effect they are asked only with effects set, of one pod
// and once: what follows it may ask for the effect.
func (s *session) ask(ctx context.Context, w *watcher, objects []object.Object, r release.Record, effects bool) (string, error) {
	q, err := questions.Parse(r.Smoke)
	if err != nil {
		return "", err
	}
	targets, why := findTargets(objects, r.Image, r.Port)
	if why != "" {
		why = "nothing was asked: " + why + "\n"
	}
	if len(targets) == 0 {
		return why + "\n", nil
	}
	missing, err := s.client.Missing(ctx, []kube.Right{{Verb: "create", Resource: "pods", Subresource: "portforward", Namespace: s.Namespace}})
	if err != nil {
		return "", err
	}
	if len(missing) > 0 {
		return fmt.Sprintf("nothing was asked: the kubeconfig's user may not %s\n\n", missing[0]), nil
	}
	answers := make([]string, len(targets))
	asked := make([]object.Object, len(targets))
	errs := kube.Each(targets, askedPods, func(i int, t target) (err error) {
		answers[i], asked[i], err = s.askTarget(ctx, w, t, q.Everywhere())
		return err
	})
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return "", errs[i]
	}
	text := why + strings.Join(answers, "")
	first := slices.IndexFunc(asked, func(p object.Object) bool { return p != nil })
	if effects && first >= 0 {
		once := asOutcome(s.askPod(ctx, asked[first], targets[first], q.Once()))
		if once.err != nil {
			return "", once.err
		}
		if text += once.table; once.way != nil {
			text += fmt.Sprintf("nothing is known of the answers from %s on: the way to the pod failed: %v\n", q.Once().Requests[0], once.way)
		}
	}
	return text + "\n", nil
}

// askTarget asks the pods of one workload until their answers are right, or patience
// ends. It also returns a pod that answered as it should, nil if none did.
func (s *session) askTarget(ctx context.Context, w *watcher, t target, q questions.Questions) (string, object.Object, error) {
	for start := time.Now(); ; {
		snap := w.snapshot(t.workload, nil)
		st := health.Judge(snap, w.baseline[t.workload.ID()])
		if st.Unasked {
			return fmt.Sprintf("nothing was asked of %s: it has no pods, as its manifest says\n", t.workload), nil, nil
		}
		pods := slices.DeleteFunc(slices.Clone(st.Current), func(p object.Object) bool { return !health.Ready(p) })
		slices.SortFunc(pods, func(a, b object.Object) int { return strings.Compare(a.Name(), b.Name()) })
		if len(pods) == 0 && time.Since(start) > smokePatience {
			return fmt.Sprintf("nothing was asked of %s: no pod of it was ready at that moment\n", t.workload), nil, nil
		}
		all := kube.Each(pods[:min(len(pods), askedPods)], askedPods, func(_ int, p object.Object) error {
			return s.askPod(ctx, p, t, q)
		})
		verdict := worst(all)
		if len(pods) > 0 && verdict.err == nil && verdict.way == nil && !verdict.silent {
			var note string
			verdict.pod = pods[0]
			note, verdict.err = s.onlyLoopback(ctx, pods[0], t)
			verdict.table += note
		}
		late := time.Since(start) > smokePatience
		switch {
		case verdict.silent && time.Since(start) > silentPatience:
			return fmt.Sprintf("nothing was asked of %s: its pods do not listen on port %d, nor do the manifests say so (see --port)\n",
				t.workload, t.port), nil, nil
		case len(pods) > 0 && verdict.err == nil && verdict.way == nil && !verdict.silent:
			s.say("%s: asked %d of %d pods, which answer as they should", t.workload, len(all), len(pods))
			return verdict.table, pods[0], nil
		case late && verdict.err != nil:
			verdict.err.detail = append(verdict.err.detail, s.lastWords(ctx, verdict.pod, anyContainer)...)
			return "", nil, verdict.err
		case late && verdict.way != nil:
			return fmt.Sprintf("nothing is known of the answers of %s: the way to its pods failed: %v\n", t.workload, verdict.way), nil, nil
		}
		if !kube.Pause(ctx, 500*time.Millisecond) {
			return "", nil, context.Cause(ctx)
		}
	}
}

// outcome is what came of asking a pod. It is an error so that it can be returned for
// each of several pods.
type outcome struct {
	pod    object.Object
	table  string
	way    error    // the way failed: nothing is known
	err    *failure // the service answers wrongly
	silent bool     // nothing listens, and nobody said that something does
}

func (o outcome) Error() string { return o.table }

func asOutcome(err error) outcome {
	o, _ := err.(outcome) //nolint:errorlint // askPod returns nothing else
	return o
}

// worst is the most telling of several outcomes: a wrong answer, then a way that failed.
func worst(errs []error) outcome {
	var found outcome
	for _, err := range errs {
		o := asOutcome(err)
		if found.table == "" {
			found.table = o.table
		}
		if o.err != nil && found.err == nil {
			found.pod, found.table, found.err = o.pod, o.table, o.err
		}
		found.silent = found.silent || o.silent
		if o.way != nil && found.way == nil {
			found.way = o.way
		}
	}
	return found
}

func (s *session) askPod(ctx context.Context, p object.Object, t target, q questions.Questions) error {
	if q.Empty() {
		return outcome{}
	}
	forward, err := s.client.Forward(ctx, p.Namespace(), p.Name(), []int{t.port})
	if err != nil {
		return outcome{way: err}
	}
	defer forward.Close()
	answers := q.AskAt(ctx, forward.Address(t.port), t.service)
	o := outcome{pod: p, table: questions.Table(answers)}
	var wrong []string
	for _, a := range answers {
		if a.Way != nil {
			forward.Settle(ctx)
		}
		switch {
		case a.Way != nil && forward.Refused(t.port) && !t.named:
			o.silent = true
			return o
		case a.Way != nil && forward.Refused(t.port):
			o.err = &failure{
				cause:  fmt.Sprintf("pod %s is ready, but nothing listens on its port %d", p.Name(), t.port),
				advice: "see --port, and the port that the service listens on",
			}
			return o
		case a.Closed && forward.Intact(t.port):
			wrong = append(wrong, a.Question+": the connection was closed without an answer")
		case a.Way != nil:
			o.way = fmt.Errorf("pod %s: %w", p.Name(), a.Way)
			if problem := forward.Problem(); problem != "" {
				o.way = fmt.Errorf("pod %s: %s", p.Name(), problem)
			}
		}
		for _, problem := range a.Problems {
			wrong = append(wrong, a.Question+": "+problem)
		}
	}
	if len(wrong) > 0 {
		o.err = &failure{
			cause:  fmt.Sprintf("pod %s is ready but answers wrongly: %s", p.Name(), wrong[0]),
			detail: append(strings.Split(strings.TrimSpace(o.table), "\n"), wrong[1:]...),
			advice: "see smoke.yaml for what is asked; the same questions are put here by: dagger call smoke",
		}
	}
	return o
}

// onlyLoopback is the failure of a service that listens on 127.0.0.1: a forwarded
// connection arrives there, and no other does. It is nil where the address of the pod
// accepts connections; where something else may refuse them, there is a note instead.
func (s *session) onlyLoopback(ctx context.Context, p object.Object, t target) (note string, f *failure) {
	if !t.leads || t.probed || !s.client.Refuses(ctx, p, t.port) {
		return "", nil
	}
	policies, err := s.client.List(ctx, object.Type{Version: "networking.k8s.io/v1", Kind: "NetworkPolicy"}, p.Namespace(), url.Values{})
	if err != nil || len(policies) > 0 {
		return fmt.Sprintf("warning: pod %s answers on 127.0.0.1, but its address refuses connections from the API server: "+
			"a network policy does so, or a service that listens on 127.0.0.1 only\n", p.Name()), nil
	}
	return "", &failure{
		cause: fmt.Sprintf("pod %s listens on 127.0.0.1:%d only: its address refuses connections, so no Service can lead there",
			p.Name(), t.port),
		advice: fmt.Sprintf("have the service listen on all addresses (:%d)", t.port),
	}
}

// findTargets are the workloads that run the image and the port on which their pods are
// asked: port, if a Service leads there or the container lists it, or if the manifests
// say nothing of ports. why says what is the matter with the others, "" if there are
// none.
func findTargets(objects []object.Object, image string, port int) (targets []target, why string) {
	var skipped []string
	for _, o := range objects {
		if !o.IsWorkload() || o.Kind() == "Job" {
			continue
		}
		for _, ctr := range o.Containers() {
			if ctr.Text("image") != image || !ctr.Runs() {
				continue
			}
			leads, any, protocol := servicePorts(objects, o, port)
			listed := len(ctr.List("ports")) > 0
			lists := listsPort(ctr.Object, port)
			if !leads && !lists && (any || listed) {
				skipped = append(skipped, fmt.Sprintf("neither a Service nor a container's list of ports leads to port %d of %s (see --port)", port, o))
				continue
			}
			targets = append(targets, target{
				workload: o, port: port, named: leads || lists, leads: leads, probed: questions.Probed(ctr.Object, port),
				service: questions.ServiceOf(ctr.Object, port, protocol),
			})
			break
		}
	}
	if len(targets)+len(skipped) == 0 {
		return nil, "no workload of the release runs its image"
	}
	return targets, strings.Join(skipped, "; ")
}

// servicePorts says whether a Service leads to a port of the workload's pods, whether
// any leads to them at all, and what protocol the Service says the port speaks.
func servicePorts(objects []object.Object, workload object.Object, port int) (leads, any bool, protocol string) {
	for _, service := range objects {
		selector := service.Strings("spec", "selector")
		if service.Kind() != "Service" || len(selector) == 0 || service.Namespace() != workload.Namespace() ||
			!object.Selects(selector, workload.PodLabels()) {
			continue
		}
		any = true
		for _, p := range service.List("spec", "ports") {
			to := p["targetPort"]
			if to == nil {
				to = p["port"]
			}
			if n, found := workload.ContainerPort(to); found && n == port && isTCP(p) {
				leads = true
				if protocol = p.Text("appProtocol"); protocol == "" {
					protocol = p.Text("name")
				}
			}
		}
	}
	return leads, any, protocol
}

// listsPort says whether a container lists a port.
func listsPort(ctr object.Object, port int) bool {
	return slices.ContainsFunc(ctr.List("ports"), func(p object.Object) bool {
		n, ok := p.Int("containerPort")
		return ok && n == port && isTCP(p)
	})
}

// isTCP says whether a port can be asked at all.
func isTCP(port object.Object) bool { return cmp.Or(port.Text("protocol"), "TCP") == "TCP" }
