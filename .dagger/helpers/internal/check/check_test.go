package check

import (
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"slipway/helpers/internal/object"
)

// objects are the YAML documents of a text.
func objects(t *testing.T, text string) []object.Object {
	t.Helper()
	var all []object.Object
	for doc := range strings.SplitSeq(strings.TrimPrefix(text, "---\n"), "---\n") {
		asJSON, err := yaml.YAMLToJSON([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		var o object.Object
		if err := object.Decode(asJSON, &o); err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	return all
}

// found are the findings as the user reads them, each with what becomes of it.
func found(t *testing.T, in Input) []string {
	t.Helper()
	refused, warnings, err := Manifests(in)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range refused {
		all = append(all, "refused: "+f.String())
	}
	for _, f := range warnings {
		all = append(all, "warning: "+f.String())
	}
	return all
}

type tableCase struct {
	name, manifests string
	want            []string
}

func run(t *testing.T, cases []tableCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := found(t, Input{Objects: objects(t, c.manifests), Namespace: "shop"})
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// deployment is a Deployment hello with one container of a pinned image, and more of it.
func deployment(container string) string {
	return `
apiVersion: apps/v1
kind: Deployment
metadata: {name: hello}
spec:
  selector: {matchLabels: {app: hello}}
  template:
    metadata: {labels: {app: hello, tier: web}}
    spec:
      containers:
      - {name: hello, image: "hello@sha256:1", ` + container + `}
`
}

func TestIdentity(t *testing.T) {
	run(t, []tableCase{
		{"good", deployment(""), nil},
		{"no kind", "apiVersion: v1\nmetadata: {name: a}", []string{
			"refused: object/a: kind: is missing or no string, every object needs one"}},
		{"no apiVersion", "kind: Secret\nmetadata: {name: a}", []string{
			"refused: Secret/a: apiVersion: is missing or no string, every object needs one, such as v1"}},
		{"no name", "apiVersion: v1\nkind: Secret", []string{
			"refused: Secret/: metadata.name: is missing or no string: give a name, in quotes if it is a number"}},
		{"a number for a name", "apiVersion: v1\nkind: Secret\nmetadata: {name: 7}", []string{
			"refused: Secret/: metadata.name: is missing or no string: give a name, in quotes if it is a number"}},
		{"generateName, twice", `
apiVersion: batch/v1
kind: Job
metadata: {generateName: migrate-}
---
apiVersion: batch/v1
kind: Job
metadata: {generateName: migrate-}
`, nil},
		{"a phase that does nothing", "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a, annotations: {slipway/phase: first}}", []string{
			`warning: Job/a: metadata.annotations.slipway/phase: is "first", which does nothing: it is for Jobs and Pods, and must be "before"`}},
		{"duplicate", `
apiVersion: networking.k8s.io/v1beta1
kind: Ingress
metadata: {name: a}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: a, namespace: shop}
`, []string{"refused: Ingress/a: metadata.name: is that of another object of this kind: " +
			"one of them would overwrite the other, so take it out or rename it (to allow it: --allow duplicate)"}},
		{"same name in two groups", `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: a}
---
apiVersion: v1
kind: Service
metadata: {name: a}
`, nil},
		{"namespace", "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: other}", []string{
			"refused: Secret/a: metadata.namespace: is other, while the release goes to shop: " +
				"take the field out or deploy to other (to allow it: --allow namespace)"}},
		{"own namespace", "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: shop}", nil},
		{"numbers in a Secret", `
apiVersion: v1
kind: Secret
metadata: {name: a}
stringData: {password: 73519284, user: admin, empty: null}
data: {enabled: true}
`, []string{
			"refused: Secret/a: data.enabled: must be a string: put it in quotes",
			"refused: Secret/a: stringData.password: must be a string: put it in quotes"}},
		{"a list in a ConfigMap", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: [s3cr3t]}\nbinaryData: s3cr3t", []string{
			"refused: ConfigMap/a: binaryData: must be names with a value each",
			"refused: ConfigMap/a: data.x: must be a string: put it in quotes"}},
		{"somebody else's kind Secret", "apiVersion: example.com/v1\nkind: Secret\nmetadata: {name: a}\ndata: {x: 1}", nil},
	})
}

func TestContainers(t *testing.T) {
	probe := "is the name of none of the container's ports: name one so, or give the number (to allow it: --allow probe-port)"
	run(t, []tableCase{
		{"images", `
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  initContainers: [{name: a, image: "busybox:1"}]
  containers: [{name: b, image: auto}, {name: c}, {name: d, image: "d:1@sha256:1"}, {name: e, image: "e@sha512:1"}]
`, []string{`warning: Pod/a: initContainers[0].image: "busybox:1" can change under its name: pin it with @sha256:…`}},
		{"never pulled", deployment("imagePullPolicy: Never"), []string{
			"warning: Deployment/hello: containers[0].imagePullPolicy: Never works only on nodes that happen to have the image: take IfNotPresent"}},
		{"probe by a name", deployment("ports: [{name: http, containerPort: 80}], livenessProbe: {tcpSocket: {port: http}}"), nil},
		{"probe by a wrong name", deployment(
			"ports: [{containerPort: 80}], startupProbe: {tcpSocket: {port: web}}, readinessProbe: {httpGet: {port: http}}"),
			[]string{
				`refused: Deployment/hello: containers[0].readinessProbe.httpGet.port: "http" ` + probe,
				`refused: Deployment/hello: containers[0].startupProbe.tcpSocket.port: "web" ` + probe}},
		{"probe by a number", deployment(
			"ports: [{containerPort: 80}], livenessProbe: {httpGet: {port: 81}}, readinessProbe: {grpc: {port: 82}}"), nil},
		{"probe of another container's port", `
apiVersion: batch/v1
kind: CronJob
metadata: {name: a}
spec:
  jobTemplate:
    spec:
      template:
        spec:
          initContainers:
          - {name: a, image: a@sha256:1, restartPolicy: Always, startupProbe: {httpGet: {port: http}}}
          containers:
          - {name: b, image: b@sha256:1, ports: [{name: http, containerPort: 80}]}
`, []string{`refused: CronJob/a: initContainers[0].startupProbe.httpGet.port: "http" ` + probe}},
		{"a custom resource's probe", `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: a}
spec: {template: {spec: {containers: [{image: a@sha256:1, readinessProbe: {httpGet: {port: http}}}]}}}
`, nil},
		{"configuration from elsewhere", deployment("envFrom: [{secretRef: {name: absent}}, {configMapRef: {name: absent}}]"), nil},
	})
}

func TestAllow(t *testing.T) {
	in := Input{Objects: objects(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: other}\ndata: {b: 1}"),
		Files: map[string]string{"Secret/a": "a.yaml"}, Namespace: "shop", Allow: []string{"namespace"}}
	want := []string{
		"refused: a.yaml: Secret/a: data.b: must be a string: put it in quotes",
		"warning: a.yaml: Secret/a: metadata.namespace: is other, while the release goes to shop: take the field out or deploy to other",
	}
	if got := found(t, in); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	in.Objects[0].Set("hunter2!", "data", "b")
	if got := found(t, in); len(got) == 0 || got[0] != "refused: a.yaml: Secret/a: data.b: is no base64: encode it, or move it to stringData" {
		t.Errorf("got %q", got)
	}
	in.Allow = []string{"secret-value"}
	_, _, err := Manifests(in)
	if err == nil || !strings.HasSuffix(err.Error(), "one of duplicate, namespace, probe-port, selector, service-selector, target-port") {
		t.Errorf("got %v", err)
	}
}

// The release's namespace is that of the first object that has one; what is said twice
// of the same object is said once.
func TestNamespaceOfTheFirst(t *testing.T) {
	got := found(t, Input{Objects: objects(t, `
apiVersion: v1
kind: Secret
metadata: {name: a}
---
apiVersion: v1
kind: Secret
metadata: {generateName: b-, namespace: shop}
---
apiVersion: v1
kind: Secret
metadata: {generateName: c-, namespace: other}
---
apiVersion: v1
kind: Secret
metadata: {generateName: c-, namespace: other}
`), Files: map[string]string{"Secret/c-": "c.yaml"}})
	want := []string{"refused: c.yaml: Secret/c-: metadata.namespace: is other, while the release goes to shop: " +
		"take the field out or deploy to other (to allow it: --allow namespace)"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFlatten(t *testing.T) {
	in := objects(t, `
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: a}}
- {apiVersion: v1, kind: ConfigMapList, items: [{metadata: {name: b}}]}
---
apiVersion: example.com/v1
kind: AllowList
metadata: {name: c}
items: [d]
`)
	var got []string
	for _, o := range Flatten(in) {
		got = append(got, o.Version()+" "+o.String())
	}
	if want := "v1 Service/a, v1 ConfigMap/b, example.com/v1 AllowList/c"; strings.Join(got, ", ") != want {
		t.Errorf("%s, want %s", got, want)
	}
}
