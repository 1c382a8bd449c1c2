// Package registry knows the registry through which an image is carried into a cluster: one
// on each node, which only that node reaches, and what a cluster says of a registry of its own.
package registry

import (
	"net"
	"strconv"

	"slipway/helpers/internal/object"
)

const (
	// Namespace holds the registry and nothing else.
	Namespace = "slipway-registry"
	// Name is that of the DaemonSet.
	Name = "registry"
	// Port is outside Kubernetes' range for Services' node ports and Linux' for outgoing
	// connections.
	Port = 29999
	// UsersName is that of the ConfigMap that lists the releases whose images were carried in.
	UsersName = "users"

	// ownKey marks what Slipway made.
	ownKey = "slipway/registry"
	app    = "app.kubernetes.io/name"
	user   = 65532 // distroless' "nonroot"
)

// Address is the registry's, as each node knows it.
var Address = net.JoinHostPort("127.0.0.1", strconv.Itoa(Port))

// Kinds that the registry is made of.
var (
	NamespaceType = object.Type{Version: "v1", Kind: "Namespace"}
	DaemonSetType = object.Type{Version: "apps/v1", Kind: "DaemonSet"}
	ConfigMapType = object.Type{Version: "v1", Kind: "ConfigMap"}
	PodType       = object.Type{Version: "v1", Kind: "Pod"}
	NodeType      = object.Type{Version: "v1", Kind: "Node"}
	EventType     = object.Type{Version: "v1", Kind: "Event"}
)

// Selector finds the registry's pods.
const Selector = app + "=" + Name

// IsOwn says whether Slipway made an object.
func IsOwn(live object.Object) bool { return live.Annotation(ownKey) != "" }

func own(kind object.Type, namespace, name string) object.Object {
	o := object.Object{"apiVersion": kind.Version, "kind": kind.Kind, "metadata": map[string]any{
		"name":        name,
		"annotations": map[string]any{ownKey: "images carried in by slipway deploy"},
		"labels":      map[string]any{app: Name, "app.kubernetes.io/managed-by": "slipway"},
	}}
	if namespace != "" {
		o.Set(namespace, "metadata", "namespace")
	}
	return o
}

// NamespaceObject is the registry's namespace. Its pods need the network of the host.
func NamespaceObject() object.Object {
	o := own(NamespaceType, "", Namespace)
	o.Set("privileged", "metadata", "labels", "pod-security.kubernetes.io/enforce")
	return o
}

// Users is the list of releases, to be merged with what is there.
func Users() object.Object { return own(ConfigMapType, Namespace, UsersName) }

// DaemonSet runs the registry on each Linux node, whatever its taints, and nowhere where
// pods have no host.
func DaemonSet(image string) object.Object {
	o := own(DaemonSetType, Namespace, Name)
	http := map[string]any{"path": "/v2/", "port": Port, "host": "127.0.0.1"}
	o.Set(map[string]any{
		"selector":       map[string]any{"matchLabels": map[string]any{app: Name}},
		"updateStrategy": map[string]any{"type": "RollingUpdate", "rollingUpdate": map[string]any{"maxUnavailable": "100%"}},
		"template": map[string]any{
			"metadata": map[string]any{"labels": map[string]any{app: Name}},
			"spec": map[string]any{
				"hostNetwork": true,
				// The registry asks nobody anything.
				"dnsPolicy":                     "Default",
				"automountServiceAccountToken":  false,
				"enableServiceLinks":            false,
				"terminationGracePeriodSeconds": 2,
				"tolerations":                   []any{map[string]any{"operator": "Exists"}},
				"affinity": map[string]any{"nodeAffinity": map[string]any{
					"requiredDuringSchedulingIgnoredDuringExecution": map[string]any{"nodeSelectorTerms": []any{
						map[string]any{"matchExpressions": nodeExpressions()},
					}},
				}},
				"securityContext": map[string]any{
					"runAsNonRoot": true, "runAsUser": user, "runAsGroup": user, "fsGroup": user,
					"seccompProfile": map[string]any{"type": "RuntimeDefault"},
				},
				"containers": []any{map[string]any{
					"name": Name, "image": image, "imagePullPolicy": "IfNotPresent",
					"env": []any{
						map[string]any{"name": "REGISTRY_HTTP_ADDR", "value": Address},
						map[string]any{"name": "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "value": "/var/lib/registry"},
						map[string]any{"name": "REGISTRY_LOG_ACCESSLOG_DISABLED", "value": "true"},
						map[string]any{"name": "OTEL_TRACES_EXPORTER", "value": "none"},
					},
					// The scheduler knows by it that the port of the host is taken.
					"ports":          []any{map[string]any{"name": "registry", "containerPort": Port, "hostPort": Port, "hostIP": "127.0.0.1"}},
					"readinessProbe": map[string]any{"httpGet": http, "periodSeconds": 2},
					"resources": map[string]any{
						"requests": map[string]any{"cpu": "10m", "memory": "32Mi"},
						"limits":   map[string]any{"memory": "256Mi"},
					},
					"securityContext": map[string]any{
						"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
						"capabilities": map[string]any{"drop": []any{"ALL"}},
					},
					"volumeMounts": []any{map[string]any{"name": "images", "mountPath": "/var/lib/registry"}},
				}},
				"volumes": []any{map[string]any{"name": "images", "emptyDir": map[string]any{"sizeLimit": "4Gi"}}},
			},
		},
	}, "spec")
	return o
}

// virtual are the labels of nodes that are no machines: their pods have no network of a host.
var virtual = []struct{ label, value string }{
	{"type", "virtual-kubelet"},
	{"eks.amazonaws.com/compute-type", "fargate"},
}

func nodeExpressions() []any {
	all := []any{map[string]any{"key": "kubernetes.io/os", "operator": "In", "values": []any{"linux"}}}
	for _, v := range virtual {
		all = append(all, map[string]any{"key": v.label, "operator": "NotIn", "values": []any{v.value}})
	}
	return all
}
