package node

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const (
	containerdSocket = runDir + "/containerd/containerd.sock"
	etcdAddress      = "http://127.0.0.1:2379"
	imagesDir        = "/usr/share/k3s/images" // archives of the images below
	pauseImage       = "docker.io/rancher/mirrored-pause:3.6"
	corednsImage     = "docker.io/rancher/mirrored-coredns-coredns:1.14.2"
)

// cluster is what the components are configured from.
type cluster struct {
	*options
	uplink
	authority *authority
	self      string // this program, which is all components
	*supervisor
}

type object = map[string]any

func (c *cluster) dir(names ...string) string {
	return filepath.Join(append([]string{c.data}, names...)...)
}

func (c *cluster) writeJSON(path string, v any) error {
	content, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, content)
}

func writeFile(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}

func (c *cluster) startEtcd() error {
	const peer = "http://127.0.0.1:2380"
	return c.component("etcd", c.self,
		"--name=default", "--data-dir="+c.dir("server", "db", "etcd"),
		"--listen-client-urls="+etcdAddress, "--advertise-client-urls="+etcdAddress,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=default="+peer,
		"--unsafe-no-fsync", // a machine that crashes takes the cluster along, and nobody misses it
		"--log-level=warn")
}

func (c *cluster) startContainerd() error {
	r, err := readRegistries(c.registries)
	if err != nil {
		return err
	}
	hosts, err := r.hosts()
	if err != nil {
		return fmt.Errorf("%s: %w", c.registries, err)
	}
	certs := filepath.Join(runDir, "certs.d")
	if err := os.MkdirAll(certs, 0o755); err != nil {
		return err
	}
	for name, content := range hosts {
		if err := writeFile(filepath.Join(certs, name), []byte(content)); err != nil {
			return err
		}
	}
	cni := filepath.Join(runDir, "cni")
	// Routed, not bridged: service addresses then work without the kernel's bridge filter.
	err = c.writeJSON(filepath.Join(cni, "net.d", "10-pods.conflist"), object{
		"cniVersion": "1.0.0",
		"name":       "pods",
		"plugins": []object{
			{"type": "ptp", "mtu": c.mtu, "ipMasq": true, "ipam": object{
				"type": "host-local", "dataDir": filepath.Join(cni, "addresses"),
				"ranges": [][]object{{{"subnet": nodePods}}}, "routes": []object{{"dst": "0.0.0.0/0"}},
			}},
			{"type": "portmap", "capabilities": object{"portMappings": true}},
		},
	})
	if err != nil {
		return err
	}
	config := filepath.Join(runDir, "containerd.toml")
	content := fmt.Sprintf(containerdConfig, c.dir("agent", "containerd"), filepath.Dir(containerdSocket), containerdSocket,
		pauseImage, c.snapshotter, filepath.Join(cni, "net.d"), certs) + r.credentials()
	if err := writeFile(config, []byte(content)); err != nil {
		return err
	}
	program, err := exec.LookPath("containerd")
	if err != nil {
		return err
	}
	return c.component("containerd", program, "--config", config)
}

const containerdConfig = `version = 2
root = %q
state = %q
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = %q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = %q
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = %q
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = %q
`

