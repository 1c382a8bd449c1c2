// Package check looks for what no API server sees, since it judges each object alone:
// references between manifests that lead nowhere. It asks no cluster. What is certainly
// wrong is refused, and most refusals can be allowed by name; the rest are warnings.
package check

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"slipway/helpers/internal/object"
)

// The rules whose refusals can be allowed.
const (
	ruleDuplicate       = "duplicate"
	ruleNamespace       = "namespace"
	ruleProbePort       = "probe-port"
	ruleSelector        = "selector"
	ruleServiceSelector = "service-selector"
	ruleTargetPort      = "target-port"
)

// Finding is something wrong with a manifest.
type Finding struct {
	Rule  string // name for --allow, such as "service-selector"
	Where string // file: Kind/name
	Field string
	Text  string // what is wrong and the way out, one sentence
	Warn  bool   // a warning: nothing is refused
	// Pods is the selector of a Service that selects no pod of the manifests. Where the
	// cluster has such pods, the caller makes a warning of the finding.
	Pods map[string]string
}

// String is the finding in one line; a refusal that can be allowed says how.
func (f Finding) String() string {
	text := strings.Join(slices.DeleteFunc([]string{f.Where, f.Field, f.Text}, func(s string) bool { return s == "" }), ": ")
	if !f.Warn && slices.Contains(Rules(), f.Rule) {
		text += " (to allow it: --allow " + f.Rule + ")"
	}
	return text
}

// Input is what is checked.
type Input struct {
	Objects   []object.Object
	Files     map[string]string // Kind/name -> file
	Namespace string            // the release's; "" for that of the first object that has one
	Allow     []string          // rules whose refusals are only warnings
}

// Rules are the names that can be allowed.
func Rules() []string {
	return []string{ruleDuplicate, ruleNamespace, ruleProbePort, ruleSelector, ruleServiceSelector, ruleTargetPort}
}

// Flatten puts the items of each List in its place, as kubectl does.
func Flatten(objects []object.Object) []object.Object {
	var all []object.Object
	for _, o := range objects {
		_, isList := o["items"].([]any)
		if kind, list := strings.CutSuffix(o.Kind(), "List"); list && isList && o.Name() == "" {
			for _, item := range o.List("items") {
				if item != nil && kind != "" && item.Kind() == "" {
					item.Set(kind, "kind")
					item.Set(o.Version(), "apiVersion")
				}
				all = append(all, Flatten([]object.Object{item})...)
			}
			continue
		}
		all = append(all, o)
	}
	return all
}

// Manifests checks the objects of a release, each and beside the others. Findings are
// sorted. The error is about a name in Allow that is no rule.
func Manifests(in Input) (refused, warnings []Finding, err error) {
	for _, rule := range in.Allow {
		if !slices.Contains(Rules(), rule) {
			return nil, nil, fmt.Errorf("--allow %s: there is no such rule, it must be one of %s", rule, strings.Join(Rules(), ", "))
		}
	}
	c := &checker{Input: in}
	for _, o := range in.Objects {
		if c.Namespace == "" {
			c.Namespace = o.Namespace()
		}
		// Kinds of Kubernetes' own projects, such as Gateways, make no pods.
		c.operated = c.operated || o.IsCustom() && !strings.HasSuffix(o.Group(), ".k8s.io")
	}
	seen := map[object.ID]bool{}
	for _, o := range in.Objects {
		if c.identity(o, seen) {
			c.phase(o)
			c.values(o)
			c.containers(o)
			c.references(o)
		}
	}
	slices.SortFunc(c.findings, compare)
	for _, f := range slices.CompactFunc(c.findings, func(a, b Finding) bool { return compare(a, b) == 0 }) {
		if f.Warn = f.Warn || slices.Contains(in.Allow, f.Rule); f.Warn {
			warnings = append(warnings, f)
		} else {
			refused = append(refused, f)
		}
	}
	return refused, warnings, nil
}

func compare(a, b Finding) int {
	return cmp.Or(cmp.Compare(a.Where, b.Where), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Text, b.Text))
}

