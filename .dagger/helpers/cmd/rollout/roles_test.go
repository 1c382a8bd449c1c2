package main

import (
	"strings"
	"testing"

	"slipway/helpers/internal/kube"
)

// Of rights, each is said once, and none that was not asked for is among them.
func TestPrintRole(t *testing.T) {
	s, out := quiet()
	s.Release, s.Namespace = "web", "shop"
	var needed rightList
	needed.add("", "secrets", "shop", "list", "get")
	needed.add("", "configmaps", "shop", "get", "list", "get")
	needed.add("", "pods/log", "shop", "get")
	needed.add("apps", "deployments", "shop", "get", "list")
	needed.add("", "nodes", "", "list")
	needed.add("", "secrets", "other", "delete")
	given := append(handedOn(parse(t, `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole",
		"rules":[{"nonResourceURLs":["/healthz"],"verbs":["get"]}]}`)),
		handedOn(parse(t, `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding",
			"roleRef":{"kind":"ClusterRole","name":"view"}}`))...)
	given = append(given, handedOn(parse(t, `{"apiVersion":"v1","kind":"ConfigMap","rules":[{"verbs":["*"]}]}`))...)
	for _, namespace := range []string{"shop", ""} {
		elsewhere := rulesOf([]kube.Right{{Verb: "x", Resource: "y", Namespace: "z"}}, namespace)
		if err := s.printRole(s.out, namespace, rulesOf(needed, namespace), given, elsewhere); err != nil {
			t.Fatal(err)
		}
		given = nil
	}
	const want = `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: slipway-web
  namespace: shop
rules:
# What deploy, rollback, status and destroy need.
- apiGroups:
  - ""
  resources:
  - configmaps
  - secrets
  verbs:
  - get
  - list
- apiGroups:
  - ""
  resources:
  - pods/log
  verbs:
  - get
- apiGroups:
  - apps
  resources:
  - deployments
  verbs:
  - get
  - list
# What the manifests' own roles give away.
- nonResourceURLs:
  - /healthz
  verbs:
  - get
- apiGroups:
  - rbac.authorization.k8s.io
  resourceNames:
  - view
  resources:
  - clusterroles
  verbs:
  - bind
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: slipway-web-shop
rules:
# What deploy, rollback, status and destroy need.
- apiGroups:
  - ""
  resources:
  - nodes
  verbs:
  - list
`
	if got := out.String(); got != want {
		t.Errorf("%s", got)
	}
}

func TestValidate(t *testing.T) {
	for name, test := range map[string]struct {
		change func(r *request)
		want   string
	}{
		"plain": {func(*request) {}, ""},
		"all": {func(r *request) {
			r.Namespace, r.Context, r.APIServer, r.Evidence = "7", "arn:aws:eks/x y", "[::1]:6443", "none"
		}, ""},
		"no release":         {func(r *request) { r.Release = "" }, "--release"},
		"release":            {func(r *request) { r.Release = "web,slipway/release=other" }, "--release"},
		"long release":       {func(r *request) { r.Release = strings.Repeat("a", 54) }, "--release"},
		"namespace":          {func(r *request) { r.Namespace = "../../api/v1/nodes" }, "--namespace"},
		"other namespace":    {func(r *request) { r.Namespace = "shop\n::error::" }, "--namespace"},
		"records' namespace": {func(r *request) { r.RecordsNamespace = "Shop" }, "--records-namespace"},
		"context":            {func(r *request) { r.Context = "x\x1b[2J" }, "--context"},
		"API server":         {func(r *request) { r.APIServer = "kubernetes:6443/x" }, "--api-server"},
		"evidence":           {func(r *request) { r.Evidence = "all" }, "give none, short or full"},
		"key":                {func(r *request) { r.RecordKey = "short" }, "openssl rand"},
		"number":             {func(r *request) { r.Tail = -1 }, "--tail"},
	} {
		r := request{Release: "web"}
		test.change(&r)
		err := r.validate()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("%s: %q", name, err)
		}
	}
}
