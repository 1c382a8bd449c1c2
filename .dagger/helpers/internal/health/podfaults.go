package health

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"slipway/helpers/internal/object"
)

const (
	// crashLimit is the number of ends after which a container is said to crash. Kubernetes
	// mostly needs 35 s for as many starts.
	crashLimit = 4
	startLimit = 3
	crashLull  = 10 * time.Second // how long it may run well and still be said to
)

// podFaults are those of one pod that is not ready.
func (v view) podFaults(p object.Object) []Fault {
	var all []Fault
	started := false
	for _, c := range containers(p) {
		started = started || c.started()
		for _, look := range []func(container) (Fault, bool){v.crash, v.image, v.creation} {
			if f, found := look(c); found {
				all = append(all, f)
			}
		}
	}
	if f, found := v.placement(p); found {
		all = append(all, f)
	}
	if !started && len(all) == 0 {
		all = append(all, v.volumes(p)...)
	}
	return all
}

// crash is the fault of a container that ends again and again. What it needs may still come
// from somewhere, so it is given time from its first end on, and each start is seen to its
// end. How often a Job's may do so is for its backoffLimit to say.
func (v view) crash(c container) (f Fault, found bool) {
	t := c.end()
	if t == nil || v.Others || isJob(v.Object) || c.finished() || c.status.Bool("ready") {
		return f, false
	}
	ends := v.failures(c)
	if c.backsOff() {
		ends++
	}
	if ends == 0 {
		return f, false
	}
	cause := fmt.Sprintf("%s crashed %d times: %s", c, ends, ended(t))
	if code, _ := t.Int("exitCode"); code == 0 {
		if !c.alwaysRuns() {
			return f, false
		}
		cause = fmt.Sprintf("%s ended %d times: %s: a service must not end", c, ends, ended(t))
	}
	f = crashing.fault(podSubject(c.pod)+"/"+c.name+": crash", cause)
	f.Lull = crashLull
	f.Open = ends < crashLimit || c.status.At("state", "running") != nil
	if t.Text("reason") == "StartError" { // no program, so that nothing can come which it waits for
		f.Grace, f.Open = 0, ends < startLimit
	}
	return f, true
}

var (
	imageReasons = []string{"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable",
		"ImageInspectError", "SignatureValidationFailed"}
	imageSigns = []string{"not found", "manifest unknown", "notfound", "unauthorized", "denied", "forbidden",
		"no match for platform", "invalid reference"}
	createReasons = []string{"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError",
		"PreCreateHookError", "PreStartHookError", "PostStartHookError"}

	backOff = regexp.MustCompile(`^Back-off pulling image "[^"]*"(: \w+: )?`)
)

// image is the fault of a container whose image cannot be pulled.
func (v view) image(c container) (f Fault, found bool) {
	reason := c.waiting()
	if !slices.Contains(imageReasons, reason) || v.asBefore(c) {
		return f, false
	}
	why := backOff.ReplaceAllString(plain(c.status.Text("state", "waiting", "message")), "")
	if why == "" {
		why = v.pullEvent(c)
	}
	rule, lower := imageUnreachable, strings.ToLower(why)
	switch {
	case reason == "InvalidImageName" || reason == "ErrImageNeverPull":
		rule = imageInvalid
	case containsAny(lower, imageSigns...):
		rule = imageRefused
	}
	cause := fmt.Sprintf("%s: its image cannot be pulled: %s", c, cmp.Or(why, c.spec.Text("image")))
	return rule.fault(podSubject(c.pod)+"/"+c.name+": image", cause), true
}

// pullEvent is why an image could not be pulled, by the newest event that says it.
func (v view) pullEvent(c container) string {
	newest := v.newest(c, func(message string) bool { return strings.HasPrefix(message, "Failed to pull image") })
	_, why, _ := strings.Cut(plain(newest.Text("message")), `": `)
	return why
}

// newest is the last Failed event about a container whose message is of a kind, nil where
// there is none.
func (v view) newest(c container, of func(message string) bool) object.Object {
	var newest object.Object
	for _, e := range v.events[c.pod.UID()] {
		path := e.Text("involvedObject", "fieldPath")
		if e.Text("reason") == "Failed" && (path == "" || strings.Contains(path, "{"+c.name+"}")) &&
			of(e.Text("message")) && (newest == nil || last(e).After(last(newest))) {
			newest = e
		}
	}
	return newest
}

// asBefore says whether a container waits as it did before the release, and has not been
// tried since: what it lacked may have come, and Kubernetes looks for it after minutes.
func (v view) asBefore(c container) bool {
	before := v.base.waiting[c.key()]
	if !slices.Contains(imageReasons, before) && !slices.Contains(createReasons, before) {
		return false
	}
	tried := v.newest(c, func(message string) bool { return message != "Error: ImagePullBackOff" })
	return tried == nil || !v.base.fresh(tried)
}

// creation is the fault of a container that cannot be created.
func (v view) creation(c container) (f Fault, found bool) {
	if !slices.Contains(createReasons, c.waiting()) || v.asBefore(c) {
		return f, false
	}
	message := plain(c.status.Text("state", "waiting", "message"))
	f = notCreated.fault(podSubject(c.pod)+"/"+c.name+": creation", fmt.Sprintf("%s cannot be started: %s", c, cmp.Or(message, c.waiting())))
	f.Missing, f.Key = missing(message, c.pod, "")
	return f, true
}

