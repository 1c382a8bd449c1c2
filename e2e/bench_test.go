package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// bench is what both sides of a comparison run with.
type bench struct {
	dir    string
	engine string
	lab    labCluster
	faults *faults
	env    []string
	image  string
}

func startBench(t *testing.T) *bench {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{dir: t.TempDir(), engine: os.Getenv("SLIPWAY_ROLLOUT")}
	if b.engine == "" {
		b.engine = filepath.Join(b.dir, "rollout")
		build := exec.CommandContext(t.Context(), "go", "build", "-C", filepath.Join(root, ".dagger", "helpers"), "-o", b.engine, "./cmd/rollout")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build the engine: %v\n%s", err, out)
		}
	}
	if b.lab, err = startCluster(root); err != nil {
		t.Fatal(err)
	}
	images, err := pushSubject(t.Context(), b.dir, b.lab.registry)
	if err != nil {
		t.Fatal(err)
	}
	b.image = images.one
	config, err := readKubeconfig(b.lab.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := config.transport()
	if err != nil {
		t.Fatal(err)
	}
	if b.faults, err = startFaults(config.server, transport); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.faults.close)
	b.faults.setLatency(costLatency)
	kubeconfig := filepath.Join(b.dir, "kubeconfig")
	if err := b.faults.write(kubeconfig, "default"); err != nil {
		t.Fatal(err)
	}
	b.env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "HOME="+b.dir,
		"PATH="+filepath.Dir(b.lab.kubectl)+string(os.PathListSeparator)+os.Getenv("PATH"))
	return b
}

// cost is that of one or more programs.
type cost struct {
	seconds  float64
	cpu      float64 // seconds, with the programs that it started and ended
	requests int
	bytes    int // of output
	memory   int // MiB of the program alone

	waited float64 // seconds of those since all was applied
	asked  int     // requests since then
}

// run runs a program through the proxy. $SLIPWAY_COST_KEEP is a directory for what it
// prints and asks, in a file of the name.
func (b *bench) run(t *testing.T, name string, program string, args ...string) cost {
	t.Helper()
	start := time.Now()
	b.faults.clear()
	out := &costOutput{faults: b.faults}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = b.env, out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	peak := make(chan int)
	done := make(chan struct{})
	go func() { peak <- peakMemory(cmd.Process.Pid, done) }()
	err := cmd.Wait()
	close(done)
	c := cost{
		seconds: time.Since(start).Seconds(), requests: b.faults.count("ANY", everything), bytes: out.text.Len(), memory: <-peak,
		cpu: (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(),
	}
	if !out.since.IsZero() {
		c.waited, c.asked = time.Since(out.since).Seconds(), c.requests-out.before
	}
	if dir := os.Getenv("SLIPWAY_COST_KEEP"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name+".log"), append(out.text.Bytes(), b.tally()...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out.text.Bytes())
	}
	return c
}

var everything = regexp.MustCompile("")

// costOutput keeps what a program prints, and notes when it says that it has applied all.
type costOutput struct {
	faults *faults
	mu     sync.Mutex
	text   bytes.Buffer
	since  time.Time
	before int // requests until then
}

func (o *costOutput) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
	if o.since.IsZero() && bytes.Contains(p, []byte("applied ")) {
		o.since, o.before = time.Now(), o.faults.count("ANY", everything)
	}
	return len(p), nil
}

// peakMemory is the most memory in MiB that a process has had when done is closed.
func peakMemory(pid int, done <-chan struct{}) int {
	peak := 0
	for {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				kib, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
				peak = max(peak, kib>>10)
			}
		}
		select {
		case <-done:
			return peak
		case <-time.After(50 * time.Millisecond):
		}
	}
}

var objectName = regexp.MustCompile(`/(cost|slipway|e2e)[-.][^/?]*|resourceVersion=\d*&?|fieldSelector=[^&]*&?`)

// tally are the requests since the last clear, those to objects of one kind together.
func (b *bench) tally() []byte {
	b.faults.mu.Lock()
	defer b.faults.mu.Unlock()
	number := map[string]int{}
	for _, r := range b.faults.requests {
		number[r.method+" "+objectName.ReplaceAllString(r.uri, "/*")]++
	}
	var lines []string
	for what, n := range number {
		lines = append(lines, fmt.Sprintf("%6d %s\n", n, what))
	}
	slices.Sort(lines)
	slices.Reverse(lines)
	return []byte(strings.Join(lines, ""))
}

// deploy has the engine bring objects into a namespace.
func (b *bench) deploy(t *testing.T, ns string, objects []map[string]any) cost {
	t.Helper()
	return b.rollout(t, "deploy", request{
		Namespace: ns, Objects: objects, Image: b.image, Version: "1.0.0", Port: 8080, Smoke: defaultSmoke, Timeout: 600,
	})
}

func (b *bench) destroy(t *testing.T, ns string) cost {
	t.Helper()
	return b.rollout(t, "destroy", request{Namespace: ns, Confirm: "cost", Timeout: 600})
}

func (b *bench) rollout(t *testing.T, command string, r request) cost {
	t.Helper()
	r.Release = "cost"
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(b.dir, "request.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return b.run(t, command+"-"+r.Namespace, b.engine, command, file)
}

// manifest writes objects and their namespace to a file.
func (b *bench) manifest(t *testing.T, ns string, objects []map[string]any) string {
	t.Helper()
	all := []map[string]any{{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": ns}}}
	var text bytes.Buffer
	for _, o := range append(all, objects...) {
		one, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "---\n%s\n", one)
	}
	file := filepath.Join(b.dir, "all.yaml")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// apply has kubectl bring objects into a namespace, and wait for its Deployments.
func (b *bench) apply(t *testing.T, ns string, objects []map[string]any) cost {
	t.Helper()
	sum := b.run(t, "apply-"+ns, b.lab.kubectl, "apply", "--server-side", "--namespace="+ns, "--filename="+b.manifest(t, ns, objects))
	sum.waited, sum.asked = 0, 0
	for _, o := range objects {
		if o["kind"] != "Deployment" {
			continue
		}
		c := b.run(t, "status-"+ns, b.lab.kubectl, "rollout", "status", "--namespace="+ns, "deployment/"+nameOf(o))
		sum.seconds += c.seconds
		sum.cpu += c.cpu
		sum.requests += c.requests
		sum.bytes += c.bytes
		sum.memory = max(sum.memory, c.memory)
		sum.waited += c.seconds
		sum.asked += c.requests
	}
	return sum
}

// remove has kubectl delete what apply brought.
func (b *bench) remove(t *testing.T, ns string, objects []map[string]any) cost {
	t.Helper()
	return b.run(t, "delete-"+ns, b.lab.kubectl, "delete", "--ignore-not-found", "--namespace="+ns, "--filename="+b.manifest(t, ns, objects))
}

// kubectl runs beside the proxy, for what is not measured.
func (b *bench) kubectl(t *testing.T, stdin string, args ...string) {
	t.Helper()
	cmd := exec.Command(b.lab.kubectl, append([]string{"--kubeconfig=" + b.lab.kubeconfig}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("kubectl %s: %v: %s", strings.Join(args, " "), err, out)
	}
}
