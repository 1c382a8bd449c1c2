package rehearsal

import "slices"

// Needed is the label of Services that are not the release's.
const Needed = "slipway/needed"

// Address is where a service that the release needs listens.
type Address struct {
	IP   string
	Port int
}

// Lacking are those of the services' names for which the manifests have no Service: there,
// the manifests' own counts.
func Lacking(manifests []object, services []string) []string {
	return slices.DeleteFunc(slices.Clone(services), func(service string) bool {
		return slices.ContainsFunc(manifests, func(o object) bool { return id(o) == "/Service" && name(o) == service })
	})
}

// Secrets are the Secrets that containers of the manifests refer to and the manifests do not
// have, by name: of each the variables whose values it is to hold, by key. Of those of which
// all keys are taken, it is all variables.
func Secrets(manifests []object, variables []string) map[string]map[string]string {
	lacking := map[string]map[string]string{}
	add := func(secret, key, variable string) {
		if secret == "" || slices.ContainsFunc(manifests, func(o object) bool { return id(o) == "/Secret" && name(o) == secret }) {
			return
		}
		if lacking[secret] == nil {
			lacking[secret] = map[string]string{}
		}
		lacking[secret][key] = variable
	}
	for _, o := range manifests {
		walk(o, func(m object) {
			env, _ := m["valueFrom"].(object)
			if ref, ok := env["secretKeyRef"].(object); ok && slices.Contains(variables, text(m["name"])) {
				add(text(ref["name"]), text(ref["key"]), text(m["name"]))
			}
			if ref, ok := m["secretRef"].(object); ok {
				for _, variable := range variables {
					add(text(ref["name"]), text(m["prefix"])+variable, variable)
				}
			}
		})
	}
	return lacking
}

// walk calls look for each mapping in a value.
func walk(value any, look func(object)) {
	switch v := value.(type) {
	case object:
		look(v)
		for _, inner := range v {
			walk(inner, look)
		}
	case []any:
		for _, inner := range v {
			walk(inner, look)
		}
	}
}

// Provide returns a list of objects by which a release in a namespace finds services and
// Secrets that it needs: the namespace itself, a headless Service that leads to each address,
// and the Secrets with their values by key.
func Provide(namespace string, services map[string]Address, secrets map[string]map[string]string) map[string]any {
	in := func(name string) object { return object{"name": name, "namespace": namespace} }
	items := []any{object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": namespace}}}
	for name, at := range services {
		port := object{"name": "needed", "port": at.Port, "protocol": "TCP"}
		service, slice := in(name), in(name)
		service["labels"] = object{Needed: "true"}
		slice["labels"] = object{"kubernetes.io/service-name": name}
		items = append(items,
			object{
				"apiVersion": "v1", "kind": "Service", "metadata": service,
				"spec": object{"clusterIP": "None", "ports": []any{port}},
			},
			object{
				"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": slice, "addressType": "IPv4",
				"endpoints": []any{object{"addresses": []any{at.IP}, "conditions": object{"ready": true}}}, "ports": []any{port},
			})
	}
	for name, values := range secrets {
		items = append(items, object{"apiVersion": "v1", "kind": "Secret", "metadata": in(name), "stringData": values})
	}
	return object{"apiVersion": "v1", "kind": "List", "items": items}
}