// placement is the fault of a pod that no node takes.
func (v view) placement(p object.Object) (f Fault, found bool) {
	c := conditionOf(p, "PodScheduled")
	if c.status != "False" || c.reason != "Unschedulable" || v.Leaving || p.Text("status", "nominatedNodeName") != "" || v.nodeComes(p) {
		return f, false
	}
	rule, lower := unschedulable, strings.ToLower(c.message)
	room := containsAny(lower, "insufficient", "too many pods", "free ports")
	if !room || v.base.had(p, c) || containsAny(lower, "not-ready", "not ready", "unreachable", "unschedulable", "uninitialized",
		"network-unavailable", "volume", "resourceclaim", "allocate all claims") {
		rule = notSchedulableYet
	}
	return rule.fault(podSubject(p)+": node", fmt.Sprintf("no node can take pod %s: %s", p.Name(), c.message)), true
}

// nodeComes says whether an autoscaler has promised a node for the pod: the
// cluster-autoscaler, or Karpenter.
func (v view) nodeComes(p object.Object) bool {
	return slices.ContainsFunc(v.events[p.UID()], func(e object.Object) bool {
		return e.Text("reason") == "TriggeredScaleUp" || e.Text("reason") == "Nominated"
	})
}

var (
	volumeName = regexp.MustCompile(`for volume "([^"]+)"`)
	notFound   = regexp.MustCompile(`(?i)\b(secret|configmap)s? "([^"]+)" not found`)
	keyInside  = regexp.MustCompile(`(?i)couldn't find key (\S+) in (Secret|ConfigMap) ([^/\s]+)/([^\s,]+)`)
	keyOf      = regexp.MustCompile(`references non-existent (secret|config) key: (\S+)`)
)

// volumes are the faults of a pod that waits for its volumes, one for each volume: only
// events tell of them.
func (v view) volumes(p object.Object) []Fault {
	if conditionOf(p, "PodReadyToStartContainers").status == "True" {
		return nil
	}
	newest := map[string]object.Object{}
	var names []string
	for _, e := range v.events[p.UID()] {
		if reason := e.Text("reason"); !v.base.fresh(e) || reason != "FailedMount" && reason != "FailedAttachVolume" {
			continue
		}
		name := ""
		if match := volumeName.FindStringSubmatch(e.Text("message")); match != nil {
			name = match[1]
		}
		if _, known := newest[name]; !known {
			names = append(names, name)
		}
		if newest[name] == nil || last(e).After(last(newest[name])) {
			newest[name] = e
		}
	}
	slices.Sort(names)
	var all []Fault
	for _, name := range names {
		if e := newest[name]; !v.mountedSince(p, e) {
			message := plain(e.Text("message"))
			rule := volumeNotMounted
			id, key := missing(message, p, name)
			if id != nil || keyOf.MatchString(message) {
				rule = volumeMissing
			}
			f := rule.fault(podSubject(p)+": volume "+name, fmt.Sprintf("pod %s waits for a volume: %s", p.Name(), message))
			f.Missing, f.Key = id, key
			all = append(all, f)
		}
	}
	return all
}

// mountedSince says whether the pod has come further since an event: its volumes were
// there when its images were pulled.
func (v view) mountedSince(p, failed object.Object) bool {
	further := []string{"Pulling", "Pulled", "BackOff", "Failed", "Created", "Started", "FailedCreatePodSandBox"}
	return slices.ContainsFunc(v.events[p.UID()], func(e object.Object) bool {
		return slices.Contains(further, e.Text("reason")) && !last(e).Before(last(failed))
	})
}

// missing is the Secret or ConfigMap that a message about a pod, or one of its volumes,
// says is not there, and the key that is said not to be in it.
func missing(message string, p object.Object, volume string) (id *object.ID, key string) {
	kinds := map[string]string{"secret": "Secret", "configmap": "ConfigMap", "config": "ConfigMap"}
	if m := notFound.FindStringSubmatch(message); m != nil {
		return &object.ID{Kind: kinds[strings.ToLower(m[1])], Namespace: p.Namespace(), Name: m[2]}, ""
	}
	if m := keyInside.FindStringSubmatch(message); m != nil {
		return &object.ID{Kind: kinds[strings.ToLower(m[2])], Namespace: m[3], Name: m[4]}, m[1]
	}
	m := keyOf.FindStringSubmatch(message)
	if m == nil {
		return nil, ""
	}
	kind := kinds[m[1]]
	if name := volumeSource(p, volume, kind, m[2]); name != "" {
		return &object.ID{Kind: kind, Namespace: p.Namespace(), Name: name}, m[2]
	}
	return nil, ""
}

// volumeSource is the name of the Secret or ConfigMap that is to give a pod's volume a key.
func volumeSource(p object.Object, volume, kind, key string) string {
	for _, vol := range p.List("spec", "volumes") {
		if vol.Text("name") != volume {
			continue
		}
		if name := cmp.Or(vol.Text("secret", "secretName"), vol.Text("configMap", "name")); name != "" {
			return name
		}
		for _, source := range vol.List("projected", "sources") {
			from := source.Map(map[string]string{"Secret": "secret", "ConfigMap": "configMap"}[kind])
			if slices.ContainsFunc(from.List("items"), func(item object.Object) bool { return item.Text("key") == key }) {
				return from.Text("name")
			}
		}
	}
	return ""
}
