package object

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for text, want := range map[string][2]bool{ // label, name
		"":                       {false, false},
		"shop":                   {true, true},
		"7-shop":                 {true, true},
		"-shop":                  {false, true},
		"Shop":                   {false, true},
		"system:node.x":          {false, true},
		".":                      {false, false},
		"..":                     {false, false},
		"a/b":                    {false, false},
		"a%2fb":                  {false, false},
		"a b":                    {false, false},
		"a\nb":                   {false, false},
		"a\u200bb":               {false, false},
		"a\xffb":                 {false, false},
		strings.Repeat("a", 63):  {true, true},
		strings.Repeat("a", 64):  {false, true},
		strings.Repeat("a", 254): {false, false},
	} {
		if got := [2]bool{IsLabel(text), IsName(text)}; got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestMisnamed(t *testing.T) {
	object := func(version, kind, namespace, name string) Object {
		return Object{"apiVersion": version, "kind": kind, "metadata": map[string]any{"name": name, "namespace": namespace}}
	}
	for want, o := range map[string]Object{
		"":                                   object("rbac.authorization.k8s.io/v1", "ClusterRole", "", "system:x"),
		`apiVersion "v1?x" is none`:          object("v1?x", "Pod", "", "x"),
		`apiVersion "a/b/c" is none`:         object("a/b/c", "Pod", "", "x"),
		`API group "../x" is none`:           {"apiVersion": "..", "kind": "Pod"},
		`kind "Pod\n::error::" is none`:      object("v1", "Pod\n::error::", "", "x"),
		`namespace "../kube-system" is none`: object("v1", "Pod", "../kube-system", "x"),
		`name ".." is none`:                  object("v1", "Pod", "shop", ".."),
	} {
		if want == `API group "../x" is none` {
			if got := (ID{Group: "../x"}).Misnamed(); got != want {
				t.Errorf("%q, want %q", got, want)
			}
			want = `apiVersion ".." is none`
		}
		if got := o.Misnamed(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
