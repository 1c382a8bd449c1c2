// Package rehearsal says which manifests may be tried out on a throwaway cluster. Its node is
// a privileged container of the engine: who controls the cluster's own parts controls the
// engine. The API server refuses privileged pods; here is refused what could have it admit
// them all the same.
package rehearsal

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// object is a Kubernetes object as JSON.
type object = map[string]any

const enforce = "pod-security.kubernetes.io/enforce"

// kinds are cluster-wide, or obeyed by the node itself, and have a say in more than what one
// release does.
var kinds = map[string]string{
	"/Node":             "changes the cluster's node",
	"/PersistentVolume": "can be a directory of the cluster's node",
	"certificates.k8s.io/CertificateSigningRequest":           "asks for an identity",
	"certificates.k8s.io/ClusterTrustBundle":                  "changes whom the cluster trusts",
	"apiregistration.k8s.io/APIService":                       "answers in the API server's place",
	"flowcontrol.apiserver.k8s.io/FlowSchema":                 "can keep others from the API server",
	"networking.k8s.io/ServiceCIDR":                           "changes the cluster's network",
	"resource.k8s.io/DeviceClass":                             "hands out devices of the node",
	"resource.k8s.io/ResourceSlice":                           "hands out devices of the node",
	"flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration": "can keep others from the API server",
}

// groups are refused whole.
var groups = map[string]string{
	"admissionregistration.k8s.io": "decides what the API server admits",
	"cattle.io":                    "is carried out by k3s with an administrator's rights",
}

// between stands between two documents of a YAML text. In a document it cannot be: there a
// line of a text is indented, or in quotes.
var between = regexp.MustCompile(`(?m)^---\s*$`)

// Parse returns the objects of manifests as they are rendered, without lists and anchors.
func Parse(manifests string) ([]object, error) {
	var objects []object
	for _, document := range between.Split(manifests, -1) {
		var o object
		if err := yaml.UnmarshalStrict([]byte(document), &o); err != nil {
			return nil, fmt.Errorf("the manifests cannot be read: %w", err)
		}
		if o != nil {
			objects = append(objects, o)
		}
	}
	return objects, nil
}

// Refuse returns an error for the first object that a throwaway cluster must not be given
// with a release in a namespace.
func Refuse(objects []object, namespace string) error {
	roles := map[string]bool{}
	for _, o := range objects {
		if id(o) == "rbac.authorization.k8s.io/ClusterRole" {
			roles[name(o)] = true
		}
	}
	for _, o := range objects {
		if why := reason(o, namespace, roles); why != "" {
			return fmt.Errorf("%s %s cannot be tried out: it %s, and the throwaway cluster runs in a privileged container of the engine; "+
				"keep it out of overlay base, or try it on a cluster of your own with deploy", text(o["kind"]), name(o), why)
		}
	}
	return nil
}

// reason is why an object is refused, "" if it is not. roles are the manifests' ClusterRoles.
func reason(o object, namespace string, roles map[string]bool) string {
	if _, list := o["items"].([]any); list && strings.HasSuffix(text(o["kind"]), "List") {
		return "is a list, in which others may hide"
	}
	group, _, _ := strings.Cut(id(o), "/")
	for suffix, why := range groups {
		if group == suffix || strings.HasSuffix(group, "."+suffix) {
			return why
		}
	}
	if why := kinds[id(o)]; why != "" {
		return why
	}
	if ns := text(metadata(o)["namespace"]); ns != "" && ns != namespace {
		return "is in another namespace than the release, " + ns
	}
	switch id(o) {
	case "/Namespace":
		if name(o) != namespace {
			return "is another namespace than that of the release"
		}
		labels, _ := metadata(o)["labels"].(object)
		if level, labelled := labels[enforce]; labelled && level != "baseline" && level != "restricted" {
			return fmt.Sprintf("has the label %s: %v, which admits privileged pods", enforce, level)
		}
	case "rbac.authorization.k8s.io/ClusterRole":
		return tooMuch(o)
	case "rbac.authorization.k8s.io/ClusterRoleBinding":
		ref, _ := o["roleRef"].(object)
		if !roles[text(ref["name"])] {
			return "gives rights in the whole cluster that these manifests do not describe: ClusterRole " + text(ref["name"])
		}
	}
	return ""
}

// tooMuch is why a ClusterRole is refused: a pod could change what is not the release's, or
// read what lets it. Of a group of somebody's own it may do as it likes.
func tooMuch(role object) string {
	if role["aggregationRule"] != nil {
		return "takes over the rights of other roles (aggregationRule)"
	}
	rules, _ := role["rules"].([]any)
	for _, r := range rules {
		rule, _ := r.(object)
		if !slices.ContainsFunc(texts(rule["apiGroups"]), builtIn) {
			continue
		}
		for _, verb := range texts(rule["verbs"]) {
			if verb != "get" && verb != "list" && verb != "watch" {
				return fmt.Sprintf("gives the right to %q in the whole cluster", verb)
			}
		}
		for _, resource := range texts(rule["resources"]) {
			if resource == "*" || resource == "secrets" || strings.Contains(resource, "/") {
				return fmt.Sprintf("gives the right to read %q in the whole cluster", resource)
			}
		}
	}
	return ""
}

// builtIn are API groups that the cluster itself obeys.
func builtIn(group string) bool {
	return !strings.Contains(group, ".") || // "", apps, batch, *
		group == "k8s.io" || strings.HasSuffix(group, ".k8s.io") || group == "cattle.io" || strings.HasSuffix(group, ".cattle.io")
}

// id is group/Kind, without a version.
func id(o object) string {
	version := text(o["apiVersion"])
	group, _, grouped := strings.Cut(version, "/")
	if !grouped {
		group = ""
	}
	return group + "/" + text(o["kind"])
}

func metadata(o object) object {
	m, _ := o["metadata"].(object)
	return m
}

func name(o object) string { return text(metadata(o)["name"]) }

func text(v any) string {
	s, _ := v.(string)
	return s
}

// texts are the elements of a list; what is no list of strings is "*", for which no right
// is small.
func texts(v any) []string {
	if v == nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		return []string{"*"}
	}
	all := make([]string, len(list))
	for i, item := range list {
		if all[i], ok = item.(string); !ok {
			all[i] = "*"
		}
	}
	return all
}
