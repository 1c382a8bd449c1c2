package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// policy is as much of a NetworkPolicy as the manifests use.
type policy struct {
	Spec struct {
		PolicyTypes     []string
		Ingress, Egress []struct {
			From, To []struct {
				NamespaceSelector, PodSelector *struct{ MatchLabels map[string]string }
			}
			Ports []struct{ Port any }
		}
	}
}

// allowed lists what may come in and go out, as "in PEER PORT" and "out PEER PORT".
func (p policy) allowed() []string {
	var all []string
	for _, direction := range []string{"in", "out"} {
		rules := p.Spec.Ingress
		if direction == "out" {
			rules = p.Spec.Egress
		}
		for _, rule := range rules {
			var names []string
			for _, peer := range append(rule.From, rule.To...) {
				name := "*"
				if peer.NamespaceSelector != nil {
					name = peer.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"]
				}
				if peer.PodSelector != nil {
					name += "/" + peer.PodSelector.MatchLabels["k8s-app"]
				}
				names = append(names, name)
			}
			if len(names) == 0 {
				names = []string{"anybody"}
			}
			for _, name := range names {
				for _, port := range rule.Ports {
					all = append(all, fmt.Sprint(direction, " ", name, " ", port.Port))
				}
				if len(rule.Ports) == 0 {
					all = append(all, direction+" "+name+" any port")
				}
			}
		}
	}
	return all
}

// Users may come from anywhere, metrics go to Prometheus only, and the service reaches
// nobody, except with traces their collector. The lab's cluster does not enforce this.
func TestNetworkPolicies(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]struct{ types, allowed string }{
		"base/networkpolicy.yaml":               {"Ingress Egress", "in anybody http, in monitoring metrics"},
		"components/tracing/networkpolicy.yaml": {"Egress", "out observability 4318, out kube-system/kube-dns 53, out kube-system/kube-dns 53"},
	} {
		text, err := os.ReadFile(filepath.Join("..", "manifests", file))
		if err != nil {
			t.Fatal(err)
		}
		var p policy
		if err := yaml.Unmarshal(text, &p); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(p.Spec.PolicyTypes, " "); got != want.types {
			t.Errorf("%s is for %s, want %s", file, got, want.types)
		}
		if got := strings.Join(p.allowed(), ", "); got != want.allowed {
			t.Errorf("%s allows %s; want %s", file, got, want.allowed)
		}
	}
}

// The test that floods the service gives it as much memory as the manifests do.
func TestFloodedAsDeployed(t *testing.T) {
	t.Parallel()
	deployment, err := os.ReadFile("../manifests/base/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	test, err := os.ReadFile("../service/flood_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for name, pattern := range map[string][2]string{
		"GOMEMLIMIT":   {`GOMEMLIMIT\s+value: (\d+)MiB`, `GOMEMLIMIT=(\d+)MiB`},
		"memory limit": {`limits:\s+memory: (\d+)Mi`, `memoryLimit = (\d+)`},
	} {
		deployed := regexp.MustCompile(pattern[0]).FindSubmatch(deployment)
		tested := regexp.MustCompile(pattern[1]).FindSubmatch(test)
		if deployed == nil || tested == nil || string(deployed[1]) != string(tested[1]) {
			t.Errorf("%s: deployed with %q, tested with %q", name, deployed, tested)
		}
	}
}
