package main

import (
	"context"
	"crypto/rand"
	_ "embed"
	"fmt"
	"path"
	"regexp"

	"dagger/slipway/internal/dagger"
)

const (
	clusterPort = 6443
	// clusterAlias is what other containers call the cluster's node.
	clusterAlias = "cluster"
	// registryAlias is what the cluster's node calls a registry beside it.
	registryAlias = "registry"
	// kubeconfigPath is in a cache volume, since nothing else is seen from outside
	// a service that runs.
	kubeconfigPath = "/etc/slipway/kubeconfig"
)

// The node is a privileged container of the engine: a privileged pod is as good as root on
// the engine. So the API server admits no pod beyond the Pod Security level baseline, except
// in kube-system, and no label of a namespace changes that.
var (
	//go:embed cluster-admission.yaml
	clusterAdmission string
	//go:embed cluster-policy.yaml
	clusterPolicy string
)

// startCluster starts k3s. Where control groups are version 2, processes must
// first leave the root group, or k3s cannot pass controllers on to its pods. The
// kubeconfig of an earlier start is of no use to anyone. Without the controller of Helm
// charts nothing in the cluster installs what a manifest names as an administrator. The
// kubeconfig is not where others see it before the policy is in force.
//
// k3s bridges pods. Where the kernel has no filter for bridges, as on Docker's hosts since it does not load the
// module by itself, the answer of a pod on the same node goes past the translation of a Service's address, the DNS
// server's included, unless the client is translated, too.
const startCluster = `set -eu
rm -f ` + kubeconfigPath + `
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
	mkdir -p /sys/fs/cgroup/init
	xargs -rn1 < /sys/fs/cgroup/cgroup.procs > /sys/fs/cgroup/init/cgroup.procs || :
	sed -e 's/ / +/g' -e 's/^/+/' < /sys/fs/cgroup/cgroup.controllers > /sys/fs/cgroup/cgroup.subtree_control
fi
[ -e /proc/sys/net/bridge/bridge-nf-call-iptables ] || set -- --kube-proxy-arg masquerade-all=true
k() { kubectl --kubeconfig /run/kubeconfig "$@"; }
(
	until k apply --filename /etc/cluster-policy.yaml &&
		k label namespace default pod-security.kubernetes.io/enforce=privileged --dry-run=server 2>&1 | grep -q 'restricted only'; do
		sleep 0.2
	done
	cp -p /run/kubeconfig ` + kubeconfigPath + `.new
	mv ` + kubeconfigPath + `.new ` + kubeconfigPath + `
) > /dev/null 2>&1 &
exec k3s server --write-kubeconfig /run/kubeconfig --private-registry /etc/registries.yaml \
	--tls-san ` + clusterAlias + ` --disable traefik,servicelb,metrics-server,local-storage --disable-helm-controller \
	--kube-apiserver-arg admission-control-config-file=/etc/cluster-admission.yaml --snapshotter native "$@"
`

const registries = `mirrors:
  "` + registryAlias + `:5000":
    endpoint: ["http://` + registryAlias + `:5000"]
`

// Cluster is a Kubernetes cluster of one node that lives as long as somebody
// uses it.
type Cluster struct {
	// +private
	Name string
	// +private
	Image string
	// +private
	GoImage string
	// +private
	Registry *dagger.Service
}

// A throwaway Kubernetes cluster of one node, to try things out.
//
// It runs k3s as a service of the Dagger engine and keeps nothing: with the last
// user all of it is gone. Its node is a privileged container, so the engine must allow
// these, and pods are held to the Pod Security level baseline: none that is privileged,
// mounts a directory of the node or uses its network is admitted, whatever the labels
// of its namespace say.
//
//	dagger call cluster server up --ports 6443:6443
//	dagger call cluster kubeconfig export --path kubeconfig
//	dagger call --kubeconfig file:kubeconfig --api-server tcp://127.0.0.1:6443 deploy --image …
func (s *Slipway) Cluster(
	// Clusters of different names are different clusters.
	//
	// +default="slipway"
	name string,
	// Registry that the cluster's node is to reach, over HTTP, as registry:5000.
	//
	// +optional
	registry *dagger.Service,
) (*Cluster, error) {
	if !regexp.MustCompile(`^[a-z0-9-]{1,40}$`).MatchString(name) {
		return nil, fmt.Errorf("--name %q: a cluster is named with lower-case letters, digits and dashes, 40 at most", name)
	}
	return &Cluster{Name: name, Image: s.ClusterImage, GoImage: s.GoImage, Registry: registry}, nil
}

func (c *Cluster) shared() *dagger.CacheVolume {
	return dag.CacheVolume("slipway-cluster-" + c.Name)
}

// Run the cluster; its API server listens on port 6443.
//
//	dagger call cluster server up --ports 6443:6443
//
// +up
func (c *Cluster) Server() *dagger.Service {
	ctr := dag.Container().From(c.Image).
		// Pods cannot run from an overlay on an overlay.
		WithMountedTemp("/var/lib/rancher").
		WithMountedTemp("/var/lib/kubelet").
		WithMountedTemp("/run").
		WithMountedCache(path.Dir(kubeconfigPath), c.shared()).
		WithMountedTemp("/var/log").
		WithMountedTemp("/tmp").
		WithNewFile("/etc/registries.yaml", registries).
		WithNewFile("/etc/cluster-admission.yaml", clusterAdmission).
		WithNewFile("/etc/cluster-policy.yaml", clusterPolicy).
		WithEnvVariable("SLIPWAY_CLUSTER", c.Name).
		WithExposedPort(clusterPort)
	if c.Registry != nil {
		ctr = ctr.WithServiceBinding(registryAlias, c.Registry)
	}
	return ctr.AsService(dagger.ContainerAsServiceOpts{
		Args:                     []string{"sh", "-c", startCluster},
		InsecureRootCapabilities: true,
	})
}

// The administrator's kubeconfig of the cluster that runs now.
//
// Waits three minutes for the cluster to start; fails if none does. Its API server
// is https://127.0.0.1:6443.
//
//	dagger call cluster kubeconfig export --path kubeconfig
//
// +cache="never"
func (c *Cluster) Kubeconfig(ctx context.Context) (*dagger.File, error) {
	// It never gets on standard output, which is in every log. Only what a cluster's own
	// kubeconfig has is taken over: kubectl would run a program that it names.
	ctr, err := dag.Container().
		WithMountedFile("/kubeconfig", (&Slipway{GoImage: c.GoImage}).helper("kubeconfig")).
		WithMountedCache(path.Dir(kubeconfigPath), c.shared()).
		WithDirectory("/out", dag.Directory()).
		WithEnvVariable("SLIPWAY_CALL", rand.Text()).
		WithExec([]string{"/kubeconfig", kubeconfigPath, "/out/kubeconfig"}).
		Sync(ctx)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", c.Name, execCause(err))
	}
	return ctr.File("/out/kubeconfig"), nil
}

// secret is the kubeconfig for this module's own use.
func (c *Cluster) secret(ctx context.Context) (*dagger.Secret, error) {
	file, err := c.Kubeconfig(ctx)
	if err != nil {
		return nil, err
	}
	text, err := file.Contents(ctx)
	if err != nil {
		return nil, err
	}
	return dag.SetSecret("slipway-cluster-"+rand.Text(), text), nil
}
