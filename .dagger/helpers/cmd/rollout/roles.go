package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
)

// rights prints the roles that an account needs to deploy these manifests, go back, look at
// the release and destroy it: one for each namespace, and one for the cluster where
// something is outside namespaces.
func (s *session) rights(ctx context.Context) error {
	state, err := s.lookAtNamespace(ctx)
	if err != nil {
		return err
	}
	objects := s.prepare(s.Objects, state != namespaceForeign)
	for _, o := range objects {
		if _, _, known := s.resourceOf(o); !known {
			return fmt.Errorf("%s: the cluster knows no kind %s in %s, so nobody can say what rights it takes: %s",
				s.origin(o), o.Kind(), o.Version(), s.whyUnknown(o))
		}
	}
	needed, helpful := s.rightsFor(objects), s.helpfulRights(objects)
	if state == namespaceAbsent {
		needed = append(needed, namespaceRights...)
	}
	given := map[string][]rule{}
	for _, o := range objects {
		_, namespace, _ := s.resourceOf(o)
		given[namespace] = append(given[namespace], handedOn(o)...)
	}
	places := map[string]bool{}
	for _, r := range append(slices.Clone(needed), helpful...) {
		places[r.Namespace] = true
	}
	for i, namespace := range slices.Sorted(maps.Keys(places)) {
		if i > 0 {
			fmt.Fprintln(s.out, "---")
		}
		at := func(all []kube.Right) []rule { return rulesOf(all, namespace) }
		if err := s.printRole(s.out, namespace, at(needed), given[namespace], at(helpful)); err != nil {
			return err
		}
	}
	return nil
}

// rule is a rule of a role.
type rule struct {
	APIGroups     []string `json:"apiGroups,omitempty"`
	Resources     []string `json:"resources,omitempty"`
	ResourceNames []string `json:"resourceNames,omitempty"`
	URLs          []string `json:"nonResourceURLs,omitempty"`
	Verbs         []string `json:"verbs"`
}

// rulesOf are the rights in a namespace as rules: one for each set of verbs in a group.
func rulesOf(rights []kube.Right, namespace string) []rule {
	verbs := map[[2]string][]string{} // by group and resource
	for _, r := range rights {
		if r.Namespace != namespace {
			continue
		}
		resource := r.Resource
		if r.Subresource != "" {
			resource += "/" + r.Subresource
		}
		key := [2]string{r.Group, resource}
		if !slices.Contains(verbs[key], r.Verb) {
			verbs[key] = append(verbs[key], r.Verb)
		}
	}
	var rules []rule
	at := map[string]int{}
	for _, key := range slices.SortedFunc(maps.Keys(verbs), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		slices.Sort(verbs[key])
		same := key[0] + " " + strings.Join(verbs[key], " ")
		if i, known := at[same]; known {
			rules[i].Resources = append(rules[i].Resources, key[1])
			continue
		}
		at[same] = len(rules)
		rules = append(rules, rule{APIGroups: []string{key[0]}, Resources: []string{key[1]}, Verbs: verbs[key]})
	}
	return rules
}

// handedOn are the rights that an account must have to give them away, as it does with a
// Role: what the role allows, or to bind the role that a binding names.
func handedOn(o object.Object) []rule {
	if o.Group() != grants {
		return nil
	}
	if strings.HasSuffix(o.Kind(), "Binding") {
		resource := strings.ToLower(o.Text("roleRef", "kind")) + "s"
		return []rule{{
			APIGroups: []string{grants}, Resources: []string{resource}, ResourceNames: []string{o.Text("roleRef", "name")}, Verbs: []string{"bind"},
		}}
	}
	role, err := object.Convert[struct{ Rules []rule }](o)
	if err != nil {
		return nil // The API server says what is wrong with it.
	}
	return role.Rules
}

// printRole writes the role for a namespace, or for the cluster if that is "".
func (s *session) printRole(w io.Writer, namespace string, needed, given, helpful []rule) error {
	name := "slipway-" + s.Release
	if namespace == "" {
		name += "-" + s.Namespace // Cluster roles of several namespaces are side by side.
		fmt.Fprintf(w, "apiVersion: %s/v1\nkind: ClusterRole\nmetadata:\n  name: %s\nrules:\n", grants, name)
	} else {
		fmt.Fprintf(w, "apiVersion: %s/v1\nkind: Role\nmetadata:\n  name: %s\n  namespace: %s\nrules:\n", grants, name, namespace)
	}
	for _, part := range []struct {
		what  string
		rules []rule
	}{
		{"What deploy, rollback, status and destroy need.", needed},
		{"What the manifests' own roles give away.", given},
		{"What they do without: questions, causes, and fewer requests.", helpful},
	} {
		if len(part.rules) == 0 {
			continue
		}
		text, err := yaml.Marshal(part.rules)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "# %s\n%s", part.what, text)
	}
	return nil
}
