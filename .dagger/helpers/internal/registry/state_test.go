package registry

import (
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"slipway/helpers/internal/object"
)

func parse(t *testing.T, text string) []object.Object {
	t.Helper()
	var all []object.Object
	if err := yaml.Unmarshal([]byte(text), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

const (
	ready = `{metadata: {name: a, labels: {kubernetes.io/os: linux}}, status: {conditions: [{type: Ready, status: "True"}]}}`
	set   = `{metadata: {name: registry, uid: u, generation: 2}}`
)

func TestJudge(t *testing.T) {
	// pod is one of the DaemonSet on node n, with its status.
	pod := func(status string) string {
		return `{metadata: {name: p, labels: {pod-template-generation: "2"}}, spec: {nodeName: a}, status: {` + status + `}}`
	}
	const pending = `{metadata: {name: p}, spec: {affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution:
  {nodeSelectorTerms: [{matchFields: [{key: metadata.name, operator: In, values: [a]}]}]}}}},
  status: {conditions: [{type: PodScheduled, status: "False", message: MESSAGE}]}}`
	for name, test := range map[string]struct {
		nodes, pods, events string
		copies              string // node, pod, + for ready
		problem             string // of the first copy
		away                string
	}{
		"ready":    {ready, pod(`conditions: [{type: Ready, status: "True"}]`), "", "a/p+", "", ""},
		"starting": {ready, pod(`containerStatuses: [{state: {waiting: {reason: ContainerCreating}}}]`), "", "a/p", "", ""},
		"none yet": {ready, "", "", "a/", "", ""},
		"of an older template": {ready, `{metadata: {name: p, labels: {pod-template-generation: "1"}}, spec: {nodeName: a},
			status: {conditions: [{type: Ready, status: "True"}]}}`, "", "a/", "", ""},
		"on its way out": {ready, `{metadata: {name: p, deletionTimestamp: x}, spec: {nodeName: a},
			status: {conditions: [{type: Ready, status: "True"}]}}`, "", "a/", "", ""},
		"evicted": {ready, pod("phase: Failed"), "", "a/", "", ""},
		"port taken": {ready, strings.Replace(pending, "MESSAGE", `"0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports."`, 1),
			"", "a/p", "port 29999 is taken by another pod", ""},
		"no room": {ready, strings.Replace(pending, "MESSAGE", "Insufficient memory", 1), "", "a/p", "no room for it: Insufficient memory", ""},
		"no image": {ready, pod(`containerStatuses: [{state: {waiting: {reason: ErrImagePull, message: "not found"}}}]`), "", "a/p",
			"its image cannot be pulled (not found): name one that the nodes can pull with --registry-image", ""},
		"crashing": {ready, pod(`containerStatuses: [{restartCount: 1, state: {running: {}}}]`), "", "a/p", "it ends as soon as it starts", ""},
		"not created": {ready, pod(`containerStatuses: [{state: {waiting: {reason: CreateContainerConfigError, message: "image has non-numeric user"}}}]`), "", "a/p",
			"image has non-numeric user", ""},
		"refused": {ready, "", `{reason: FailedCreate, message: "violates PodSecurity", involvedObject: {uid: u}}`, "a/",
			"the cluster does not admit its pods: violates PodSecurity", ""},
		"another's event": {ready, "", `{reason: FailedCreate, message: "violates PodSecurity", involvedObject: {uid: other}}`, "a/", "", ""},
		"refused before":  {ready, pod(`conditions: [{type: Ready, status: "True"}]`), `{reason: FailedCreate, message: x, involvedObject: {uid: u}}`, "a/p+", "", ""},
		"Windows":         {strings.Replace(ready, "linux", "windows", 1) + "," + ready, pod(""), "", "a/p", "", ""},
		"not ready":       {strings.Replace(ready, `"True"`, "Unknown", 1), "", "", "", "", "node a is not ready: deploy again when it is"},
		"virtual": {strings.Replace(ready, "linux", "linux, type: virtual-kubelet", 1), "", "", "", "",
			"node a is no machine of its own (virtual-kubelet), so its pods cannot pull"},
		"Fargate":   {strings.Replace(ready, "linux", "linux, eks.amazonaws.com/compute-type: fargate", 1), "", "", "", "", "(fargate)"},
		"two nodes": {ready + "," + strings.Replace(ready, "name: a", "name: b", 1), pod(`conditions: [{type: Ready, status: "True"}]`), "", "a/p+ b/", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := Judge(parse(t, "["+test.nodes+"]"), parse(t, "["+test.pods+"]"), parse(t, "["+set+"]")[0], parse(t, "["+test.events+"]"))
			var copies []string
			for _, c := range s.Copies {
				text := c.Node + "/" + c.Pod
				if c.Ready {
					text += "+"
				}
				copies = append(copies, text)
			}
			if got := strings.Join(copies, " "); got != test.copies {
				t.Errorf("copies %s, want %s", got, test.copies)
			}
			if len(s.Copies) > 0 && s.Copies[0].Problem != test.problem {
				t.Errorf("problem %q, want %q", s.Copies[0].Problem, test.problem)
			}
			if got := strings.Join(s.Away, "; "); !strings.Contains(got, test.away) || test.away == "" && got != "" {
				t.Errorf("away %q, want %q", got, test.away)
			}
		})
	}
}

// What runs on every node is as small a danger as it can be.
func TestDaemonSetIsHardened(t *testing.T) {
	o := DaemonSet("registry:1")
	spec := o.Map("spec", "template", "spec")
	c := spec.List("containers")[0]
	drop, _ := c.At("securityContext", "capabilities", "drop").([]any)
	for what, ok := range map[string]bool{
		"no root":             spec.At("securityContext", "runAsNonRoot") == true,
		"seccomp":             spec.Text("securityContext", "seccompProfile", "type") == "RuntimeDefault",
		"read-only root":      c.At("securityContext", "readOnlyRootFilesystem") == true,
		"no privileges":       c.At("securityContext", "allowPrivilegeEscalation") == false,
		"no capabilities":     slices.Equal(drop, []any{"ALL"}),
		"no token":            spec.At("automountServiceAccountToken") == false,
		"limited memory":      c.Text("resources", "limits", "memory") != "",
		"limited disk":        spec.List("volumes")[0].Text("emptyDir", "sizeLimit") != "",
		"on loopback alone":   c.List("env")[0].Text("value") == "127.0.0.1:29999" && c.List("ports")[0].Text("hostIP") == "127.0.0.1",
		"whatever the taints": spec.List("tolerations")[0].Text("operator") == "Exists",
	} {
		if !ok {
			t.Errorf("the registry is not: %s", what)
		}
	}
	if !IsOwn(o) || IsOwn(object.Object{}) || !IsOwn(NamespaceObject()) || !IsOwn(Users()) {
		t.Error("what is made does not say whose it is, or what is not does")
	}
}
