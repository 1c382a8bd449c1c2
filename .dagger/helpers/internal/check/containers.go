package check

import (
	"fmt"
	"strings"

	"slipway/helpers/internal/object"
)

// containers checks the template of the pods that an object makes, if it makes any.
func (c *checker) containers(o object.Object) {
	for _, ctr := range o.Containers() {
		field := fmt.Sprintf("%s[%d].", ctr.Field, ctr.Index)
		image := ctr.Text("image")
		if image != "" && image != "auto" && !strings.Contains(image, "@") { // a mesh or an operator fills in these two
			c.warn(o, "image", field+"image", "%q can change under its name: pin it with @sha256:…", image)
		}
		if ctr.Text("imagePullPolicy") == "Never" {
			c.warn(o, "pull-policy", field+"imagePullPolicy", "Never works only on nodes that happen to have the image: take IfNotPresent")
		}
		if o.IsCustom() {
			continue // what its probes mean is its controller's matter
		}
		for _, probe := range []string{"livenessProbe", "readinessProbe", "startupProbe"} {
			for _, way := range []string{"httpGet", "tcpSocket"} {
				if name := ctr.Text(probe, way, "port"); name != "" && !names(ctr, name) {
					c.refuse(o, ruleProbePort, field+probe+"."+way+".port",
						"%q is the name of none of the container's ports: name one so, or give the number", name)
				}
			}
		}
	}
}

// names says whether a port of the container has the name.
func names(ctr object.Container, name string) bool {
	for _, p := range ctr.List("ports") {
		if p.Text("name") == name {
			return true
		}
	}
	return false
}

// lists says whether a container of the pods that run on lists the port, or may have it
// without listing it, since it lists none.
func lists(o object.Object, port int) bool {
	for _, ctr := range o.Containers() {
		if !ctr.Runs() {
			continue
		}
		ports := ctr.List("ports")
		if len(ports) == 0 {
			return true
		}
		for _, p := range ports {
			if n, ok := p.Int("containerPort"); ok && n == port {
				return true
			}
		}
	}
	return false
}
