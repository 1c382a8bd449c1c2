package object

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// parse is the object of a JSON text.
func parse(t *testing.T, text string) Object {
	t.Helper()
	var o Object
	if err := Decode([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestDecode(t *testing.T) {
	o := parse(t, `{"big":9223372036854775807,"exact":1234567890123456789,"small":0.1,"huge":1e400}`+"\n")
	out, err := json.Marshal(o)
	if want := `{"big":9223372036854775807,"exact":1234567890123456789,"huge":1e400,"small":0.1}`; string(out) != want || err != nil {
		t.Errorf("a number did not stay as it was written: %s, %v", out, err)
	}
	for text, want := range map[string]string{
		"":              "EOF",
		"{} {}":         "more than one JSON value",
		"{}]":           "more than one JSON value",
		`{"a":1} extra`: "more than one JSON value",
		"[]":            "cannot unmarshal array",
		`{"a"`:          "unexpected EOF",
	} {
		var o Object
		if err := Decode([]byte(text), &o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error is %v, want one with %q", text, err, want)
		}
	}
	var nothing Object
	if err := Decode([]byte("null"), &nothing); err != nil || nothing != nil {
		t.Errorf("null: %v, %v", nothing, err)
	}
}

func TestConvert(t *testing.T) {
	type pair struct {
		A int64
		B []string
	}
	got, err := Convert[pair](parse(t, `{"a":1234567890123456789,"b":["x"],"c":{}}`))
	if err != nil || got.A != 1234567890123456789 || !slices.Equal(got.B, []string{"x"}) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Convert[pair](Object{"a": "text"}); err == nil {
		t.Error("a text became a number")
	}
	if _, err := Convert[pair](Object{"a": func() {}}); err == nil {
		t.Error("what is no JSON was converted")
	}
}

func TestAt(t *testing.T) {
	o := parse(t, `{"metadata":{"name":"web","labels":{"app":"web","n":1},"annotations":null},"spec":{"on":true,"list":[{"a":"b"},"text"]}}`)
	for path, want := range map[string]any{
		"metadata name":       "web",
		"metadata none":       nil,
		"metadata name deep":  nil,
		"metadata labels n":   json.Number("1"),
		"metadata annotation": nil,
		"spec on":             true,
		"spec list 0":         nil,
	} {
		if got := o.At(strings.Fields(path)...); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	if got := o.At(); !reflect.DeepEqual(got, map[string]any(o)) {
		t.Errorf("no path leads to %v", got)
	}
	if o.Text("spec", "on") != "" || o.Text("metadata", "name") != "web" {
		t.Error("Text")
	}
	if o.Map("metadata", "annotations") != nil || o.Map("spec", "list") != nil || o.Map("spec")["on"] != true {
		t.Error("Map")
	}
	if list := o.List("spec", "list"); len(list) != 2 || list[0].Text("a") != "b" || list[1] != nil {
		t.Errorf("List: %v", list)
	}
	if !o.Bool("spec", "on") || o.Bool("metadata", "name") {
		t.Error("Bool")
	}
	if got := o.Strings("metadata", "labels"); !maps.Equal(got, map[string]string{"app": "web"}) {
		t.Errorf("Strings: %v", got)
	}
	if o.Label("app") != "web" || o.Annotation("app") != "" {
		t.Error("Label or Annotation")
	}
	var none Object
	if none.At("a", "b") != nil || none.Name() != "" || len(none.List("a")) != 0 || none.Map("a") != nil {
		t.Error("something is in nothing")
	}
}

func TestInt(t *testing.T) {
	for _, test := range []struct {
		value any
		want  int
		found bool
	}{
		{json.Number("9223372036854775807"), 9223372036854775807, true},
		{json.Number("-1"), -1, true},
		{json.Number("1.5"), 0, false},
		{json.Number("9223372036854775808"), 9223372036854775807, false},
		{float64(3), 3, true},
		{3.5, 3, false},
		{int64(4), 4, true},
		{5, 5, true},
		{"6", 0, false},
		{nil, 0, false},
	} {
		got, found := Int(test.value)
		if found != test.found || found && got != test.want {
			t.Errorf("%T %v: %d, %v", test.value, test.value, got, found)
		}
	}
	if n, found := parse(t, `{"spec":{"replicas":3}}`).Int("spec", "replicas"); n != 3 || !found {
		t.Error(n, found)
	}
}

func TestSetAndDelete(t *testing.T) {
	for name, test := range map[string]struct {
		before string
		change func(Object)
		want   string
	}{
		"top":                        {`{}`, func(o Object) { o.Set(1, "a") }, `{"a":1}`},
		"beside":                     {`{"a":{"b":1}}`, func(o Object) { o.Set(2, "a", "c") }, `{"a":{"b":1,"c":2}}`},
		"makes the way":              {`{}`, func(o Object) { o.Set("x", "a", "b", "c") }, `{"a":{"b":{"c":"x"}}}`},
		"null in the way":            {`{"a":null}`, func(o Object) { o.Set("x", "a", "b") }, `{"a":{"b":"x"}}`},
		"text in the way":            {`{"a":"t"}`, func(o Object) { o.Set("x", "a", "b") }, `{"a":{"b":"x"}}`},
		"an Object between":          {`{}`, func(o Object) { o["a"] = Object{"b": 1}; o.Set(2, "a", "c") }, `{"a":{"b":1,"c":2}}`},
		"an empty Object in the way": {`{}`, func(o Object) { o["a"] = Object(nil); o.Set("x", "a", "b") }, `{"a":{"b":"x"}}`},
		"an empty map in the way":    {`{}`, func(o Object) { o["a"] = map[string]any(nil); o.Set("x", "a", "b") }, `{"a":{"b":"x"}}`},
		"delete":                     {`{"a":{"b":1,"c":2}}`, func(o Object) { o.Delete("a", "b") }, `{"a":{"c":2}}`},
		"delete at the top":          {`{"a":1}`, func(o Object) { o.Delete("a") }, `{}`},
		"delete nothing":             {`{"a":1}`, func(o Object) { o.Delete("b", "c", "d") }, `{"a":1}`},
		"delete under text":          {`{"a":"t"}`, func(o Object) { o.Delete("a", "b") }, `{"a":"t"}`},
		"delete in an Object":        {`{}`, func(o Object) { o["a"] = Object{"b": 1}; o.Delete("a", "b") }, `{"a":{}}`},
	} {
		o := parse(t, test.before)
		test.change(o)
		if got, _ := json.Marshal(o); string(got) != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func TestClone(t *testing.T) {
	const text = `{"a":{"b":[{"c":1},"d",null]},"e":12345678901234567890}`
	o := parse(t, text)
	o["nested"] = Object{"x": 1}
	copied := o.Clone()
	if !reflect.DeepEqual(copied.At("a"), o.At("a")) || copied.At("nested", "x") != 1 {
		t.Errorf("%v", copied)
	}
	copied.Set("changed", "nested", "x")
	copied.List("a", "b")[0]["c"] = "changed"
	copied.Set("new", "a", "z")
	delete(copied, "e")
	if o.At("nested", "x") != 1 {
		t.Error("the copy shares its objects with the original")
	}
	o.Delete("nested")
	if got, _ := json.Marshal(o); string(got) != text {
		t.Errorf("the original changed with its copy: %s", got)
	}
	if Object(nil).Clone() != nil || Object(nil).Bare() != nil {
		t.Error("a copy of nothing is something")
	}
}

func TestBare(t *testing.T) {
	o := parse(t, `{"apiVersion":"v1","kind":"ConfigMap","data":{"a":"b"},"status":{"x":1},"metadata":{"name":"c","labels":{"l":"1"},
		"managedFields":[{}],"resourceVersion":"1","uid":"u","creationTimestamp":"t","generation":2,"selfLink":"/"}}`)
	got, _ := json.Marshal(o.Bare())
	if want := `{"apiVersion":"v1","data":{"a":"b"},"kind":"ConfigMap","metadata":{"labels":{"l":"1"},"name":"c"}}`; string(got) != want {
		t.Errorf("%s", got)
	}
	if o.UID() != "u" || o.ResourceVersion() != "1" || o.At("status") == nil {
		t.Error("the original lost what its copy does without")
	}
}

func named(version, kind, namespace, name string) Object {
	o := Object{"apiVersion": version, "kind": kind, "metadata": map[string]any{"name": name}}
	if namespace != "" {
		o.Set(namespace, "metadata", "namespace")
	}
	return o
}

func TestID(t *testing.T) {
	for name, test := range map[string]struct {
		a, b Object
		same bool
	}{
		"across versions":        {named("autoscaling/v2beta2", "HPA", "n", "a"), named("autoscaling/v2", "HPA", "n", "a"), true},
		"across groups":          {named("extensions/v1beta1", "Ingress", "n", "a"), named("networking.k8s.io/v1", "Ingress", "n", "a"), false},
		"core and another group": {named("v1", "Service", "n", "a"), named("serving.knative.dev/v1", "Service", "n", "a"), false},
		"namespace":              {named("v1", "Secret", "n", "a"), named("v1", "Secret", "m", "a"), false},
		"kind":                   {named("v1", "Secret", "n", "a"), named("v1", "ConfigMap", "n", "a"), false},
		"name":                   {named("v1", "Secret", "n", "a"), named("v1", "Secret", "n", "b"), false},
	} {
		if (test.a.ID() == test.b.ID()) != test.same {
			t.Errorf("%s: %+v and %+v", name, test.a.ID(), test.b.ID())
		}
	}
	if o := named("apps/v1", "Deployment", "n", "a"); o.String() != "Deployment/a" || o.ID().String() != "Deployment/a in namespace n" ||
		o.Group() != "apps" || o.Type() != (Type{"apps/v1", "Deployment"}) {
		t.Error(o.String(), o.ID(), o.Group())
	}
	const role = "a\nrelease 9 of web serves\x1b[2J"
	if o := named("rbac.authorization.k8s.io/v1", "Role", "n", role); o.String() != `Role/a\nrelease 9 of web serves\x1b[2J` ||
		o.ID().String() != `Role/a\nrelease 9 of web serves\x1b[2J in namespace n` || o.Name() != role {
		t.Error(o.String(), o.ID())
	}
	if o := named("v1", "Node", "", "a"); o.ID().String() != "Node/a" || o.Group() != "" {
		t.Error(o.ID())
	}
}

func TestWithout(t *testing.T) {
	a, b, c := named("apps/v1beta1", "Deployment", "n", "a"), named("v1", "Service", "n", "a"), named("v1", "Service", "n", "c")
	all := []Object{a, b, c}
	got := Without(all, []Object{named("apps/v1", "Deployment", "n", "a"), named("v1", "Service", "other", "c")})
	if !reflect.DeepEqual(got, []Object{b, c}) {
		t.Errorf("%v", got)
	}
	if !reflect.DeepEqual(all, []Object{a, b, c}) {
		t.Error("the list itself lost something")
	}
	if len(Without(nil, all)) != 0 || len(Without(all, nil)) != 3 {
		t.Error("without nothing")
	}
}
