// Package object holds Kubernetes objects as JSON, of any kind. It asks no cluster.
package object

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Object is a Kubernetes object of any kind, as JSON. Numbers are json.Number, so
// that an integer of 64 bits stays what it is.
type Object map[string]any

// ID tells objects apart across releases. The API version does not belong to it: an
// object that moves from v1beta1 to v1 stays the same.
type ID struct{ Group, Kind, Namespace, Name string }

// Type is what an object's first two fields say.
type Type struct{ Version, Kind string }

// Decode reads one JSON value into out, and keeps numbers as they are written.
func Decode(text []byte, out any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(out); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one JSON value")
	}
	return nil
}

// Convert decodes an object into T, which lists the fields that are read.
func Convert[T any](o Object) (T, error) {
	var t T
	text, err := json.Marshal(o)
	if err != nil {
		return t, err
	}
	err = json.Unmarshal(text, &t)
	return t, err
}

// At is the value at a path of fields, nil where there is none.
func (o Object) At(path ...string) any {
	var node any = map[string]any(o)
	for _, field := range path {
		m, ok := asMap(node)
		if !ok {
			return nil
		}
		node = m[field]
	}
	return node
}

// Text is the string at a path, "" where there is none.
func (o Object) Text(path ...string) string {
	s, _ := o.At(path...).(string)
	return s
}

// Map is the object at a path, nil where there is none.
func (o Object) Map(path ...string) Object {
	m, _ := asMap(o.At(path...))
	return m
}

// List are the objects of the list at a path.
func (o Object) List(path ...string) []Object {
	items, _ := o.At(path...).([]any)
	list := make([]Object, 0, len(items))
	for _, item := range items {
		m, _ := asMap(item)
		list = append(list, m)
	}
	return list
}

// Int is the integer at a path; found is false where there is none.
func (o Object) Int(path ...string) (n int, found bool) { return Int(o.At(path...)) }

// Int is the value of a JSON number that is an integer.
func Int(value any) (n int, found bool) {
	switch v := value.(type) {
	case json.Number:
		n, err := v.Int64()
		return int(n), err == nil
	case float64:
		return int(v), v == float64(int(v))
	case int64:
		return int(v), true
	case int:
		return v, true
	}
	return 0, false
}

// Bool is the boolean at a path, false where there is none.
func (o Object) Bool(path ...string) bool {
	b, _ := o.At(path...).(bool)
	return b
}

// Strings are the string values of the object at a path.
func (o Object) Strings(path ...string) map[string]string {
	values := map[string]string{}
	for name, value := range o.Map(path...) {
		if s, ok := value.(string); ok {
			values[name] = s
		}
	}
	return values
}

func asMap(node any) (Object, bool) {
	switch m := node.(type) {
	case map[string]any:
		return m, m != nil
	case Object:
		return m, m != nil
	}
	return nil, false
}

func (o Object) Version() string         { return o.Text("apiVersion") }
func (o Object) Kind() string            { return o.Text("kind") }
func (o Object) Name() string            { return o.Text("metadata", "name") }
func (o Object) Namespace() string       { return o.Text("metadata", "namespace") }
func (o Object) UID() string             { return o.Text("metadata", "uid") }
func (o Object) ResourceVersion() string { return o.Text("metadata", "resourceVersion") }
func (o Object) Type() Type              { return Type{o.Version(), o.Kind()} }
func (o Object) Group() string           { return o.Type().Group() }

// Annotation is the value of an annotation, "" where there is none.
func (o Object) Annotation(key string) string { return o.Text("metadata", "annotations", key) }

// Label is the value of a label, "" where there is none.
func (o Object) Label(key string) string { return o.Text("metadata", "labels", key) }

// Group is the API group, "" for the core one.
func (t Type) Group() string {
	group, _, found := strings.Cut(t.Version, "/")
	if !found {
		return ""
	}
	return group
}

// String is Kind/name, as kubectl and people call an object, in one line.
func (o Object) String() string { return InLine(o.Kind() + "/" + o.Name()) }

// InLine escapes a text with control characters, of which one may end a line and begin
// another that nobody wrote. Kubernetes takes them in the names of Roles.
func InLine(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		quoted := strconv.Quote(text)
		return quoted[1 : len(quoted)-1]
	}
	return text
}

// ID is the object's identity.
func (o Object) ID() ID { return ID{o.Group(), o.Kind(), o.Namespace(), o.Name()} }

// String is Kind/name, with the namespace where it has one.
func (id ID) String() string {
	if id.Namespace != "" {
		return InLine(fmt.Sprintf("%s/%s in namespace %s", id.Kind, id.Name, id.Namespace))
	}
	return InLine(id.Kind + "/" + id.Name)
}

// Clone is a deep copy.
func (o Object) Clone() Object {
	if o == nil {
		return nil
	}
	copied, _ := asMap(clone(map[string]any(o)))
	return copied
}

func clone(node any) any {
	switch v := node.(type) {
	case Object:
		return clone(map[string]any(v))
	case map[string]any:
		m := make(map[string]any, len(v))
		for key, value := range v {
			m[key] = clone(value)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, value := range v {
			list[i] = clone(value)
		}
		return list
	}
	return node
}

// Set puts a value at a path and makes what is missing on the way.
func (o Object) Set(value any, path ...string) {
	node := o
	for _, field := range path[:len(path)-1] {
		next, ok := asMap(node[field])
		if !ok {
			next = Object{}
		}
		node[field] = map[string]any(next)
		node = next
	}
	node[path[len(path)-1]] = value
}

// Delete takes away what is at a path.
func (o Object) Delete(path ...string) {
	delete(o.Map(path[:len(path)-1]...), path[len(path)-1])
}

// Bare is a copy without what the API server adds to an object.
func (o Object) Bare() Object {
	if o == nil {
		return nil
	}
	o = o.Clone()
	delete(o, "status")
	for _, field := range []string{"managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink"} {
		o.Delete("metadata", field)
	}
	return o
}

// Without are those of all whose identity none of some has.
func Without(all, some []Object) []Object {
	known := map[ID]bool{}
	for _, o := range some {
		known[o.ID()] = true
	}
	return slices.DeleteFunc(slices.Clone(all), func(o Object) bool { return known[o.ID()] })
}

// builtinGroups are the API groups that every cluster has.
var builtinGroups = []string{
	"", "apps", "batch", "autoscaling", "policy", "extensions",
	"admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io",
	"authentication.k8s.io", "authorization.k8s.io", "certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io",
	"flowcontrol.apiserver.k8s.io", "networking.k8s.io", "node.k8s.io", "rbac.authorization.k8s.io", "resource.k8s.io", "scheduling.k8s.io",
	"storage.k8s.io", "storagemigration.k8s.io",
}

// IsCustom says whether the object is of a kind that a CustomResourceDefinition or an
// aggregated server brings.
func (o Object) IsCustom() bool { return !slices.Contains(builtinGroups, o.Group()) }
