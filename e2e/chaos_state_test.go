package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// chaos is the release of TestChaos, and what is known of it.
type chaos struct {
	t      *testing.T
	lab    labCluster
	images subjectImages
	faults *faults
	client http.Client
	ns     string
	dir    string

	engine     string // program
	kubeconfig string // that leads through the faults

	served   string            // state of the release that served last
	dirty    bool              // a run did not finish, and the next deploy goes on from there
	lost     bool              // records were deleted since
	notes    map[string]string // of the pods of each release that served, by its number
	claim    string            // uid, "" as long as there was none
	forgiven int               // failures while the release was destroyed
}

// startChaos makes what stays through all rounds: the engine, its way to the cluster, a
// volume, and the load.
func startChaos(t *testing.T) *chaos {
	t.Helper()
	c := &chaos{t: t, ns: newNamespace(), dir: t.TempDir(), notes: map[string]string{}}
	root, err := filepath.Abs("..")
	c.must(err)
	program := os.Getenv("SLIPWAY_ROLLOUT")
	if program == "" {
		program = filepath.Join(c.dir, "rollout")
		build := exec.CommandContext(t.Context(), "go", "build", "-C", filepath.Join(root, ".dagger", "helpers"), "-o", program, "./cmd/rollout")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build the engine: %v\n%s", err, out)
		}
	}
	c.engine = filepath.Join(c.dir, "isolated")
	c.must(os.WriteFile(c.engine, fmt.Appendf(nil, isolate, program), 0o755))
	c.lab, err = startCluster(root)
	c.must(err)
	c.images, err = pushSubject(t.Context(), c.dir, c.lab.registry)
	c.must(err)
	config, err := readKubeconfig(c.lab.kubeconfig)
	c.must(err)
	transport, err := config.transport()
	c.must(err)
	c.client = http.Client{Transport: transport, Timeout: 30 * time.Second}
	c.faults, err = startFaults(config.server, transport)
	c.must(err)
	t.Cleanup(c.faults.close)
	c.kubeconfig = filepath.Join(c.dir, "faulty.kubeconfig")
	c.must(c.faults.write(c.kubeconfig, c.ns))

	t.Cleanup(func() { c.lab.clean(t, c.ns+"-load"); c.lab.clean(t, c.ns) })
	objects, _, err := renderDirs(filepath.Join("testdata", "chaos"), []string{"load"}, func(name string) string {
		return map[string]string{"NS": c.ns, "IMAGE": c.images.one}[name]
	})
	c.must(err)
	for _, o := range objects {
		text, err := yaml.Marshal(o)
		c.must(err)
		c.kubectl(string(text), "create", "--filename=-")
	}
	return c
}

func (c *chaos) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// row prints a line of the table.
func (c *chaos) row(round, action, disturbance, seconds, said string) {
	if runes := []rune(said); len(runes) > chaosSaid {
		said = string(runes[:chaosSaid]) + "…"
	}
	fmt.Fprintf(c.t.Output(), "%-9s  %-27s  %-46s  %7s  %s\n", round, action, disturbance, seconds, said)
}

// kubectl is what it prints, past the faults.
func (c *chaos) kubectl(stdin string, args ...string) string {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), c.lab.kubectl, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.lab.kubeconfig)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("kubectl %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// get reads from the API server into out; found is false where it says 404.
func (c *chaos) get(path string, out any) (found bool, err error) {
	resp, err := c.client.Get("https://" + c.lab.server + path)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return true, json.NewDecoder(resp.Body).Decode(out)
	case http.StatusNotFound:
		return false, nil
	}
	return false, fmt.Errorf("%s answers %s", path, resp.Status)
}

// within repeats check until it has no objection, for a while at most.
func within(limit time.Duration, check func() error) error {
	for start := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		err := check()
		if err == nil {
			return nil
		}
		if time.Since(start) > limit {
			return fmt.Errorf("after %s: %w", limit, err)
		}
	}
}

// loadCounts is what the load says of its requests.
type loadCounts struct {
	Requests, Repeated, Failures, Streak int
	Errors                               []string
}

