package main

import (
	"fmt"
	"slices"
	"strings"
)

// check looks for what no API server sees, since it judges each object alone:
// references between objects that lead nowhere. It asks no cluster.
func check(req request) error {
	var wrong findings
	seen := map[string]bool{}
	namespace := req.Namespace
	for _, o := range req.Objects {
		add := func(field, format string, args ...any) {
			wrong = append(wrong, fmt.Sprintf("%s: %s: %s", req.origin(o), field, fmt.Sprintf(format, args...)))
		}
		if o.kind() == "" || o.version() == "" || o.name() == "" {
			add("metadata.name", "kind, apiVersion and name must be there")
			continue
		}
		if seen[o.id()] {
			add("metadata.name", "there is another object of this kind and name")
		}
		seen[o.id()] = true
		if ns := o.namespace(); ns != "" {
			if namespace == "" {
				namespace = ns
			}
			if ns != namespace {
				add("metadata.namespace", "is %s, while the release goes to %s: a release has one namespace", ns, namespace)
			}
		}
		template := podSpec(o)
		for field, list := range containersOf(template) {
			for i, ctr := range list {
				checkContainer(ctr, func(below, format string, args ...any) {
					add(fmt.Sprintf("%s[%d].%s", field, i, below), format, args...)
				})
			}
		}
		switch o.kind() {
		case "Service":
			checkService(o, req.Objects, add)
		case "PodDisruptionBudget", "NetworkPolicy":
			field := map[string]string{"PodDisruptionBudget": "selector", "NetworkPolicy": "podSelector"}[o.kind()]
			labels, _ := o.at("spec", field, "matchLabels").(map[string]any)
			if len(labels) > 0 && len(selected(req.Objects, labels)) == 0 {
				add("spec."+field, "matches no pod template of these manifests")
			}
		case "HorizontalPodAutoscaler":
			target := object{"kind": o.at("spec", "scaleTargetRef", "kind"), "metadata": map[string]any{"name": o.at("spec", "scaleTargetRef", "name")}}
			if !slices.ContainsFunc(req.Objects, func(o object) bool { return o.String() == target.String() }) {
				add("spec.scaleTargetRef", "%s is not among these manifests", target)
			}
		case "Deployment", "StatefulSet", "DaemonSet":
			labels, _ := o.at("spec", "selector", "matchLabels").(map[string]any)
			template, _ := o.at("spec", "template", "metadata", "labels").(map[string]any)
			if !contains(template, labels) {
				add("spec.selector", "does not match the labels of its own template")
			}
			if o.text("spec", "updateStrategy", "type") == "OnDelete" {
				add("spec.updateStrategy.type", "OnDelete leaves the old pods, so that nobody could tell whether the new ones work")
			}
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("the manifests do not fit together:\n%w", wrong)
	}
	return nil
}

// podSpec is that of the pods an object makes, nil for one that makes none.
func podSpec(o object) object {
	for _, path := range [][]string{{"spec", "template", "spec"}, {"spec", "jobTemplate", "spec", "template", "spec"}, {"spec"}} {
		if spec, ok := o.at(path...).(map[string]any); ok && spec["containers"] != nil {
			return spec
		}
	}
	return nil
}

func containersOf(spec object) map[string][]object {
	lists := map[string][]object{}
	for _, field := range []string{"containers", "initContainers"} {
		list, _ := spec[field].([]any)
		for _, item := range list {
			ctr, _ := item.(map[string]any)
			lists[field] = append(lists[field], ctr)
		}
	}
	return lists
}

func checkContainer(ctr object, add func(field, format string, args ...any)) {
	if image := ctr.text("image"); !strings.Contains(image, "@sha256:") {
		add("image", "%q can change under its name: pin it with @sha256:…", image)
	}
	if ctr.text("imagePullPolicy") == "Never" {
		add("imagePullPolicy", "Never works only on nodes that happen to have the image")
	}
	for _, probe := range []string{"readinessProbe", "livenessProbe", "startupProbe"} {
		for _, way := range []string{"httpGet", "tcpSocket", "grpc"} {
			port := ctr.at(probe, way, "port")
			if port != nil && !offers(ctr, port) {
				add(probe+"."+way+".port", "%v is none of the container's ports", port)
			}
		}
		if path, ok := ctr.at(probe, "httpGet", "path").(string); ok && !strings.HasPrefix(path, "/") {
			add(probe+".httpGet.path", "%q does not begin with /", path)
		}
	}
}

// offers says whether a container lists a port, given by number or by name.
func offers(ctr object, port any) bool {
	ports, _ := ctr["ports"].([]any)
	for _, p := range ports {
		p, _ := p.(map[string]any)
		if p["containerPort"] == port || p["name"] == port {
			return true
		}
	}
	return false
}

// selected are the objects whose pod template has the labels.
func selected(objects []object, labels map[string]any) []object {
	var matching []object
	for _, o := range objects {
		template, _ := o.at("spec", "template", "metadata", "labels").(map[string]any)
		switch o.kind() {
		case "Pod":
			template, _ = o.at("metadata", "labels").(map[string]any)
		case "CronJob":
			template, _ = o.at("spec", "jobTemplate", "spec", "template", "metadata", "labels").(map[string]any)
		}
		if podSpec(o) != nil && contains(template, labels) {
			matching = append(matching, o)
		}
	}
	return matching
}

// targetPort is where a Service's port leads, a number or the name of a container
// port.
func targetPort(port map[string]any) any {
	if target := port["targetPort"]; target != nil {
		return target
	}
	return port["port"]
}

func checkService(s object, objects []object, add func(field, format string, args ...any)) {
	selector, _ := s.at("spec", "selector").(map[string]any)
	if len(selector) == 0 {
		return // its endpoints are somebody else's matter
	}
	pods := selected(objects, selector)
	if len(pods) == 0 {
		add("spec.selector", "matches no pod template of these manifests, so no pod would get its traffic")
		return
	}
	ports, _ := s.at("spec", "ports").([]any)
	for i, item := range ports {
		p, _ := item.(map[string]any)
		target := targetPort(p)
		for _, w := range pods {
			offered := false
			for _, ctr := range containersOf(podSpec(w))["containers"] {
				offered = offered || offers(ctr, target)
			}
			if !offered {
				add(fmt.Sprintf("spec.ports[%d].targetPort", i), "%v is no container port of %s", target, w)
			}
		}
	}
}
