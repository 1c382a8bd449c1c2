package check

import (
	"maps"
	"testing"
)

// service is a Service hello for the Deployment hello, with one port.
func service(port string) string {
	return "---\napiVersion: v1\nkind: Service\nmetadata: {name: hello}\nspec: {selector: {app: hello}, ports: [{" + port + "}]}\n"
}

// pod is a Pod of one container.
func pod(metadata string) string {
	return "---\napiVersion: v1\nkind: Pod\nmetadata: {" + metadata + "}\nspec: {containers: [{name: a, image: a@sha256:1}]}\n"
}

// named is an object a of any kind.
func named(version, kind, spec string) string {
	return "---\napiVersion: " + version + "\nkind: " + kind + "\nmetadata: {name: a}\nspec: {" + spec + "}\n"
}

const job = `---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate}
spec: {template: {metadata: {labels: {app: hello}}, spec: {containers: [{name: a, image: a@sha256:1, ports: [{containerPort: 1}]}]}}}
`

func TestServices(t *testing.T) {
	headless := `
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {"cnpg.io/cluster": db, role: primary}}
`
	selects := "Service/db: spec.selector: cnpg.io/cluster=db,role=primary selects no pod of these manifests, so none would get its traffic: "
	run(t, []tableCase{
		{"good", deployment("ports: [{name: http, containerPort: 8080}]") + service("port: 80, targetPort: http") +
			"---\napiVersion: v1\nkind: Service\nmetadata: {name: two}\nspec: {selector: {app: hello}, ports: [{port: 80, targetPort: 8080}]}", nil},
		{"no pods", headless, []string{
			"refused: " + selects + "correct it, or the labels of the pod template (to allow it: --allow service-selector)"}},
		{"pods of a custom resource", headless + "---\napiVersion: postgresql.cnpg.io/v1\nkind: Cluster\nmetadata: {name: db}", []string{
			"warning: " + selects + "that is right if an operator makes the pods"}},
		{"one of Kubernetes' own groups", headless + "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: db}", []string{
			"refused: " + selects + "correct it, or the labels of the pod template (to allow it: --allow service-selector)"}},
		{"pods in another namespace", pod("name: a, namespace: other, labels: {app: hello}") + service("port: 80"), []string{
			"refused: Pod/a: metadata.namespace: is other, while the release goes to shop: " +
				"take the field out or deploy to other (to allow it: --allow namespace)",
			"refused: Service/hello: spec.selector: app=hello selects no pod of these manifests, so none would get its traffic: " +
				"correct it, or the labels of the pod template (to allow it: --allow service-selector)"}},
		{"ExternalName", named("v1", "Service", "type: ExternalName, externalName: b.example, selector: {a: b}"), nil},
		{"no selector", named("v1", "Service", "ports: [{port: 80}]"), nil},
		{"a number in the selector", named("v1", "Service", "selector: {version: 1}"), nil},
		{"a bare Pod", pod("name: a, labels: {app: hello}") + service("port: 80"), nil},
		{"one pod of a StatefulSet", `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec: {selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{image: a@sha256:1}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: db-0}
spec: {selector: {statefulset.kubernetes.io/pod-name: db-0}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: db-1}
spec: {selector: {apps.kubernetes.io/pod-index: "1"}, ports: [{port: 80}]}
`, nil},
		{"pods of a Job", job + named("v1", "Service", "selector: {job-name: migrate}, ports: [{port: 1}]"), nil},
	})
}

func TestServicePorts(t *testing.T) {
	wrongName := ` is the name of no container port of Deployment/hello: name one so, or give the number (to allow it: --allow target-port)`
	sidecar := `
apiVersion: apps/v1
kind: Deployment
metadata: {name: hello}
spec:
  selector: {matchLabels: {app: hello}}
  template:
    metadata: {labels: {app: hello}}
    spec:
      initContainers:
      - {name: proxy, image: a@sha256:1, restartPolicy: Always, ports: [{name: https, containerPort: 8443}]}
      - {name: setup, image: a@sha256:1, ports: [{name: setup, containerPort: 1}]}
      containers:
      - {name: hello, image: a@sha256:1, ports: [{containerPort: 8080}]}
`
	run(t, []tableCase{
		{"wrong name", deployment("ports: [{name: http, containerPort: 80}]") + service("port: 80, targetPort: web"), []string{
			`refused: Service/hello: spec.ports[0].targetPort: "web"` + wrongName}},
		{"a native sidecar's name", sidecar + service("port: 80, targetPort: https"), nil},
		{"a native sidecar's number", sidecar + service("port: 8443"), nil},
		{"an init container's number", sidecar + service("port: 1"), []string{
			"warning: Service/hello: spec.ports[0].port: no container of Deployment/hello lists port 1: " +
				"see whether one listens there, or give another targetPort"}},
		{"an init container's name", sidecar + service("port: 80, targetPort: setup"), []string{
			`refused: Service/hello: spec.ports[0].targetPort: "setup"` + wrongName}},
		{"a number among no ports", deployment("") + service("port: 80, targetPort: 8080"), nil},
		{"a number among others", deployment("ports: [{containerPort: 8080}]") + service("port: 80, targetPort: 0"), []string{
			"warning: Service/hello: spec.ports[0].port: no container of Deployment/hello lists port 80: " +
				"see whether one listens there, or give another targetPort"}},
		{"the pods of a Job beside others", deployment("ports: [{name: http, containerPort: 80}]") + job +
			service("port: 80, targetPort: http"), nil},
		{"the port of a Job beside others", deployment("ports: [{containerPort: 80}]") + job + service("port: 1"), []string{
			"warning: Service/hello: spec.ports[0].port: no container of Deployment/hello lists port 1: " +
				"see whether one listens there, or give another targetPort"}},
		{"only the pods of a Job", job + service("port: 80"), []string{
			"warning: Service/hello: spec.ports[0].port: no container of Job/migrate lists port 80: " +
				"see whether one listens there, or give another targetPort"}},
		{"the name in one of two", deployment("ports: [{name: http, containerPort: 80}]") +
			pod("name: canary, labels: {app: hello}") + service("port: 80, targetPort: http"), nil},
	})
}

