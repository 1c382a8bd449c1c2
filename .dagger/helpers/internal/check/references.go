package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway/helpers/internal/object"
)

// references checks what an object says of others, and of its own pods.
func (c *checker) references(o object.Object) {
	switch o.Group() + "/" + o.Kind() {
	case "/Service":
		c.service(o)
	case "policy/PodDisruptionBudget":
		c.reaches(o, "selector")
	case "networking.k8s.io/NetworkPolicy":
		c.reaches(o, "podSelector")
	case "autoscaling/HorizontalPodAutoscaler":
		c.target(o)
	case "apps/Deployment", "apps/ReplicaSet", "apps/StatefulSet", "apps/DaemonSet":
		if selector := o.Map("spec", "selector"); len(selector) > 0 && !matches(selector, o.PodLabels()) {
			c.refuse(o, ruleSelector, "spec.selector", "does not match the labels of its own template: they must have what it asks for")
		}
		if o.Text("spec", "updateStrategy", "type") == "OnDelete" {
			c.warn(o, "on-delete", "spec.updateStrategy.type",
				"is OnDelete: its pods are replaced only when somebody deletes them, RollingUpdate replaces them by itself")
		}
	case "/ReplicationController":
		if !object.Selects(o.Strings("spec", "selector"), o.PodLabels()) {
			c.refuse(o, ruleSelector, "spec.selector", "does not match the labels of its own template: they must have what it asks for")
		}
	}
}

// matches says whether a label selector, with its expressions, matches the labels. An
// operator that Kubernetes does not know is left to the API server.
func matches(selector object.Object, labels map[string]string) bool {
	if !object.Selects(selector.Strings("matchLabels"), labels) {
		return false
	}
	for _, e := range selector.List("matchExpressions") {
		value, has := labels[e.Text("key")]
		values, _ := e["values"].([]any)
		ok := true
		switch e.Text("operator") {
		case "In":
			ok = has && slices.Contains(values, any(value))
		case "NotIn":
			ok = !has || !slices.Contains(values, any(value))
		case "Exists":
			ok = has
		case "DoesNotExist":
			ok = !has
		}
		if !ok {
			return false
		}
	}
	return true
}

// neighbours are the objects in o's namespace that make pods.
func (c *checker) neighbours(o object.Object) []object.Object {
	return slices.DeleteFunc(slices.Clone(c.Objects), func(other object.Object) bool {
		return other.PodTemplate() == nil || c.namespaceOf(other) != c.namespaceOf(o)
	})
}

// reaches warns of a label selector that matches none of the pods. An empty one matches all.
func (c *checker) reaches(o object.Object, field string) {
	selector := o.Map("spec", field)
	matching := func(other object.Object) bool { return matches(selector, other.PodLabels()) }
	if len(selector) > 0 && !slices.ContainsFunc(c.neighbours(o), matching) {
		c.warn(o, "no-pods", "spec."+field, "matches no pod template of these manifests: correct it, or the labels of the template")
	}
}

// target warns of an autoscaler for something else than these manifests have.
func (c *checker) target(o object.Object) {
	ref := o.Map("spec", "scaleTargetRef")
	group := object.Type{Version: ref.Text("apiVersion")}.Group()
	meant := func(other object.Object) bool {
		return other.Kind() == ref.Text("kind") && other.Name() == ref.Text("name") && other.Group() == group &&
			c.namespaceOf(other) == c.namespaceOf(o)
	}
	if !slices.ContainsFunc(c.Objects, meant) {
		c.warn(o, "autoscaler", "spec.scaleTargetRef", "%s %s/%s is not among these manifests: correct apiVersion, kind and name",
			ref.Text("apiVersion"), ref.Text("kind"), ref.Text("name"))
	}
}

// service checks that traffic for a Service arrives. One without selector has endpoints
// of somebody else's making.
func (c *checker) service(s object.Object) {
	selector := s.Strings("spec", "selector")
	if len(selector) == 0 || len(selector) < len(s.Map("spec", "selector")) || s.Text("spec", "type") == "ExternalName" {
		return // with a value that is no string it is for the API server to refuse
	}
	pods := slices.DeleteFunc(c.neighbours(s), func(o object.Object) bool { return !selects(selector, o) })
	if len(pods) == 0 {
		report, text := c.refuse, "correct it, or the labels of the pod template"
		if c.operated {
			report, text = c.warn, "that is right if an operator makes the pods"
		}
		report(s, ruleServiceSelector, "spec.selector",
			"%s selects no pod of these manifests, so none would get its traffic: %s", pairs(selector), text)
		c.findings[len(c.findings)-1].Pods = selector
		return
	}
	if serving := slices.DeleteFunc(slices.Clone(pods), ends); len(serving) > 0 {
		pods = serving
	}
	for i, p := range s.List("spec", "ports") {
		c.servicePort(s, i, p, pods)
	}
}

func (c *checker) servicePort(s object.Object, i int, p object.Object, pods []object.Object) {
	has := func(o object.Object) bool { _, found := o.ContainerPort(p["targetPort"]); return found }
	if name := p.Text("targetPort"); name != "" {
		if !slices.ContainsFunc(pods, has) {
			c.refuse(s, ruleTargetPort, fmt.Sprintf("spec.ports[%d].targetPort", i),
				"%q is the name of no container port of %s: name one so, or give the number", name, list(pods))
		}
		return
	}
	field, n, found := "targetPort", 0, false
	if n, found = p.Int("targetPort"); !found || n == 0 { // then it is the port
		field = "port"
		n, found = p.Int("port")
	}
	if found && !slices.ContainsFunc(pods, func(o object.Object) bool { return lists(o, n) }) {
		c.warn(s, "port-number", fmt.Sprintf("spec.ports[%d].%s", i, field),
			"no container of %s lists port %d: see whether one listens there, or give another targetPort", list(pods), n)
	}
}

// ends says whether the object's pods run to an end, so that they serve nobody.
func ends(o object.Object) bool { return o.Group() == "batch" }

// selects says whether a Service's selector has pods of the object, with the labels that
// Kubernetes adds to them.
func selects(selector map[string]string, o object.Object) bool {
	labels := maps.Clone(o.PodLabels())
	switch o.Group() + "/" + o.Kind() {
	case "apps/StatefulSet":
		const pod, index = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"
		if name := selector[pod]; strings.HasPrefix(name, o.Name()+"-") {
			labels[pod] = name
		}
		if n, ok := selector[index]; ok {
			labels[index] = n
		}
	case "batch/Job":
		labels["job-name"], labels["batch.kubernetes.io/job-name"] = o.Name(), o.Name()
	}
	return object.Selects(selector, labels)
}

// pairs is a selector as kubectl writes it.
func pairs(selector map[string]string) string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(selector)) {
		all = append(all, key+"="+selector[key])
	}
	return strings.Join(all, ",")
}

func list(objects []object.Object) string {
	var names []string
	for _, o := range objects {
		names = append(names, o.String())
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}
