package release

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"slipway/helpers/internal/object"
)

// captured is a Deployment as a cluster of Kubernetes 1.36 had it:
//
//	foreign  kubectl apply, then mesh-team's server-side apply of a label, kubectl set env, kubectl scale
//	ours     slipway's apply, then kubectl set env, kubectl label, mesh-team's apply
//	scaled   ours, then kubectl scale
func captured(t *testing.T, name string) object.Object {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var o object.Object
	if err := object.Decode(text, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// managers are who set fields, each as "manager operation subresource".
func managers(fields []any) []string {
	var all []string
	for _, entry := range (object.Object{"f": fields}).List("f") {
		all = append(all, strings.TrimSpace(entry.Text("manager")+" "+entry.Text("operation")+" "+entry.Text("subresource")))
	}
	slices.Sort(all)
	return all
}

// entry is that of one manager, nil if there is none.
func entry(fields []any, manager string) object.Object {
	for _, e := range (object.Object{"f": fields}).List("f") {
		if e.Text("manager") == manager {
			return e
		}
	}
	return nil
}

func TestTakeOverCaptured(t *testing.T) {
	for name, want := range map[string][]string{
		"foreign": {"kube-controller-manager Update status", "kubectl Update scale", "mesh-team Apply", "slipway Apply"},
		"ours":    {"kube-controller-manager Update status", "mesh-team Apply", "slipway Apply"},
		"scaled":  {"kube-controller-manager Update status", "kubectl Update scale", "mesh-team Apply", "slipway Apply"},
	} {
		live := captured(t, name)
		unchanged := live.Clone()
		got := TakeOver(live)
		if !slices.Equal(managers(got), want) {
			t.Errorf("%s: %q", name, managers(got))
		}
		if !reflect.DeepEqual(live, unchanged) {
			t.Errorf("%s: the live object itself has changed", name)
		}
		own := entry(got, Manager)
		if own.Version() != "apps/v1" || own.Text("fieldsType") != "FieldsV1" {
			t.Errorf("%s: %v", name, own)
		}
		container := own.Map("fieldsV1", "f:spec", "f:template", "f:spec", "f:containers", `k:{"name":"shop"}`)
		if container.At("f:image") == nil || container.At("f:env", `k:{"name":"LEVEL"}`, "f:value") == nil {
			t.Errorf("%s: not all that the tools set is the release's: %v", name, container)
		}
		if own.At("fieldsV1", "f:metadata", "f:labels", "f:tier") != nil {
			t.Errorf("%s: a field of mesh-team's was taken", name)
		}
		live.Set(got, "metadata", "managedFields")
		if TakeOver(live) == nil || len(managers(TakeOver(live))) != len(want) {
			continue
		}
		t.Errorf("%s: there is more to take over after everything was", name)
	}
}

func fields(manager, operation, subresource, version string, set ...string) map[string]any {
	e := object.Object{"manager": manager, "operation": operation, "apiVersion": version, "fieldsV1": map[string]any{}}
	if subresource != "" {
		e["subresource"] = subresource
	}
	for _, path := range set {
		e.Set(map[string]any{}, fieldPath(strings.Split(path, "."))...)
	}
	return e
}

func managed(entries ...any) object.Object {
	o := thing("apps/v1", "Deployment", "web")
	o.Set(entries, "metadata", "managedFields")
	return o
}

func TestTakeOver(t *testing.T) {
	for name, test := range map[string]struct {
		live object.Object
		want []string
	}{
		"nothing":          {thing("v1", "Service", "web"), nil},
		"only controllers": {managed(fields("kube-controller-manager", "Update", "", "apps/v1", "spec.a")), nil},
		"status of a tool": {managed(fields("helm", "Update", "status", "apps/v1", "status.a")), nil},
		"another version":  {managed(fields("helm", "Update", "", "apps/v1beta1", "spec.a")), nil},
		"a tool":           {managed(fields("helm", "Update", "", "apps/v1", "spec.a")), []string{"slipway Apply"}},
		"a tool's apply":   {managed(fields("kubectl", "Apply", "", "apps/v1", "spec.a")), []string{"slipway Apply"}},
		"its own update":   {managed(fields("slipway", "Update", "", "apps/v1", "spec.a")), []string{"slipway Apply"}},
		"two tools and its own": {managed(fields("helm", "Update", "", "apps/v1", "spec.a"), fields("slipway", "Apply", "", "apps/v1", "spec.b"),
			fields("kubectl-edit", "Update", "", "apps/v1", "spec.c")), []string{"slipway Apply"}},
		"others stay": {managed(fields("istiod", "Update", "", "apps/v1", "spec.a"), fields("terraform", "Apply", "", "apps/v1", "spec.a")),
			[]string{"istiod Update", "slipway Apply"}},
	} {
		got := TakeOver(test.live)
		if !slices.Equal(managers(got), test.want) {
			t.Errorf("%s: %q", name, managers(got))
		}
		if strings.HasPrefix(name, "two tools") && entry(got, Manager).At("fieldsV1", "f:spec", "f:a") == nil || len(test.want) == 1 &&
			len(entry(got, Manager).Map("fieldsV1", "f:spec")) != len(test.live.List("metadata", "managedFields")) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := TakeOver(managed(fields("slipway", "Apply", "", "apps/v1", "spec.a"))); got != nil {
		t.Errorf("it takes over its own: %v", got)
	}
}

func TestFieldOwners(t *testing.T) {
	for name, test := range map[string]struct {
		live         string
		path         string
		own, another bool
	}{
		"the release's":       {"ours", "spec.replicas", true, false},
		"a parent":            {"ours", "spec", true, true}, // the env that kubectl set is below
		"passed to scale":     {"scaled", "spec.replicas", false, true},
		"a default":           {"ours", "spec.strategy", false, false},
		"never slipway's":     {"foreign", "spec.strategy", false, true},
		"another's label":     {"ours", "metadata.labels.tier", false, true},
		"an annotation":       {"ours", "metadata.annotations.slipway/release", true, false},
		"no such field":       {"ours", "spec.none", false, false},
		"of a status":         {"ours", "status.replicas", false, true},
		"a default's subpath": {"ours", "spec.strategy.rollingUpdate", false, false},
	} {
		live := captured(t, test.live)
		path := strings.Split(test.path, ".")
		if own, another := OwnsField(live, path...), OthersField(live, path...); own != test.own || another != test.another {
			t.Errorf("%s: own %v, others' %v", name, own, another)
		}
	}
	if OwnsField(nil, "spec") || OthersField(nil, "spec") {
		t.Error("a field of nothing has an owner")
	}
	if OwnsField(managed(fields("slipway", "Update", "", "apps/v1", "spec.a")), "spec", "a") {
		t.Error("an update counts as an apply")
	}
}

func TestByHand(t *testing.T) {
	env := `spec.template.spec.containers["name":"shop"].env["name":"LEVEL"]`
	for name, want := range map[string][]string{
		"ours": {"metadata.labels.seen (kubectl-label)", env + ".name (kubectl-set)", env + ".value (kubectl-set)"},
	} {
		if got := ByHand(captured(t, name)); !slices.Equal(got, want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	all := strings.Join(ByHand(captured(t, "foreign")), "\n")
	for _, want := range []string{"metadata.annotations.team (kubectl-client-side-apply)", env + ".value (kubectl-set)"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is missing in\n%s", want, all)
		}
	}
	for _, not := range []string{"last-applied", "spec.replicas", "tier"} {
		if strings.Contains(all, not) {
			t.Errorf("%q is in\n%s", not, all)
		}
	}
	if got := ByHand(managed(fields("kubectl", "Apply", "", "apps/v1", "spec.a"), fields("kubectl", "Update", "status", "apps/v1", "status.a"),
		fields("helm", "Update", "", "apps/v1", "spec.b"))); got != nil {
		t.Errorf("%q", got)
	}
}

func tree(t *testing.T, text string) object.Object {
	t.Helper()
	var o object.Object
	if err := object.Decode([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestUnionAndLeaves(t *testing.T) {
	a := `{"f:a":{".":{},"f:b":{}},"f:c":{}}`
	for _, test := range []struct{ a, b, want string }{
		{a, `{}`, a},
		{`{}`, a, a},
		{a, a, a},
		{a, `{"f:a":{"f:d":{}},"f:e":{"k:{\"n\":\"x\"}":{}}}`,
			`{"f:a":{".":{},"f:b":{},"f:d":{}},"f:c":{},"f:e":{"k:{\"n\":\"x\"}":{}}}`},
	} {
		sum := union(tree(t, test.a), tree(t, test.b))
		if got, _ := json.Marshal(sum); string(got) != test.want {
			t.Errorf("%s and %s: %s", test.a, test.b, got)
		}
	}
	for text, want := range map[string][]string{
		`{}`:               nil,
		a:                  {"a.b", "c"},
		`{".":{}}`:         nil,
		`{"f:a":{".":{}}}`: {"a"},
		`{"f:l":{"k:{\"name\":\"x\",\"port\":1}":{".":{},"f:v":{}},"v:\"text\"":{}}}`: {`l["name":"x","port":1].v`, `l["text"]`},
		`{"f:data":{"f:a:b":{}}}`: {"data.a:b"},
		`{"i:0":{"f:a":{}}}`:      nil,
	} {
		if got := leaves(tree(t, text), ""); !slices.Equal(got, want) {
			t.Errorf("%s: %q", text, got)
		}
	}
}

func TestClaim(t *testing.T) {
	for name, test := range map[string]struct {
		live  string
		path  string
		claim bool
	}{
		"a default":               {"ours", "spec.strategy.rollingUpdate", true},
		"its own":                 {"ours", "spec.replicas", true},
		"another's":               {"scaled", "spec.replicas", false},
		"the other tool's":        {"foreign", "spec.strategy.rollingUpdate", false},
		"not there":               {"ours", "spec.paused", false},
		"a default of no release": {"foreign", "spec.template.spec.enableServiceLinks", false},
	} {
		live := captured(t, test.live)
		path := strings.Split(test.path, ".")
		unchanged := live.Clone()
		got := Claim(live, path...)
		if (got != nil) != test.claim {
			t.Errorf("%s: %v", name, got)
		}
		if !reflect.DeepEqual(live, unchanged) {
			t.Errorf("%s: the live object itself has changed", name)
		}
		if got == nil {
			continue
		}
		if !slices.Equal(managers(got), managers(live.At("metadata", "managedFields").([]any))) {
			t.Errorf("%s: %q", name, managers(got))
		}
		live.Set(got, "metadata", "managedFields")
		if !OwnsField(live, path...) || !OwnsField(live, "spec", "selector") {
			t.Errorf("%s: the field is not the release's: %v", name, got)
		}
	}
	foreign := managed(fields("kube-controller-manager", "Update", "", "apps/v1", "spec.a"))
	foreign.Set("x", "spec", "default")
	if got := Claim(foreign, "spec", "default"); got != nil {
		t.Errorf("a release that applied nothing claims: %v", got)
	}
}

func TestMakers(t *testing.T) {
	for manager, want := range map[string]bool{
		"kubectl-client-side-apply": true, "helm": true, "Helm": false, "argocd-controller": true, "HashiCorp": true,
		"before-first-apply": true, "ko": true, "kong": false, "kubectl.exe": true,
		"kube-controller-manager": false, "istiod": false, "cluster-autoscaler": false, "": false,
	} {
		if isMaker(manager) != want {
			t.Errorf("%q makes objects: %v", manager, !want)
		}
	}
	if got := fmt.Sprint(slices.Sorted(maps.Keys(keepAnnotations))); got != fmt.Sprint(sortedKeys(keepAnnotations)) {
		t.Error(got)
	}
}
