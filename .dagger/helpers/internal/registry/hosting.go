package registry

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"slipway/helpers/internal/object"
	"slipway/helpers/internal/sanitize"
)

// Hosting is what a cluster says of its own registry, as KEP-1755 has it: in the ConfigMap
// local-registry-hosting of the namespace kube-public.
type Hosting struct {
	Host        string `json:"host"`                     // to push to, from outside the cluster
	FromRuntime string `json:"hostFromContainerRuntime"` // to pull from, if that is another
	FromCluster string `json:"hostFromClusterNetwork"`   // in pods
	Help        string `json:"help"`
}

const hostingKey = "localRegistryHosting.v1"

// HostingObject names the ConfigMap.
func HostingObject() object.Object {
	return object.Object{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{
		"name": "local-registry-hosting", "namespace": "kube-public",
	}}
}

// Pull is the registry as the nodes know it.
func (h Hosting) Pull() string { return cmp.Or(h.FromRuntime, h.Host) }

// ParseHosting reads the ConfigMap. Its Host is empty where there is none, or where it
// says that the cluster has no registry.
func ParseHosting(configMap object.Object) (Hosting, error) {
	var h Hosting
	if configMap == nil {
		return h, nil
	}
	fail := func(why string) (Hosting, error) {
		return Hosting{}, fmt.Errorf("the cluster's ConfigMap local-registry-hosting in kube-public cannot be understood: %s: give --repository",
			sanitize.Line(why))
	}
	text, found := configMap.Strings("data")[hostingKey]
	if !found {
		return fail("it has no " + hostingKey)
	}
	if err := yaml.UnmarshalStrict([]byte(text), &h); err != nil {
		return fail(err.Error())
	}
	for _, named := range [][2]string{
		{"host", h.Host}, {"hostFromContainerRuntime", h.FromRuntime}, {"hostFromClusterNetwork", h.FromCluster},
	} {
		if err := checkHost(named[1]); err != nil {
			return fail(fmt.Sprintf("%s: %q %v", named[0], named[1], err))
		}
	}
	if h.Host == "" && h.FromRuntime != "" {
		return fail("it has no host to push to")
	}
	return h, nil
}

// HostName is the name in host or host:port.
func HostName(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return strings.Trim(address, "[]")
}

var hostPattern = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?$`)

func checkHost(host string) error {
	if host == "" {
		return nil
	}
	if !hostPattern.MatchString(host) {
		return errors.New("is no host or host:port")
	}
	if i := strings.LastIndex(host, ":"); i > strings.LastIndex(host, "]") {
		if port, _ := strconv.Atoi(host[i+1:]); port < 1 || port > 65535 {
			return errors.New("has no TCP port")
		}
	}
	return nil
}