func (c *chaos) load() (loadCounts, error) {
	var counts loadCounts
	found, err := c.get("/api/v1/namespaces/"+c.ns+"-load/pods/load:8080/proxy/load", &counts)
	if err == nil && !found {
		err = errors.New("the load does not run")
	}
	return counts, err
}

// awaitLoad waits until requests succeed, for so long that none is under way from before,
// and forgives all that failed.
func (c *chaos) awaitLoad() {
	c.t.Helper()
	err := within(time.Minute, func() error {
		counts, err := c.load()
		if err == nil && counts.Streak < 550 {
			err = fmt.Errorf("of %d requests %d failed, the last with %s", counts.Requests, counts.Failures, strings.Join(counts.Errors, "\n"))
		}
		c.forgiven = counts.Failures
		return err
	})
	c.must(err)
}

// lostRequests says which requests failed that must not.
func (c *chaos) lostRequests() error {
	counts, err := c.load()
	failed := counts.Failures - c.forgiven
	c.forgiven = counts.Failures
	if err == nil && failed > 0 {
		err = fmt.Errorf("%d requests were lost, the last:\n%s", failed, strings.Join(counts.Errors[max(0, len(counts.Errors)-failed):], "\n"))
	}
	return err
}

// stored is as much of an object as is looked at.
type stored struct {
	Metadata struct {
		Name, UID         string
		Labels            map[string]string
		Annotations       map[string]string
		Generation        int
		DeletionTimestamp string
	}
	Spec, Data map[string]any
	Status     struct {
		ObservedGeneration, Replicas, UpdatedReplicas, ReadyReplicas, AvailableReplicas, Active int
		Phase                                                                                   string
	}
}

func (c *chaos) list(path string) ([]stored, error) {
	var list struct{ Items []stored }
	_, err := c.get(path, &list)
	return list.Items, err
}

// records are the Secrets with the release's records.
func (c *chaos) records() []stored {
	all, err := c.list("/api/v1/namespaces/" + c.ns + "/secrets?labelSelector=slipway/release=s")
	c.must(err)
	return all
}

// deployed names the records whose release serves or served last.
func (c *chaos) deployed() []string {
	var names []string
	for _, r := range c.records() {
		if r.Metadata.Labels["slipway/status"] == "deployed" {
			names = append(names, r.Metadata.Labels["slipway/number"])
		}
	}
	return names
}

// state is all that a deploy sets, as text that can be compared.
func (c *chaos) state() string {
	c.t.Helper()
	all := map[string]any{}
	for name, path := range map[string]string{
		"Deployment": "/apis/apps/v1/namespaces/" + c.ns + "/deployments/s",
		"Service":    "/api/v1/namespaces/" + c.ns + "/services/s",
		"ConfigMap":  "/api/v1/namespaces/" + c.ns + "/configmaps/extra",
	} {
		var o stored
		found, err := c.get(path, &o)
		c.must(err)
		if found {
			delete(o.Metadata.Annotations, "deployment.kubernetes.io/revision")
			all[name] = []any{o.Metadata.Labels, o.Metadata.Annotations, o.Spec, o.Data, o.Metadata.DeletionTimestamp}
		}
	}
	text, err := json.MarshalIndent(all, "", " ")
	c.must(err)
	return string(text)
}

// stateDiff are the lines in which two states differ.
func stateDiff(from, to string) string {
	var all strings.Builder
	was, is := strings.Split(from, "\n"), strings.Split(to, "\n")
	for sign, lines := range map[string][2][]string{"-": {was, is}, "+": {is, was}} {
		for _, line := range lines[0] {
			if !slices.Contains(lines[1], line) {
				fmt.Fprintln(&all, sign, line)
			}
		}
	}
	return all.String()
}

var noteField = regexp.MustCompile(`"name": "NOTE",\s+"value": "([^"]*)"`)

// noteOf is the note of a state's pods.
func noteOf(state string) string {
	if found := noteField.FindStringSubmatch(state); found != nil {
		return found[1]
	}
	return ""
}