// importImages gives containerd the images that no registry is asked for.
func (c *cluster) importImages() error {
	archives, err := filepath.Glob(filepath.Join(imagesDir, "*.tar"))
	if err != nil {
		return err
	}
	program, err := exec.LookPath("ctr")
	if err != nil {
		return err
	}
	for _, archive := range archives {
		err := c.run("import-"+filepath.Base(archive), program, "--address", containerdSocket, "--namespace=k8s.io",
			"images", "import", "--snapshotter="+c.snapshotter, archive)
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) startAPIServer() error {
	pki := c.authority.path
	return c.component("kube-apiserver", c.self, append([]string{
		"--etcd-servers=" + etcdAddress,
		"--bind-address=" + c.bind, fmt.Sprintf("--secure-port=%d", c.port), "--advertise-address=" + c.address.String(),
		"--service-cluster-ip-range=" + serviceRange,
		"--tls-cert-file=" + pki("kube-apiserver.crt"), "--tls-private-key-file=" + pki("kube-apiserver.key"),
		"--client-ca-file=" + pki("ca.crt"), "--anonymous-auth=false",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + pki("service-account.pub"), "--service-account-signing-key-file=" + pki("service-account.key"),
		"--kubelet-client-certificate=" + pki("kube-apiserver-kubelet.crt"), "--kubelet-client-key=" + pki("kube-apiserver-kubelet.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--proxy-client-cert-file=" + pki("front-proxy.crt"), "--proxy-client-key-file=" + pki("front-proxy.key"),
		"--requestheader-client-ca-file=" + pki("ca.crt"), "--requestheader-allowed-names=front-proxy",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true", "--profiling=false",
	}, c.apiserverArgs...)...)
}

func (c *cluster) startControllers() error {
	config := c.authority.path("kube-controller-manager.kubeconfig")
	err := c.component("kube-controller-manager", c.self, append([]string{
		"--kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config,
		"--bind-address=127.0.0.1", "--leader-elect=false", "--use-service-account-credentials=true",
		"--service-account-private-key-file=" + c.authority.path("service-account.key"), "--root-ca-file=" + c.authority.path("ca.crt"),
		"--allocate-node-cidrs=true", "--cluster-cidr=" + podRange, "--service-cluster-ip-range=" + serviceRange,
		"--node-monitor-period=1s", // how soon a node that is ready may be used
		"--flex-volume-plugin-dir=" + c.dir("agent", "volumeplugins"),
		"--profiling=false", "--kube-api-qps=500", "--kube-api-burst=1000", // the usual 20 made the start 4 s longer
	}, c.controllersArgs...)...)
	if err != nil {
		return err
	}
	config = c.authority.path("kube-scheduler.kubeconfig")
	return c.component("kube-scheduler", c.self,
		"--kubeconfig="+config, "--authentication-kubeconfig="+config, "--authorization-kubeconfig="+config,
		"--bind-address=127.0.0.1", "--leader-elect=false", "--profiling=false")
}

func (c *cluster) startKubelet() error {
	config := filepath.Join(runDir, "kubelet.json")
	err := c.writeJSON(config, object{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",
		"authentication": object{
			"anonymous": object{"enabled": false},
			"webhook":   object{"enabled": true},
			"x509":      object{"clientCAFile": c.authority.path("ca.crt")},
		},
		"authorization":                  object{"mode": "Webhook"},
		"containerRuntimeEndpoint":       "unix://" + containerdSocket,
		"cgroupDriver":                   "cgroupfs",
		"failCgroupV1":                   false,
		"failSwapOn":                     false,
		"featureGates":                   object{"KubeletInUserNamespace": true},
		"clusterDomain":                  "cluster.local",
		"clusterDNS":                     []string{dnsService},
		"resolvConf":                     filepath.Join(runDir, "resolv.conf"),
		"serializeImagePulls":            false,
		"kubeAPIQPS":                     500,
		"kubeAPIBurst":                   1000,
		"registryPullQPS":                0,
		"eventRecordQPS":                 0,
		"oomScoreAdj":                    0,
		"imageGCHighThresholdPercent":    100, // the preloaded images could not be had again
		"evictionHard":                   object{"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%"},
		"volumePluginDir":                c.dir("agent", "volumeplugins"),
		"shutdownGracePeriod":            "0s",
		"nodeStatusUpdateFrequency":      "5s",
		"volumeStatsAggPeriod":           "1m",
		"runtimeRequestTimeout":          "2m",
		"streamingConnectionIdleTimeout": "4h",
	})
	if err != nil {
		return err
	}
	return c.component("kubelet", c.self, append([]string{
		"--config=" + config, "--kubeconfig=" + c.authority.path("kubelet.kubeconfig"),
		"--cert-dir=" + c.dir("agent", "pki"), "--hostname-override=" + c.node, "--node-ip=" + c.address.String(),
	}, c.kubeletArgs...)...)
}

func (c *cluster) startProxy() error {
	config := filepath.Join(runDir, "kube-proxy.json")
	err := c.writeJSON(config, object{
		"apiVersion":       "kubeproxy.config.k8s.io/v1alpha1",
		"kind":             "KubeProxyConfiguration",
		"clientConnection": object{"kubeconfig": c.authority.path("kube-proxy.kubeconfig")},
		"mode":             "iptables",
		"clusterCIDR":      podRange,
		"oomScoreAdj":      0,
		// Limits of the whole machine, which are not this node's to set.
		"conntrack": object{"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
		"iptables":  object{"minSyncPeriod": "0s"},
	})
	if err != nil {
		return err
	}
	return c.component("kube-proxy", c.self, "--config="+config, "--hostname-override="+c.node)
}
