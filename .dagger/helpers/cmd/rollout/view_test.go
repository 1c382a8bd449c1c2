package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
	"slipway/helpers/internal/sanitize"
)

func crowd() view {
	pods := make([]podView, shown+2)
	addresses := make([]string, shown+1)
	for i := range pods {
		pods[i] = podView{Name: "web", State: "ready", Node: "node-1"}
	}
	for i := range addresses {
		addresses[i] = "10.0.0.1"
	}
	pods[0].Node = ""
	return view{
		Release: "web", Namespace: "shop", Number: 3, Pending: 4, Image: "web@sha256:0", Revision: "abc", Version: "1.0.0",
		Verified:  &release.Verified{Key: "a2V5", Source: "https://example.com/web", Revision: "abc"},
		Workloads: []workloadView{{Name: "Deployment/web", State: "1 of 2", Pods: pods}, {Name: "Job/seed", State: missing}},
		Services: []serviceView{
			{Name: "web", Address: "10.1.1.1", Port: 80, Endpoints: addresses, URL: "http://192.0.2.1:80"},
			{Name: "web", Address: "10.1.1.1", Port: 80, Endpoints: addresses, URL: "http://192.0.2.2:80"},
			{Name: "secret", Address: "headless", Port: 81, forward: "kubectl port-forward"},
			{Name: "none", Address: "10.1.1.2", Port: 82, Endpoints: []string{}, forward: "kubectl port-forward"},
		},
	}
}

func TestViewForPeople(t *testing.T) {
	var out bytes.Buffer
	if err := crowd().print(&out); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	for want, times := range map[string]int{
		"release 4 is being rolled out": 1, "release   web, number 3, namespace shop\n": 1, "revision  abc (1.0.0)\n": 1,
		"verified  signed by a2V5, built from https://example.com/web at abc\n": 1,
		"pod       web: ready, 0 restarts, on node-1\n":                         shown - 1, "on no node\n": 1, "pod       and 2 more\n": 1,
		"missing   Job/seed\n": 1, "service   web: 10.1.1.1, port 80, endpoints ": 1, ", and 1 more\n": 1,
		"reach it  http://192.0.2.": 2, "endpoints not to be seen by this account\n": 1, "endpoints none\n": 1,
		"reach it  kubectl port-forward\n": 2,
	} {
		if strings.Count(got, want) != times {
			t.Errorf("%q is not there %d times:\n%s", want, times, got)
		}
	}
}

// What scripts read is JSON also behind the writer, whatever the texts hold, and complete.
func TestJSON(t *testing.T) {
	v := crowd()
	v.Workloads[0].State = sanitize.Line("<b>::error::\x1b\u202e\U000e0001\"\n" + strings.Repeat("x", 9000))
	for _, what := range []any{v, entries([]release.Record{
		{Number: 1, Status: release.Failed, Note: "no \"room\"\x1b\n", Image: "web@sha256:0"},
		{Number: 2, Status: release.Deployed, Started: time.Now(), Revision: "abc"},
	})} {
		var out bytes.Buffer
		s := session{out: sanitize.NewWriter(&out)}
		if err := s.printJSON(what); err != nil {
			t.Fatal(err)
		}
		var back any
		if err := json.Unmarshal(out.Bytes(), &back); err != nil {
			t.Errorf("%v:\n%s", err, out.String())
		}
		if strings.ContainsAny(out.String(), "\x1b\u202e\U000e0001") || strings.Contains(out.String(), "\n::") {
			t.Errorf("not harmless:\n%s", out.String())
		}
		if _, ok := what.(view); ok && strings.Count(out.String(), `"state": "ready"`) != shown+2 {
			t.Errorf("pods are missing:\n%s", out.String())
		}
	}
}

func TestMarkdown(t *testing.T) {
	for name, d := range map[string]differences{
		"nothing": {notes: []string{"Deployment/web: set by hand, and stays: spec.replicas"}},
		"changes": {
			changes: []difference{{"ConfigMap/web", "--- live\n+++ merged\n+a: \"```\"\n+b: </details> @team\n"}, {"Job/seed", ""}},
			removed: []string{"Secret/old would be removed: the manifests no longer have it"},
		},
		"large": {changes: []difference{{"ConfigMap/web", strings.Repeat("+x\n", markdownLimit)}, {"Deployment/web", "+small\n"}}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			s := session{request: request{Release: "web", Namespace: "shop"}, out: sanitize.NewWriter(&out)}
			if err := s.printMarkdown(d); err != nil {
				t.Fatal(err)
			}
			golden(t, "markdown-"+name, out.String())
		})
	}
}

// Kubernetes takes any name for a Role that is no path.
func TestMarkdownOfNames(t *testing.T) {
	var out bytes.Buffer
	s := session{request: request{Release: "web", Namespace: "shop"}, out: sanitize.NewWriter(&out)}
	o := object.Object{"kind": "Role", "metadata": map[string]any{"name": "x</code></summary>\n# [click](https:) <img src=x>"}}
	if err := s.printMarkdown(differences{changes: []difference{{o.String(), "+a\n"}}}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "<img") || strings.Contains(out.String(), "\n# [") || strings.Count(out.String(), "</code>") != 1 {
		t.Error(out.String())
	}
}
