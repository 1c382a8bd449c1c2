package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	costLatency = 50 * time.Millisecond // of each request, on top of the lab's own
	costPairs   = 3
	costPods    = 1000

	kwok      = "sigs.k8s.io/kwok/cmd/kwok@v0.8.0"
	kwokLabel = "slipway-cost" // of the node whose pods kwok pretends to run
)

// TestCost prints what a deploy costs beside the kubectl commands that bring the same
// into a cluster: seconds, requests, bytes of log, memory. Both sides go through a proxy
// that delays each request. It judges nothing and takes minutes, so only
// e2e/benchmark-rollout runs it.
func TestCost(t *testing.T) {
	if os.Getenv("SLIPWAY_COST") == "" {
		t.Skip("e2e/benchmark-rollout runs it")
	}
	b := startBench(t)
	t.Run("objects", b.objects)
	t.Run("pods", b.pods)
}

func nameOf(o map[string]any) string {
	name, _ := o["metadata"].(map[string]any)["name"].(string)
	return name
}

func named(version, kind, name string, rest map[string]any) map[string]any {
	o := map[string]any{"apiVersion": version, "kind": kind, "metadata": map[string]any{"name": name}}
	for field, value := range rest {
		o[field] = value
	}
	return o
}

func deployment(name, image string, replicas int, pod map[string]any) map[string]any {
	labels := map[string]any{"app": name}
	spec := map[string]any{
		"terminationGracePeriodSeconds": 1,
		"containers": []any{map[string]any{
			"name": "s", "image": image, "ports": []any{map[string]any{"name": "http", "containerPort": 8080}},
			"readinessProbe": map[string]any{"httpGet": map[string]any{"path": "/healthz", "port": "http"}, "periodSeconds": 1},
		}},
	}
	for field, value := range pod {
		spec[field] = value
	}
	return named("apps/v1", "Deployment", name, map[string]any{"spec": map[string]any{
		"replicas": replicas, "selector": map[string]any{"matchLabels": labels},
		"template": map[string]any{"metadata": map[string]any{"labels": labels}, "spec": spec},
	}})
}

// manyObjects are 300, of which half of the ten Deployments have a pod.
func manyObjects(image string) []map[string]any {
	var all []map[string]any
	for i := range 250 {
		all = append(all, named("v1", "ConfigMap", fmt.Sprintf("cost-%03d", i), map[string]any{
			"data": map[string]any{"settings.properties": strings.Repeat(fmt.Sprintf("key-%d=value\n", i), 20)},
		}))
	}
	for i := range 20 {
		all = append(all, named("v1", "Secret", fmt.Sprintf("cost-%03d", i), map[string]any{
			"stringData": map[string]any{"password": fmt.Sprintf("a-long-password-%d", i)},
		}))
		all = append(all, named("v1", "Service", fmt.Sprintf("cost-%03d", i), map[string]any{"spec": map[string]any{
			"selector": map[string]any{"app": fmt.Sprintf("cost-%d", i%10)}, "ports": []any{map[string]any{"port": 80, "targetPort": 8080}},
		}}))
	}
	for i := range 10 {
		all = append(all, deployment(fmt.Sprintf("cost-%d", i), image, i%2, nil))
	}
	return all
}