type checker struct {
	Input
	operated bool // custom resources are there, so that an operator may make pods
	findings []Finding
}

func (c *checker) refuse(o object.Object, rule, field, format string, args ...any) {
	c.findings = append(c.findings, Finding{Rule: rule, Where: c.where(o), Field: field, Text: fmt.Sprintf(format, args...)})
}

func (c *checker) warn(o object.Object, rule, field, format string, args ...any) {
	c.refuse(o, rule, field, format, args...)
	c.findings[len(c.findings)-1].Warn = true
}

func (c *checker) where(o object.Object) string {
	name := cmp.Or(o.Kind(), "object") + "/" + cmp.Or(o.Name(), o.Text("metadata", "generateName"))
	if file := cmp.Or(c.Files[o.String()], c.Files[name]); file != "" {
		return file + ": " + name
	}
	return name
}

// namespaceOf is where a namespaced object goes.
func (c *checker) namespaceOf(o object.Object) string { return cmp.Or(o.Namespace(), c.Namespace) }

// identity checks what tells an object from others. It says whether the object can be
// judged at all.
func (c *checker) identity(o object.Object, seen map[object.ID]bool) bool {
	switch {
	case o.Kind() == "":
		c.refuse(o, "kind", "kind", "is missing or no string, every object needs one")
		return false
	case o.Version() == "":
		c.refuse(o, "kind", "apiVersion", "is missing or no string, every object needs one, such as v1")
		return false
	case o.Name() == "" && o.Text("metadata", "generateName") == "":
		c.refuse(o, "name", "metadata.name", "is missing or no string: give a name, in quotes if it is a number")
		return false
	}
	if wrong := o.Misnamed(); wrong != "" {
		c.findings = append(c.findings, Finding{
			Rule: "name", Where: c.Files[o.String()], Text: wrong + ": names become part of paths, so correct it",
		})
		return false
	}
	if ns := o.Namespace(); ns != "" && ns != c.Namespace {
		c.refuse(o, ruleNamespace, "metadata.namespace",
			"is %s, while the release goes to %s: take the field out or deploy to %s", ns, c.Namespace, ns)
	}
	id := o.ID()
	id.Namespace = c.namespaceOf(o)
	if o.Name() != "" && seen[id] {
		c.refuse(o, ruleDuplicate, "metadata.name",
			"is that of another object of this kind: one of them would overwrite the other, so take it out or rename it")
	}
	seen[id] = true
	return true
}

// phase warns of an annotation that would have no effect.
func (c *checker) phase(o object.Object) {
	runs := o.Kind() == "Job" && o.Group() == "batch" || o.Kind() == "Pod" && o.Group() == ""
	if value := o.Annotation("slipway/phase"); value != "" && (value != "before" || !runs) {
		c.warn(o, "phase", "metadata.annotations.slipway/phase", "is %q, which does nothing: it is for Jobs and Pods, and must be \"before\"", value)
	}
}

// values checks that the values of Secrets and ConfigMaps are strings, and base64 where
// they have to be. The API server's own refusal would show the value.
func (c *checker) values(o object.Object) {
	fields := map[string][]string{"Secret": {"data", "stringData"}, "ConfigMap": {"data", "binaryData"}}[o.Kind()]
	plain := map[string]string{"Secret": "stringData", "ConfigMap": "data"}
	if o.Group() != "" {
		return
	}
	for _, field := range fields {
		if o[field] != nil && o.Map(field) == nil {
			c.refuse(o, "secret-value", field, "must be names with a value each")
		}
		for name, value := range o.Map(field) {
			text, ok := value.(string)
			if !ok && value != nil {
				c.refuse(o, "secret-value", field+"."+name, "must be a string: put it in quotes")
			}
			encoded := field == "binaryData" || field == "data" && o.Kind() == "Secret"
			if _, err := base64.StdEncoding.DecodeString(text); encoded && err != nil {
				c.refuse(o, "secret-value", field+"."+name, "is no base64: encode it, or move it to %s", plain[o.Kind()])
			}
		}
	}
}
