package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Cluster is a Kubernetes cluster of one node on this machine, outside the engine: what kind or
// minikube are elsewhere. It is the image k3s in namespaces of its own.
type Cluster struct{ Daemon }

// clusterSpec is what the daemon needs to know to become the cluster.
type clusterSpec struct {
	Root       string // read-only lower directory of the root file system
	Dir        string
	Cgroup     string
	Registry   string   // address of the lab's registry, in the cluster as on the machine
	Registries []string // that it mirrors
}

const clusterName = "slipway-lab"

func clusterOf(cache, instance string) Cluster {
	return Cluster{Daemon{filepath.Join(cache, "clusters", instance), clusterDaemon}}
}

// clusters are those of all instances.
func (l *Lab) clusters() []Cluster {
	dirs, _ := filepath.Glob(filepath.Join(l.cache, "clusters", "*", "state"))
	var all []Cluster
	for _, dir := range dirs {
		all = append(all, clusterOf(l.cache, filepath.Base(filepath.Dir(dir))))
	}
	return all
}

func (c Cluster) kubeconfig() string { return filepath.Join(c.dir, "kubeconfig") }

// written is the kubeconfig as the node itself writes it.
func (c Cluster) written() string { return filepath.Join(c.dir, "state", "rancher", "kubeconfig") }

// ready is what the node writes when all of it is up.
func (c Cluster) ready() string { return filepath.Join(c.dir, "state", "rancher", "k3s", "ready") }

func (c Cluster) cgroup() string {
	h := fnv.New32a()
	fmt.Fprint(h, c.dir)
	return fmt.Sprintf("k3s-slip%08x", h.Sum32())
}

func (l *Lab) clusterKey(registryAddress string) string {
	return strings.Join([]string{program(), l.steps.Part(k3sRoot), registryAddress}, " ")
}

// ClusterUp builds what is missing and starts the cluster. When it is up it only looks.
func (l *Lab) ClusterUp(ctx context.Context) error {
	if r, alive := l.registry.Record(); alive && l.running() && l.cluster.Serving(l.clusterKey(r.Address)) {
		return nil
	}
	if err := l.Up(ctx, append(targets(), k3sRoot)); err != nil {
		return err
	}
	lock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Close()
	registry, alive := l.registry.Record()
	if !alive {
		return fmt.Errorf("the registry has ended; its log: %s", l.registry.logPath())
	}
	key := l.clusterKey(registry.Address)
	if r, alive := l.cluster.Record(); !alive || r.Key != key {
		if err := l.cluster.Stop(ctx); err != nil {
			return err
		}
		spec := clusterSpec{Root: l.steps.Part(k3sRoot), Dir: l.cluster.dir, Cgroup: l.cluster.cgroup(), Registry: registry.Address}
		for _, image := range images {
			spec.Registries = append(spec.Registries, image.Registry)
		}
		if err := l.cluster.Start(key, spec); err != nil {
			return err
		}
	}
	begin := time.Now()
	if err := l.cluster.AwaitServing(ctx); err != nil {
		return err
	}
	say("cluster %s: up in %.1f s; export KUBECONFIG=%s", l.instance, time.Since(begin).Seconds(), l.cluster.kubeconfig())
	return nil
}

// ClusterDown stops the cluster; its state stays for the next start.
func (l *Lab) ClusterDown(ctx context.Context) error { return l.alone(ctx, l.stopCluster) }

func (l *Lab) stopCluster(ctx context.Context) error {
	_, alive := l.cluster.Record()
	if err := l.cluster.Stop(ctx); err != nil {
		return err
	}
	if alive {
		say("cluster %s: stopped", l.instance)
	}
	return nil
}

// ClusterKubeconfig prints where the kubeconfig of the running cluster is.
func (l *Lab) ClusterKubeconfig(out io.Writer) error {
	_, err := os.Stat(l.cluster.kubeconfig())
	if _, alive := l.cluster.Record(); !alive || err != nil {
		return fmt.Errorf("the cluster is not up: lab/run cluster up")
	}
	_, err = fmt.Fprintln(out, l.cluster.kubeconfig())
	return err
}

// Start starts the cluster, of which none may be running.
func (c Cluster) Start(key string, spec clusterSpec) error {
	if err := c.prepare(spec); err != nil {
		return err
	}
	listener, address, err := c.listen()
	if err != nil {
		return err
	}
	defer listener.Close()
	// The cluster's network is its own; through these two it meets the machine's.
	network, err := os.Open("/proc/self/ns/net")
	if err != nil {
		return err
	}
	defer network.Close()
	rec := record{Key: key, Address: "https://" + address, Parts: []string{spec.Root}}
	return c.Daemon.Start(rec, syscall.CLONE_NEWNS|syscall.CLONE_NEWPID|syscall.CLONE_NEWNET|syscall.CLONE_NEWUTS|syscall.CLONE_NEWIPC, listener, network)
}