// objects compares the two sides for 300 objects in a new namespace, then with nothing
// changed, with one ConfigMap changed, and for their removal.
func (b *bench) objects(t *testing.T) {
	objects := manyObjects(b.image)
	var ours, theirs string // namespaces
	pair := func(what string, slipway, kubectl func() cost, kubectlFirst bool) (ratio float64) {
		t.Helper()
		var s, k cost
		if kubectlFirst {
			k, s = kubectl(), slipway()
		} else {
			s, k = slipway(), kubectl()
		}
		fmt.Printf("%-24s", what)
		for _, c := range []cost{s, k} {
			fmt.Printf(" %6.1f s %5.1f s CPU %5d requests %4d KB of log  ", c.seconds, c.cpu, c.requests, c.bytes/1000)
		}
		fmt.Printf("%7.2f\n", s.seconds/k.seconds)
		return s.seconds / k.seconds
	}
	fmt.Printf("%-24s %-50s %-49s ratio\n", fmt.Sprintf("%d objects", len(objects)), "slipway", "kubectl")
	deploy := func() cost { return b.deploy(t, ours, objects) }
	apply := func() cost { return b.apply(t, theirs, objects) }
	ratios := make([]float64, costPairs)
	for i := range ratios {
		ours, theirs = newNamespace(), newNamespace()
		for _, ns := range []string{ours, theirs} {
			t.Cleanup(func() { b.lab.clean(t, ns) })
		}
		ratios[i] = pair("new namespace", deploy, apply, i%2 == 1)
	}
	slices.Sort(ratios)
	fmt.Printf("%-24s %108.2f\n", "median", ratios[costPairs/2])
	pair("nothing changed", deploy, apply, false)
	objects[0]["data"] = map[string]any{"settings.properties": "changed"}
	pair("one ConfigMap changed", deploy, apply, true)
	pair("all removed", func() cost { return b.destroy(t, ours) }, func() cost { return b.remove(t, theirs, objects) }, false)
}

// pods compares the two sides for a Deployment of a thousand pods, which kwok pretends to
// run on a node that is none.
func (b *bench) pods(t *testing.T) {
	b.startKwok(t)
	objects := []map[string]any{deployment("cost-pods", b.lab.registry+"/subject@sha256:"+strings.Repeat("1", 64), costPods, map[string]any{
		"nodeSelector": map[string]any{kwokLabel: "yes"},
		"tolerations":  []any{map[string]any{"key": kwokLabel, "operator": "Exists"}},
	})}
	fmt.Printf("%d pods     seconds  CPU seconds  requests  in the wait  a second  bytes of log   memory\n", costPods)
	for _, side := range []struct {
		name string
		run  func(*testing.T, string, []map[string]any) cost
	}{{"slipway", b.deploy}, {"kubectl", b.apply}} {
		t.Run(side.name, func(t *testing.T) {
			ns := newNamespace()
			t.Cleanup(func() { b.kubectl(t, "", "delete", "namespace", ns, "--ignore-not-found", "--timeout=5m") })
			c := side.run(t, ns, objects)
			fmt.Printf("%-12s %7.1f %12.1f %9d %12d %9.2f %13d %4d MiB\n",
				side.name, c.seconds, c.cpu, c.requests, c.asked, float64(c.asked)/c.waited, c.bytes, c.memory)
		})
	}
}

// startKwok makes the node and has kwok run until the test ends.
func (b *bench) startKwok(t *testing.T) {
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(cache, "slipway", "kwok", kwok[strings.LastIndex(kwok, "@")+1:])
	program := filepath.Join(bin, "kwok")
	if _, err := os.Stat(program); err != nil {
		install := exec.CommandContext(t.Context(), "go", "install", kwok)
		install.Dir, install.Env = b.dir, append(os.Environ(), "GOBIN="+bin)
		if out, err := install.CombinedOutput(); err != nil {
			t.Fatalf("build kwok: %v\n%s", err, out)
		}
	}
	cmd := exec.Command(program, "--kubeconfig="+b.lab.kubeconfig, "--config="+filepath.Join("testdata", "kwok.yaml"),
		"--manage-all-nodes=false", "--manage-nodes-with-label-selector="+kwokLabel+"=yes", "--node-lease-duration-seconds=40")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("kwok: %s", out.Bytes())
		}
	})
	node, err := json.Marshal(named("v1", "Node", kwokLabel, map[string]any{
		"metadata": map[string]any{"name": kwokLabel, "labels": map[string]any{kwokLabel: "yes"}},
		"spec":     map[string]any{"taints": []any{map[string]any{"key": kwokLabel, "effect": "NoSchedule"}}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	b.kubectl(t, string(node), "apply", "--filename=-")
	t.Cleanup(func() { b.kubectl(t, "", "delete", "node", kwokLabel, "--ignore-not-found") })
	b.kubectl(t, "", "wait", "--for=condition=Ready", "node/"+kwokLabel, "--timeout=1m")
}
