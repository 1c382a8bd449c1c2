package kube

import (
	"net/url"
	"slices"
	"testing"

	"sigs.k8s.io/yaml"
)

// Whatever a kubeconfig holds, reading it ends, and no way that is taken leads past TLS to
// another machine.
func FuzzChoose(f *testing.F) {
	f.Add(config(`server: "https://k8s.example.com:6443"`, "token: x"), "", "")
	f.Add(config(`server: "http://10.0.0.1", insecure-skip-tls-verify: true, proxy-url: "socks5://localhost"`, "exec: {command: aws}"),
		"main", "api:6443")
	f.Add(config(`server: "https://127.0.0.1/x", certificate-authority: /ca`, "client-certificate-data: eA=="), "main", "")
	f.Add(`{contexts: [{name: &a main, context: {cluster: *a}}], clusters: [{name: *a, cluster: {server: "https://[::1]"}}]}`, "", "")
	f.Fuzz(func(t *testing.T, text, context, server string) {
		s := surroundings{inContainer: true, hasProgram: func(string) bool { return false }, now: today}
		w, err := choose([]byte(text), Target{Context: context, APIServer: server}, s)
		if err != nil {
			return
		}
		var k kubeconfig
		if err := yaml.Unmarshal([]byte(text), &k); err != nil {
			t.Fatal(err)
		}
		for _, c := range k.Contexts {
			if w.flags[0] != "--context="+c.Name {
				continue
			}
			i := slices.IndexFunc(k.Clusters, func(named struct {
				Name    string
				Cluster clusterEntry
			}) bool {
				return named.Name == c.Context.Cluster
			})
			to := k.Clusters[i].Cluster
			u, err := url.Parse(to.Server)
			if err != nil || !isLoopback(u.Hostname()) && (u.Scheme != "https" || to.Insecure) {
				t.Errorf("credentials go to %q, %v", to.Server, err)
			}
			return
		}
	})
}