// prepare makes the cluster's directories, takes away what an earlier start left, and leaves the spec there.
func (c Cluster) prepare(spec clusterSpec) error {
	for _, dir := range []string{".", "state", "root"} {
		if err := privateDir(filepath.Join(c.dir, dir)); err != nil {
			return err
		}
	}
	// In the node these are directories under /var, which pods' processes of all users pass through.
	for _, dir := range []string{"state/rancher", "state/kubelet", "state/log"} {
		if err := os.MkdirAll(filepath.Join(c.dir, dir), 0o755); err != nil {
			return err
		}
	}
	for _, stale := range []string{c.kubeconfig(), c.written(), c.ready()} {
		if err := os.Remove(stale); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return writeJSON(filepath.Join(c.dir, "spec.json"), spec)
}

// Stop ends the cluster with all its processes; its control groups are the machine's.
func (c Cluster) Stop(ctx context.Context) error {
	if _, err := os.Stat(c.recordPath()); os.IsNotExist(err) {
		return nil // never started
	}
	if err := c.Daemon.Stop(ctx, 15*time.Second); err != nil {
		return err
	}
	return removeNodeGroups(c.cgroup())
}

// AwaitServing waits until pods can be started and names resolved, and publishes the kubeconfig.
func (c Cluster) AwaitServing(ctx context.Context) error {
	r, _ := c.Record()
	return c.WaitReady(ctx, 3*time.Minute, func() bool {
		if _, err := os.Stat(c.kubeconfig()); err != nil {
			written, err := os.ReadFile(c.written())
			if err != nil {
				return false
			}
			own, err := machineKubeconfig(written, r.Address)
			if err != nil {
				return false
			}
			if err := replaceFile(c.kubeconfig(), own); err != nil {
				return false
			}
		}
		return c.Serving(r.Key)
	})
}

// Serving says whether the cluster started from key has a ready node and a name service.
func (c Cluster) Serving(key string) bool {
	r, alive := c.Record()
	if !alive || r.Key != key {
		return false
	}
	if _, err := os.Stat(c.ready()); err != nil {
		return false
	}
	client, err := kubeconfigClient(c.kubeconfig())
	if err != nil {
		return false
	}
	defer client.CloseIdleConnections()
	return hasCondition(client, r.Address+"/api/v1/nodes/"+clusterName, "Ready") &&
		hasCondition(client, r.Address+"/apis/apps/v1/namespaces/kube-system/deployments/coredns", "Available")
}

// kubeconfig is as much of such a file as a node of the lab writes.
type kubeconfig struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Clusters   []struct {
		Name    string `json:"name"`
		Cluster struct {
			Server string `json:"server"`
			CA     []byte `json:"certificate-authority-data"`
		} `json:"cluster"`
	} `json:"clusters"`
	Users []struct {
		Name string `json:"name"`
		User struct {
			Certificate []byte `json:"client-certificate-data"`
			Key         []byte `json:"client-key-data"`
		} `json:"user"`
	} `json:"users"`
	Contexts []struct {
		Name    string `json:"name"`
		Context struct {
			Cluster string `json:"cluster"`
			User    string `json:"user"`
		} `json:"context"`
	} `json:"contexts"`
	CurrentContext string `json:"current-context"`
}

func parseKubeconfig(content []byte) (*kubeconfig, error) {
	k := &kubeconfig{}
	if err := json.Unmarshal(content, k); err != nil {
		return nil, err
	}
	if len(k.Clusters) != 1 || len(k.Users) != 1 || len(k.Contexts) != 1 {
		return nil, fmt.Errorf("a kubeconfig with %d clusters, %d users and %d contexts where one of each was written",
			len(k.Clusters), len(k.Users), len(k.Contexts))
	}
	return k, nil
}

// machineKubeconfig is the node's kubeconfig for use on the machine, under names that can stand beside
// others in one file.
func machineKubeconfig(written []byte, server string) ([]byte, error) {
	k, err := parseKubeconfig(written)
	if err != nil {
		return nil, err
	}
	k.Clusters[0].Name, k.Clusters[0].Cluster.Server = clusterName, server
	k.Users[0].Name = clusterName
	k.Contexts[0].Name, k.Contexts[0].Context.Cluster, k.Contexts[0].Context.User = clusterName, clusterName, clusterName
	k.CurrentContext = clusterName
	return json.MarshalIndent(k, "", "  ")
}

func kubeconfigClient(path string) (*http.Client, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	k, err := parseKubeconfig(content)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(k.Users[0].User.Certificate, k.Users[0].User.Key)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(k.Clusters[0].Cluster.CA)
	// No proxy of the machine stands between it and itself.
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
	}}, nil
}

func hasCondition(client *http.Client, url, kind string) bool {
	resp, err := client.Get(url)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var object struct {
		Status struct {
			Conditions []struct{ Type, Status string }
		}
	}
	if resp.StatusCode != http.StatusOK || json.NewDecoder(resp.Body).Decode(&object) != nil {
		return false
	}
	for _, c := range object.Status.Conditions {
		if c.Type == kind {
			return c.Status == "True"
		}
	}
	return false
}