// serves says what keeps the release, as its Deployment has it, from serving.
func (c *chaos) serves() error {
	return within(10*time.Second, func() error {
		var d stored
		if found, err := c.get("/apis/apps/v1/namespaces/"+c.ns+"/deployments/s", &d); err != nil || !found {
			return errors.Join(err, errors.New("there is no Deployment"))
		}
		st := d.Status
		whole := st.Replicas == 2 && st.UpdatedReplicas == 2 && st.ReadyReplicas == 2 && st.AvailableReplicas == 2
		if st.ObservedGeneration < d.Metadata.Generation || !whole {
			return fmt.Errorf("the Deployment is at %+v, generation %d", st, d.Metadata.Generation)
		}
		text, err := json.Marshal(d.Spec)
		if err != nil {
			return err
		}
		want := "1.0.0"
		if strings.Contains(string(text), c.images.two) {
			want = "2.0.0"
		}
		for range 6 {
			var answer struct{ Version string }
			if _, err := c.get("/api/v1/namespaces/"+c.ns+"/services/s:80/proxy/version", &answer); err != nil || answer.Version != want {
				return errors.Join(err, fmt.Errorf("a pod says that it is version %q, not %s", answer.Version, want))
			}
		}
		return nil
	})
}

// idle says which Jobs run still.
func (c *chaos) idle() error {
	return within(20*time.Second, func() error {
		jobs, err := c.list("/apis/batch/v1/namespaces/" + c.ns + "/jobs")
		if err != nil {
			return err
		}
		pods, err := c.list("/api/v1/namespaces/" + c.ns + "/pods?labelSelector=job-name")
		if err != nil {
			return err
		}
		for _, j := range jobs {
			if j.Status.Active > 0 {
				return fmt.Errorf("Job %s runs", j.Metadata.Name)
			}
		}
		for _, p := range pods {
			if p.Status.Phase == "Running" || p.Status.Phase == "Pending" {
				return fmt.Errorf("pod %s of a Job runs", p.Metadata.Name)
			}
		}
		return nil
	})
}

// claimed says whether the claim was lost.
func (c *chaos) claimed() error {
	return within(30*time.Second, func() error {
		var claim, volume stored
		found, err := c.get("/api/v1/namespaces/"+c.ns+"/persistentvolumeclaims/data", &claim)
		switch {
		case err != nil:
			return err
		case !found && c.claim == "":
			return nil
		case !found || c.claim != "" && c.claim != claim.Metadata.UID:
			return errors.New("the claim was deleted")
		}
		c.claim = claim.Metadata.UID
		if _, err := c.get("/api/v1/persistentvolumes/"+c.ns+"-data", &volume); err != nil {
			return err
		}
		if claim.Status.Phase != "Bound" || volume.Status.Phase != "Bound" || claim.Metadata.DeletionTimestamp != "" {
			return fmt.Errorf("the claim is %+v, its volume %+v", claim, volume)
		}
		return nil
	})
}

// namespacedKinds are those that a release of this test may leave objects of.
const namespacedKinds = "configmaps,secrets,services,serviceaccounts,pods,persistentvolumeclaims," +
	"deployments.apps,replicasets.apps,jobs.batch,leases.coordination.k8s.io,endpointslices.discovery.k8s.io"

// nothingLeft says what is there of a release that was destroyed, beside its claim. Its
// namespace may stay where the destroy could not see all that is in it, because another
// test's API server was down, and said so.
func (c *chaos) nothingLeft(said string) error {
	stays := c.claim != "" || strings.Contains(said, "nobody can tell whether it is empty")
	return within(30*time.Second, func() error {
		var ns stored
		found, err := c.get("/api/v1/namespaces/"+c.ns, &ns)
		switch {
		case err != nil:
			return err
		case found && !stays:
			return fmt.Errorf("namespace %s is %s", c.ns, ns.Status.Phase)
		case !found && c.claim != "":
			return errors.New("the namespace is gone, and the claim with it")
		case !found:
			return nil
		}
		left := map[string]bool{}
		for _, name := range strings.Fields(c.kubectl("", "get", namespacedKinds, "--namespace="+c.ns, "--output=name")) {
			left[name] = true
		}
		for _, stays := range []string{"configmap/kube-root-ca.crt", "serviceaccount/default", "persistentvolumeclaim/data"} {
			delete(left, stays)
		}
		if len(left) > 0 {
			return fmt.Errorf("there is left: %s", strings.Join(slices.Sorted(maps.Keys(left)), ", "))
		}
		return nil
	})
}
