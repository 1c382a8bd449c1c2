package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"slipway/helpers/internal/object"
)

// web is a Deployment whose container runs image app; ports and more are fields of it.
func web(t *testing.T, ports string) object.Object {
	t.Helper()
	return parse(t, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    metadata: {labels: {app: web, tier: front}}
    spec: {containers: [{name: log, image: log}, {name: web, image: app, `+ports+`}]}`)
}

func service(t *testing.T, selector, ports string) object.Object {
	t.Helper()
	return parse(t,
		`{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {selector: `+selector+`, ports: `+ports+`}}`)
}

func TestFindTargets(t *testing.T) {
	job := web(t, "")
	job["kind"], job["apiVersion"] = "Job", "batch/v1"
	sidecar := parse(t, `
apiVersion: v1
kind: Pod
metadata: {name: side, namespace: shop}
spec: {initContainers: [{name: s, image: app, restartPolicy: Always}], containers: [{name: c, image: other}]}`)
	initial := sidecar.Clone()
	initial.List("spec", "initContainers")[0]["restartPolicy"] = "OnFailure"
	const none, noWay = "no workload of the release runs its image",
		"neither a Service nor a container's list of ports leads to port 8080 of Deployment/web"
	for name, test := range map[string]struct {
		objects []object.Object
		want    string // the target, and whether the manifests name its port
		why     string
	}{
		"Service leads there": {[]object.Object{web(t, ""), service(t, "{app: web}", "[{port: 80, targetPort: 8080}]")},
			"Deployment/web:8080 named", ""},
		"listed":                  {[]object.Object{web(t, "ports: [{containerPort: 8080}]")}, "Deployment/web:8080 named", ""},
		"nobody says anything":    {[]object.Object{web(t, "")}, "Deployment/web:8080", ""},
		"another port is listed":  {[]object.Object{web(t, "ports: [{containerPort: 9090}]")}, "", noWay},
		"UDP is listed":           {[]object.Object{web(t, "ports: [{containerPort: 8080, protocol: UDP}]")}, "", noWay},
		"Service leads elsewhere": {[]object.Object{web(t, ""), service(t, "{app: web}", "[{port: 80}]")}, "", noWay},
		"another's Service":       {[]object.Object{web(t, ""), service(t, "{app: db}", "[{port: 80}]")}, "Deployment/web:8080", ""},
		"another image": {[]object.Object{parse(t,
			"{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{image: x}]}}")}, "", none},
		"Job":            {[]object.Object{job}, "", none},
		"native sidecar": {[]object.Object{sidecar}, "Pod/side:8080", ""},
		"init container": {[]object.Object{initial}, "", none},
		"nothing":        {nil, "", none},
	} {
		targets, why := findTargets(test.objects, "app", 8080)
		got := ""
		for _, target := range targets {
			got += fmt.Sprintf("%s:%d", target.workload, target.port)
			if target.named {
				got += " named"
			}
		}
		if got != test.want || test.want == "" && !strings.HasPrefix(why, test.why) {
			t.Errorf("%s: %q, %q", name, got, why)
		}
	}
}

func TestServicePorts(t *testing.T) {
	workload := web(t, "ports: [{name: http, containerPort: 8080}, {name: admin, containerPort: 9090}]")
	elsewhere := service(t, "{app: web}", "[{port: 8080}]")
	elsewhere.Set("other", "metadata", "namespace")
	another := service(t, "{app: web}", "[{port: 8080}]")
	another["kind"] = "Rocket"
	for name, test := range map[string]struct {
		services   []object.Object
		leads, any bool
		protocol   string
	}{
		"none":   {nil, false, false, ""},
		"number": {[]object.Object{service(t, "{app: web}", "[{port: 80, targetPort: 8080}]")}, true, true, ""},
		"name": {[]object.Object{service(t, "{app: web}", "[{name: grpc-web, port: 80, targetPort: http}]")}, true, true,
			"grpc-web"},
		"port itself": {[]object.Object{service(t, "{tier: front}", "[{port: 8080, name: http, appProtocol: kubernetes.io/h2c}]")},
			true, true, "kubernetes.io/h2c"},
		"other port":         {[]object.Object{service(t, "{app: web}", "[{port: 8080, targetPort: admin}]")}, false, true, ""},
		"name nobody has":    {[]object.Object{service(t, "{app: web}", "[{port: 8080, targetPort: nobody}]")}, false, true, ""},
		"UDP":                {[]object.Object{service(t, "{app: web}", "[{port: 8080, protocol: UDP}]")}, false, true, ""},
		"selects others":     {[]object.Object{service(t, "{app: web, zone: a}", "[{port: 8080}]")}, false, false, ""},
		"without a selector": {[]object.Object{service(t, "{}", "[{port: 8080}]")}, false, false, ""},
		"another namespace":  {[]object.Object{elsewhere}, false, false, ""},
		"no Service":         {[]object.Object{another}, false, false, ""},
		"one of several does": {[]object.Object{service(t, "{app: web}", "[{port: 1}, {name: http, port: 80, targetPort: 8080}]")}, true,
			true, "http"},
	} {
		leads, any, protocol := servicePorts(test.services, workload, 8080)
		if leads != test.leads || any != test.any || protocol != test.protocol {
			t.Errorf("%s: %v, %v, %q", name, leads, any, protocol)
		}
	}
}

func TestWorst(t *testing.T) {
	right, wrong := outcome{table: "right"}, outcome{table: "wrong", err: &failure{cause: "answers wrongly"}, pod: thing("v1", "Pod")}
	broken := outcome{table: "broken", way: errors.New("way")}
	for name, test := range map[string]struct {
		all  []error
		want string
	}{
		"none":             {nil, " <nil> <nil>"},
		"nothing came":     {[]error{nil, outcome{}}, " <nil> <nil>"},
		"right":            {[]error{right, outcome{table: "second"}}, "right <nil> <nil>"},
		"wrong":            {[]error{right, wrong, outcome{err: &failure{cause: "later"}}}, "wrong answers wrongly <nil>"},
		"broken":           {[]error{right, broken}, "right <nil> way"},
		"wrong and broken": {[]error{broken, wrong}, "wrong answers wrongly way"},
	} {
		o := worst(test.all)
		cause := "<nil>"
		if o.err != nil {
			cause = o.err.cause
		}
		if got := fmt.Sprintf("%s %s %v", o.table, cause, o.way); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	if !worst([]error{right, outcome{silent: true}}).silent || worst([]error{wrong}).pod == nil {
		t.Error("a silent pod, or the pod that answers wrongly, is lost")
	}
}
