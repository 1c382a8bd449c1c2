package registry

import (
	"strings"
	"testing"

	"slipway/helpers/internal/object"
)

func TestParseHosting(t *testing.T) {
	for name, test := range map[string]struct{ text, push, pull, wrong string }{
		"kind": {"host: localhost:5001\nhelp: https://kind.sigs.k8s.io\n", "localhost:5001", "localhost:5001", ""},
		"k3d": {"host: localhost:5001\nhostFromContainerRuntime: k3d-registry:5000\nhostFromClusterNetwork: x:5000\n",
			"localhost:5001", "k3d-registry:5000", ""},
		"no port":      {"host: registry.example.com", "registry.example.com", "registry.example.com", ""},
		"IPv6":         {`host: "[::1]:5000"`, "[::1]:5000", "[::1]:5000", ""},
		"only help":    {"help: https://example.com", "", "", ""},
		"empty":        {"", "", "", ""},
		"a URL":        {"host: http://localhost:5001", "", "", `host: "http://localhost:5001" is no host or host:port`},
		"a path":       {"host: localhost:5001/team", "", "", "is no host or host:port"},
		"a bad port":   {"host: localhost:99999", "", "", "has no TCP port"},
		"spaces":       {"host: local host", "", "", "is no host or host:port"},
		"runtime only": {"hostFromContainerRuntime: registry:5000", "", "", "no host to push to"},
		"bad runtime":  {"host: localhost:5001\nhostFromContainerRuntime: '@evil'", "", "", "hostFromContainerRuntime"},
		"unknown":      {"host: localhost:5001\nhots: x", "", "", "give --repository"},
		"twice":        {"host: a\nhost: b", "", "", "give --repository"},
		"a list":       {"[a, b]", "", "", "give --repository"},
		"no YAML":      {"host: [", "", "", "give --repository"},
	} {
		h, err := ParseHosting(object.Object{"data": map[string]any{"localRegistryHosting.v1": test.text}})
		switch {
		case test.wrong != "":
			if err == nil || !strings.Contains(err.Error(), test.wrong) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: error is %v, want one sentence with %q", name, err, test.wrong)
			}
		case err != nil || h.Host != test.push || h.Pull() != test.pull:
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
	if h, err := ParseHosting(nil); h.Host != "" || err != nil {
		t.Error(h, err)
	}
	if _, err := ParseHosting(object.Object{"data": map[string]any{"localRegistryHosting.v2": "host: x"}}); err == nil {
		t.Error("another version is taken for this one")
	}
}

func TestHostName(t *testing.T) {
	for address, want := range map[string]string{
		"localhost:5001": "localhost", "localhost": "localhost", "[::1]:5000": "::1", "[::1]": "::1",
	} {
		if got := HostName(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}
