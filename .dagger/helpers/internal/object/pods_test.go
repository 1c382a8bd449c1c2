package object

import (
	"fmt"
	"strings"
	"testing"
)

const podSpec = `{"containers":[{"name":"web"}]}`

func TestPodTemplate(t *testing.T) {
	template := `{"metadata":{"labels":{"app":"web"}},"spec":` + podSpec + `}`
	for name, test := range map[string]struct {
		object   string
		makes    bool
		workload bool
	}{
		"Deployment":            {`"apiVersion":"apps/v1","kind":"Deployment","spec":{"template":` + template + `}`, true, true},
		"StatefulSet":           {`"apiVersion":"apps/v1","kind":"StatefulSet","spec":{"template":` + template + `}`, true, true},
		"DaemonSet":             {`"apiVersion":"apps/v1","kind":"DaemonSet","spec":{"template":` + template + `}`, true, true},
		"ReplicaSet":            {`"apiVersion":"apps/v1","kind":"ReplicaSet","spec":{"template":` + template + `}`, true, true},
		"ReplicationController": {`"apiVersion":"v1","kind":"ReplicationController","spec":{"template":` + template + `}`, true, true},
		"Job":                   {`"apiVersion":"batch/v1","kind":"Job","spec":{"template":` + template + `}`, true, true},
		"CronJob": {`"apiVersion":"batch/v1","kind":"CronJob","spec":{"jobTemplate":{"spec":{"template":` + template + `}}}`,
			true, false},
		"Pod":                    {`"apiVersion":"v1","kind":"Pod","metadata":{"labels":{"app":"web"}},"spec":` + podSpec, true, true},
		"a kind of its own":      {`"apiVersion":"argoproj.io/v1alpha1","kind":"Rollout","spec":{"template":` + template + `}`, true, false},
		"a Deployment of others": {`"apiVersion":"acme.dev/v1","kind":"Deployment","spec":{"template":{"spec":{}}}`, false, false},
		"a Pod of others":        {`"apiVersion":"acme.dev/v1","kind":"Pod","spec":` + podSpec, false, false},
		"a Job of others":        {`"apiVersion":"acme.dev/v1","kind":"Job","spec":{"template":{"text":"t"}}`, false, false},
		"PodTemplate":            {`"apiVersion":"v1","kind":"PodTemplate","template":` + template, false, false},
		"a template of text":     {`"apiVersion":"acme.dev/v1","kind":"Mail","spec":{"template":"Dear {{.Name}}"}`, false, false},
		"ConfigMap":              {`"apiVersion":"v1","kind":"ConfigMap"`, false, false},
	} {
		o := parse(t, "{"+test.object+"}")
		if got := len(o.Containers()) == 1 && o.Containers()[0].Text("name") == "web" && o.PodLabels()["app"] == "web"; got != test.makes {
			t.Errorf("%s: template %v, labels %v", name, o.PodTemplate(), o.PodLabels())
		}
		if o.PodTemplate() == nil == test.makes {
			t.Errorf("%s: template %v", name, o.PodTemplate())
		}
		if o.IsWorkload() != test.workload {
			t.Errorf("%s: is a workload: %v", name, o.IsWorkload())
		}
	}
}

const sidecars = `{"apiVersion":"v1","kind":"Pod","spec":{
	"initContainers":[
		{"name":"migrate","ports":[{"name":"metrics","containerPort":1}]},
		{"name":"proxy","restartPolicy":"Always","ports":[{"name":"mesh","containerPort":15001}]}],
	"containers":[
		{"name":"web","ports":[{"containerPort":8080},{"name":"http","containerPort":8081}]},
		{"name":"log","ports":[{"name":"grpc","containerPort":9000},{"name":"http","containerPort":9001}]}]}}`

func TestContainers(t *testing.T) {
	var got []string
	for _, c := range parse(t, sidecars).Containers() {
		got = append(got, fmt.Sprintf("%s[%d] %s %v", c.Field, c.Index, c.Text("name"), c.Runs()))
	}
	want := "initContainers[0] migrate false, initContainers[1] proxy true, containers[0] web true, containers[1] log true"
	if strings.Join(got, ", ") != want {
		t.Error(got)
	}
	if parse(t, `{"apiVersion":"v1","kind":"Service"}`).Containers() != nil {
		t.Error("a Service has containers")
	}
}

func TestContainerPort(t *testing.T) {
	pod := parse(t, sidecars)
	for name, test := range map[string]struct {
		port  any
		want  int
		found bool
	}{
		"number":               {parse(t, `{"p":8080}`)["p"], 8080, true},
		"number nobody lists":  {7, 7, true},
		"name":                 {"grpc", 9000, true},
		"name of two":          {"http", 8081, true},
		"native sidecar":       {"mesh", 15001, true},
		"init container's":     {"metrics", 0, false},
		"name that nobody has": {"admin", 0, false},
		"number as a text":     {"8080", 0, false},
	} {
		got, found := pod.ContainerPort(test.port)
		if found != test.found || got != test.want {
			t.Errorf("%s: %d, %v", name, got, found)
		}
	}
}

func TestSelects(t *testing.T) {
	labels := map[string]string{"app": "web", "tier": "front", "empty": ""}
	for name, test := range map[string]struct {
		selector map[string]string
		want     bool
	}{
		"all":              {map[string]string{"app": "web", "tier": "front"}, true},
		"some":             {map[string]string{"app": "web"}, true},
		"nothing asked":    {nil, true},
		"another value":    {map[string]string{"app": "api"}, false},
		"one too many":     {map[string]string{"app": "web", "zone": "a"}, false},
		"empty is a value": {map[string]string{"empty": ""}, true},
		"absent is none":   {map[string]string{"zone": ""}, false},
	} {
		if got := Selects(test.selector, labels); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
