package names

import (
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	long := strings.Repeat("a", 64)
	for _, c := range []struct {
		rule    string
		check   func(string) error
		good    []string
		refused []string
	}{
		{"overlay", CheckOverlay,
			[]string{"base", "production", "./eu/production/", "a b", "ümlaut"},
			[]string{"", ".", "./", "..", "../base", "/etc", "a/../b", "a//b", "a\nb", "a\x1b[2J", "a\x7f", strings.Repeat("a", 256), "\xff"}},
		{"namespace", CheckNamespace,
			[]string{"", "a", "a-1", long[:63]},
			[]string{"A", "-a", "a-", "a.b", "a/b", "../a", "a b", "a\n", "--all-namespaces", long, "ä"}},
		{"release", CheckRelease,
			[]string{"a", "hello-2", long[:53]},
			[]string{"", "A", "-a", "a-", "a.b", "a/b", "..", "a\n", "=x", long[:54]}},
	} {
		for _, name := range c.good {
			if err := c.check(name); err != nil {
				t.Errorf("%s %q: %v", c.rule, name, err)
			}
		}
		for _, name := range c.refused {
			if err := c.check(name); err == nil || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("%s %q: %v", c.rule, name, err)
			}
		}
	}
}

func TestRelease(t *testing.T) {
	for module, want := range map[string]string{
		"example.com/hello":       "hello",
		"example.com/Hello/v2":    "hello",
		"example.com/v2":          "example-com",
		"hello":                   "hello",
		"example.com/acme/api/v3": "api",
		"example.com/My_Service":  "my-service",
		"My.Company_Thing":        "my-company-thing",
		"example.com/__a--b..c~":  "a-b-c",
		"example.com/node.js":     "node-js",
		"gopkg.in/acme/shop.v3":   "shop",
		"example.com/shop.v3":     "shop-v3",
		"example.com/acme/v2/v3":  "v2",
		"example.com/_":           "", // which is then refused
	} {
		if got := Release(module); got != want {
			t.Errorf("%s: %s", module, got)
		}
	}
}
