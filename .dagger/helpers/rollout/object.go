package main

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// object is any Kubernetes object, as JSON.
type object map[string]any

// at is the value at a path of fields, nil where there is none.
func (o object) at(fields ...string) any {
	var node any = map[string]any(o)
	for _, f := range fields {
		m, ok := node.(map[string]any)
		if !ok {
			return nil
		}
		node = m[f]
	}
	return node
}

func (o object) text(fields ...string) string {
	s, _ := o.at(fields...).(string)
	return s
}

func (o object) version() string   { return o.text("apiVersion") }
func (o object) kind() string      { return o.text("kind") }
func (o object) name() string      { return o.text("metadata", "name") }
func (o object) namespace() string { return o.text("metadata", "namespace") }

func (o object) group() string { return o.typeMeta().group() }

func (o object) typeMeta() typeMeta { return typeMeta{o.version(), o.kind()} }

// typeMeta is what an object's first two fields say.
type typeMeta struct{ version, kind string }

// group is the API group, "" for the core one.
func (t typeMeta) group() string {
	group, _, found := strings.Cut(t.version, "/")
	if !found {
		return ""
	}
	return group
}

// String is Kind/name, as kubectl and people call an object.
func (o object) String() string { return o.kind() + "/" + o.name() }

// id tells objects apart across versions of a release. The API version does not
// belong to it: an object that moves from v1beta1 to v1 stays the same.
func (o object) id() string {
	return strings.Join([]string{o.group(), o.kind(), o.namespace(), o.name()}, "|")
}

func (o object) clone() object {
	text, _ := json.Marshal(o) // came from JSON
	var c object
	_ = json.Unmarshal(text, &c)
	return c
}

func (o object) set(value any, fields ...string) {
	node := map[string]any(o)
	for _, f := range fields[:len(fields)-1] {
		next, ok := node[f].(map[string]any)
		if !ok {
			next = map[string]any{}
			node[f] = next
		}
		node = next
	}
	node[fields[len(fields)-1]] = value
}

// hasOurReplicas says whether it was our last apply that set this live object's
// number of pods.
func (o object) hasOurReplicas() bool {
	managers, _ := o.at("metadata", "managedFields").([]any)
	return slices.ContainsFunc(managers, func(m any) bool {
		fields, _ := m.(map[string]any)
		by := object(fields)
		return by.text("manager") == manager && by.text("operation") == "Apply" && by.at("fieldsV1", "f:spec", "f:replicas") != nil
	})
}

// bare is the object without what the API server adds to it.
func (o object) bare() object {
	if o == nil {
		return nil
	}
	o = o.clone()
	delete(o, "status")
	metadata, _ := o.at("metadata").(map[string]any)
	for _, field := range []string{"managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"} {
		delete(metadata, field)
	}
	return o
}

// convert reads the object as one of the types below.
func convert[T any](o object) (T, error) {
	var t T
	text, err := json.Marshal(o)
	if err != nil {
		return t, err
	}
	return t, json.Unmarshal(text, &t)
}

// order is that of applying: what others refer to comes first. Kinds not named
// here come last, as they are mostly custom resources.
var order = []string{
	"Namespace", "NetworkPolicy", "ResourceQuota", "LimitRange", "PodDisruptionBudget",
	"ServiceAccount", "Secret", "ConfigMap", "StorageClass", "PersistentVolume", "PersistentVolumeClaim",
	"CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding",
	"Service", "DaemonSet", "Pod", "ReplicaSet", "Deployment", "StatefulSet", "Job", "CronJob",
	"HorizontalPodAutoscaler", "Ingress",
}

func sortForApply(objects []object) {
	rank := func(o object) int {
		if i := slices.Index(order, o.kind()); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(objects, func(a, b object) int { return cmp.Compare(rank(a), rank(b)) })
}
