package main

import (
	"context"
	"fmt"
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
	askedPods     = 5 // of each workload
)

// target is a workload whose pods run the release's image, and how they are asked.
type target struct {
	workload object.Object
	port     int
	service  questions.Service
}

// ask puts the questions of smoke.yaml to each ready pod of the release that runs its
// image, a few at most, each through a connection that kubectl forwards. It returns a
// line for each answer. Only wrong answers of the service itself fail a release: where
// the way to a pod is barred, its readiness decides, and the answer says so. Questions
// that may have side effects are asked only with effects set, of one pod and once.
func (s *session) ask(ctx context.Context, w *watcher, objects []object.Object, r release.Record, effects bool) (string, error) {
	q, err := questions.Parse(r.Smoke)
	if err != nil {
		return "", err
	}
	targets, why := findTargets(objects, r.Image, r.Port)
	if len(targets) == 0 {
		return "nothing was asked: " + why + "\n\n", nil
	}
	missing, err := s.client.Missing(ctx, []kube.Right{{Verb: "create", Resource: "pods", Subresource: "portforward", Namespace: s.Namespace}})
	if err != nil {
		return "", err
	}
	if len(missing) > 0 {
		return fmt.Sprintf("nothing was asked: the kubeconfig's user may not %s\n\n", missing[0]), nil
	}
	var text strings.Builder
	for _, t := range targets {
		answers, err := s.askTarget(ctx, w, t, q, &effects)
		if err != nil {
			return "", err
		}
		text.WriteString(answers)
	}
	return text.String() + "\n", nil
}

// askTarget asks the pods of one workload until their answers are right, or patience
// ends.
func (s *session) askTarget(ctx context.Context, w *watcher, t target, q questions.Questions, effects *bool) (string, error) {
	for start := time.Now(); ; {
		snap := w.snapshot(t.workload, nil)
		st := health.Judge(snap, w.baseline[t.workload.ID()])
		if st.Unasked {
			return fmt.Sprintf("nothing was asked of %s: it has no pods, as its manifest says\n", t.workload), nil
		}
		pods := slices.DeleteFunc(slices.Clone(st.Current), func(p object.Object) bool { return !health.Ready(p) })
		slices.SortFunc(pods, func(a, b object.Object) int { return strings.Compare(a.Name(), b.Name()) })
		if len(pods) == 0 && time.Since(start) > smokePatience {
			return fmt.Sprintf("nothing was asked of %s: no pod of it was ready at that moment\n", t.workload), nil
		}
		all := kube.Each(pods[:min(len(pods), askedPods)], askedPods, func(_ int, p object.Object) error {
			return s.askPod(ctx, p, t, q.Repeatable())
		})
		verdict := worst(all)
		late := time.Since(start) > smokePatience
		switch {
		case len(pods) > 0 && (verdict.err == nil && verdict.way == nil):
			s.say("%s: %d of %d pods answer as they should", t.workload, len(all), len(pods))
			answers := verdict.table
			if *effects && len(q.Once().Requests) > 0 {
				*effects = false
				once := asOutcome(s.askPod(ctx, pods[0], t, q.Once()))
				if once.err != nil {
					return "", once.err
				}
				answers += once.table
			}
			return answers, nil
		case late && verdict.err != nil:
			return "", verdict.err
		case late && verdict.way != nil:
			return fmt.Sprintf("nothing is known of the answers of %s: the way to its pods failed: %v\n", t.workload, verdict.way), nil
		}
		if !pause(ctx, 500*time.Millisecond) {
			return "", context.Cause(ctx)
		}
	}
}

// outcome is what came of asking a pod. It is an error so that it can be returned for
// each of several pods.
type outcome struct {
	table string
	way   error    // the way failed: nothing is known
	err   *failure // the service answers wrongly
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
			found.table, found.err = o.table, o.err
		}
		if o.way != nil && found.way == nil {
			found.way = o.way
		}
	}
	return found
}

func (s *session) askPod(ctx context.Context, p object.Object, t target, q questions.Questions) error {
	if len(q.Requests) == 0 {
		return outcome{}
	}
	forward, err := s.client.Forward(ctx, p.Namespace(), p.Name(), []int{t.port})
	if err != nil {
		return outcome{way: err}
	}
	defer forward.Close()
	answers := q.AskAt(ctx, forward.Address(t.port), t.service)
	o := outcome{table: questions.Table(answers)}
	var wrong []string
	for _, a := range answers {
		switch {
		case a.Way != nil && forward.Refused(t.port):
			o.err = &failure{
				cause:  fmt.Sprintf("pod %s is ready, but nothing listens on its port %d", p.Name(), t.port),
				advice: "see --port, and the port that the service listens on",
			}
			return o
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

// findTargets are the workloads that run the image and the port on which their pods are
// asked: port, if a Service leads there or the container lists it, or if the manifests
// say nothing of ports. why says what is the matter where there is none.
func findTargets(objects []object.Object, image string, port int) (targets []target, why string) {
	why = "no workload of the release runs its image"
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
			if _, lists := portOf(ctr.Object, port); !leads && !lists && (any || listed) {
				why = fmt.Sprintf("neither a Service nor a container's list of ports leads to port %d of %s (--port says which port the service listens on)", port, o)
				continue
			}
			targets = append(targets, target{o, port, questions.ServiceOf(ctr.Object, port, protocol)})
			break
		}
	}
	return targets, why
}

// servicePorts says whether a Service leads to a port of the workload's pods, whether
// any leads to them at all, and what protocol the Service says the port speaks.
func servicePorts(objects []object.Object, workload object.Object, port int) (leads, any bool, protocol string) {
	for _, service := range objects {
		selector := service.Strings("spec", "selector")
		if service.Kind() != "Service" || len(selector) == 0 || !object.Selects(selector, workload.PodLabels()) {
			continue
		}
		any = true
		for _, p := range service.List("spec", "ports") {
			to := p["targetPort"]
			if to == nil {
				to = p["port"]
			}
			if n, found := workload.ContainerPort(to); found && n == port {
				leads = true
				if protocol = p.Text("appProtocol"); protocol == "" {
					protocol = p.Text("name")
				}
			}
		}
	}
	return leads, any, protocol
}

// portOf finds a port by number in a container's list.
func portOf(ctr object.Object, port int) (object.Object, bool) {
	for _, p := range ctr.List("ports") {
		if n, ok := p.Int("containerPort"); ok && n == port {
			return p, true
		}
	}
	return nil, false
}