func TestSelectors(t *testing.T) {
	workload := func(kind, selector string) string {
		return "apiVersion: apps/v1\nkind: " + kind + "\nmetadata: {name: a}\nspec:\n  selector: " + selector +
			"\n  template: {metadata: {labels: {app: a, tier: web}}, spec: {containers: [{image: a@sha256:1}]}}\n"
	}
	own := "spec.selector: does not match the labels of its own template: they must have what it asks for (to allow it: --allow selector)"
	run(t, []tableCase{
		{"wrong label", workload("Deployment", "{matchLabels: {app: b}}"), []string{"refused: Deployment/a: " + own}},
		{"expressions", workload("DaemonSet", `{matchExpressions: [{key: app, operator: In, values: [a, b]},
      {key: tier, operator: NotIn, values: [db]}, {key: zone, operator: NotIn, values: [x]},
      {key: tier, operator: Exists}, {key: zone, operator: DoesNotExist}]}`), nil},
		{"In", workload("StatefulSet", "{matchExpressions: [{key: app, operator: In, values: [b]}]}"), []string{
			"refused: StatefulSet/a: " + own}},
		{"NotIn", workload("ReplicaSet", "{matchExpressions: [{key: app, operator: NotIn, values: [a]}]}"), []string{
			"refused: ReplicaSet/a: " + own}},
		{"Exists", workload("DaemonSet", "{matchExpressions: [{key: zone, operator: Exists}]}"), []string{
			"refused: DaemonSet/a: " + own}},
		{"DoesNotExist", workload("DaemonSet", "{matchExpressions: [{key: app, operator: DoesNotExist}]}"), []string{
			"refused: DaemonSet/a: " + own}},
		{"ReplicationController", named("v1", "ReplicationController", "selector: {app: a}, "+
			"template: {metadata: {labels: {app: b}}, spec: {containers: [{image: a@sha256:1}]}}"), []string{
			"refused: ReplicationController/a: " + own}},
		{"OnDelete", workload("StatefulSet", "{matchLabels: {app: a}}") + "  updateStrategy: {type: OnDelete}", []string{
			"warning: StatefulSet/a: spec.updateStrategy.type: is OnDelete: its pods are replaced only when somebody deletes them, " +
				"RollingUpdate replaces them by itself"}},
		{"a budget", deployment("") + named("policy/v1", "PodDisruptionBudget", "selector: {matchLabels: {app: hello}}"), nil},
		{"a budget for all", named("policy/v1", "PodDisruptionBudget", "selector: {}"), nil},
		{"a budget for none", deployment("") + named("policy/v1", "PodDisruptionBudget",
			"selector: {matchExpressions: [{key: app, operator: In, values: [other]}]}"), []string{
			"warning: PodDisruptionBudget/a: spec.selector: matches no pod template of these manifests: correct it, or the labels of the template"}},
		{"a policy for none", named("networking.k8s.io/v1", "NetworkPolicy", "podSelector: {matchLabels: {app: b}}"), []string{
			"warning: NetworkPolicy/a: spec.podSelector: matches no pod template of these manifests: correct it, or the labels of the template"}},
	})
}

func TestAutoscaler(t *testing.T) {
	scaler := `---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: a}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: `
	run(t, []tableCase{
		{"good", deployment("") + scaler + "hello}}", nil},
		{"wrong name", deployment("") + scaler + "helo}}", []string{
			"warning: HorizontalPodAutoscaler/a: spec.scaleTargetRef: " +
				"apps/v1 Deployment/helo is not among these manifests: correct apiVersion, kind and name"}},
	})
}

func TestPodsOfAFinding(t *testing.T) {
	refused, _, err := Manifests(Input{Objects: objects(t, service("port: 80"))})
	if err != nil || len(refused) != 1 || refused[0].Rule != "service-selector" ||
		!maps.Equal(refused[0].Pods, map[string]string{"app": "hello"}) {
		t.Errorf("got %v, %v", refused, err)
	}
}
