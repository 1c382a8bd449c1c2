package object

import "slices"

// Container is one of a pod's, with the field it stands in, such as
// initContainers[0].
type Container struct {
	Object
	Field string // containers or initContainers
	Index int
}

// Runs says whether the container runs beside the others for the whole life of the
// pod: it is no init container, or a native sidecar.
func (c Container) Runs() bool {
	return c.Field == "containers" || c.Text("restartPolicy") == "Always"
}

// templates are the places where a kind keeps the template of its pods.
var templates = [][]string{{"spec", "template"}, {"spec", "jobTemplate", "spec", "template"}}

// PodTemplate is the template of the pods that an object makes, the object itself for
// a Pod, nil for one that makes none.
func (o Object) PodTemplate() Object {
	if o.Kind() == "Pod" && o.Group() == "" {
		return o
	}
	for _, path := range templates {
		if t := o.Map(path...); t.At("spec", "containers") != nil {
			return t
		}
	}
	return nil
}

// PodLabels are those of the pods that an object makes.
func (o Object) PodLabels() map[string]string { return o.PodTemplate().Strings("metadata", "labels") }

// Containers are those of the object's pods, nil for an object that makes none.
func (o Object) Containers() []Container {
	spec := o.PodTemplate().Map("spec")
	var all []Container
	for _, list := range []string{"initContainers", "containers"} {
		for i, ctr := range spec.List(list) {
			all = append(all, Container{ctr, list, i})
		}
	}
	return all
}

// Selects says whether a set of labels has all that a plain selector asks for.
func Selects(selector, labels map[string]string) bool {
	for key, value := range selector {
		if has, ok := labels[key]; !ok || has != value {
			return false
		}
	}
	return true
}

// ContainerPort is the number that a Service's or probe's port means for the object's
// pods: a number is itself, a name is looked up among the containers that run. found
// is false for a name that none of them has.
func (o Object) ContainerPort(port any) (number int, found bool) {
	if n, ok := Int(port); ok {
		return n, true
	}
	name, ok := port.(string)
	if !ok {
		return 0, false
	}
	for _, ctr := range o.Containers() {
		if !ctr.Runs() {
			continue
		}
		for _, p := range ctr.List("ports") {
			if p.Text("name") == name {
				return p.Int("containerPort")
			}
		}
	}
	return 0, false
}

// IsWorkload says whether the object is of a kind whose pods a release waits for.
func (o Object) IsWorkload() bool {
	switch o.Group() {
	case "apps":
		return slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"}, o.Kind())
	case "batch":
		return o.Kind() == "Job"
	case "":
		return o.Kind() == "Pod" || o.Kind() == "ReplicationController"
	}
	return false
}
