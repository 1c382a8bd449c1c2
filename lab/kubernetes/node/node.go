package node

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// How long a start may take before something must be wrong, on a machine that is busy besides.
const (
	apiPatience  = 3 * time.Minute
	nodePatience = 2 * time.Minute
	stopPatience = 3 * time.Second
)

//go:embed coredns.yaml
var corednsManifests string

// Run is the node: it starts the cluster and returns when it is told to stop or a component ends.
func Run(args []string) error {
	begin := time.Now()
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	c, err := prepare(o)
	if err != nil {
		return err
	}
	defer c.stop(stopPatience)
	started := make(chan error, 1)
	go func() { started <- c.start(ctx, begin) }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-c.ends:
			if ctx.Err() != nil {
				return nil
			}
			return c.failure(e)
		case err := <-started:
			if err != nil && ctx.Err() == nil {
				// The end of a component is the better story where there is one.
				select {
				case e := <-c.ends:
					return c.failure(e)
				case <-time.After(200 * time.Millisecond):
					return err
				}
			}
		}
	}
}

func prepare(o *options) (*cluster, error) {
	link, err := findUplink()
	if err != nil {
		return nil, err
	}
	if err := link.check(); err != nil {
		return nil, err
	}
	c := &cluster{options: o, uplink: link}
	if c.self, err = os.Executable(); err != nil {
		return nil, err
	}
	// etcd insists that nobody else can read it.
	if err := os.MkdirAll(c.dir("server", "db", "etcd"), 0o700); err != nil {
		return nil, err
	}
	if o.snapshotter == "overlayfs" {
		if err := tryOverlay(o.data); err != nil {
			return nil, err
		}
	}
	// Those of an earlier run would look as if this one were up.
	for _, stale := range []string{o.kubeconfig, c.dir("ready")} {
		if err := os.Remove(stale); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	resolv, err := os.ReadFile("/etc/resolv.conf")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	forPods, _ := podResolvConf(string(resolv))
	if err := os.WriteFile(filepath.Join(runDir, "resolv.conf"), []byte(forPods), 0o644); err != nil {
		return nil, err
	}
	if err := c.certificates(); err != nil {
		return nil, err
	}
	c.supervisor, err = newSupervisor(c.dir("log"))
	return c, err
}

func (c *cluster) certificates() (err error) {
	if c.authority, err = openAuthority(c.dir("server", "tls")); err != nil {
		return err
	}
	err = c.authority.serve("kube-apiserver", append([]string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		"localhost", c.node, "127.0.0.1", "::1", apiService, c.address.String(),
	}, c.names...)...)
	if err != nil {
		return err
	}
	for _, client := range []struct{ name, user, group string }{
		{"admin", "system:admin", "system:masters"},
		{"kube-apiserver-kubelet", "kube-apiserver", "system:masters"},
		{"kube-controller-manager", "system:kube-controller-manager", ""},
		{"kube-scheduler", "system:kube-scheduler", ""},
		{"kube-proxy", "system:kube-proxy", ""},
		{"kubelet", "system:node:" + c.node, "system:nodes"},
		{"front-proxy", "front-proxy", ""},
	} {
		var groups []string
		if client.group != "" {
			groups = append(groups, client.group)
		}
		if _, err := c.authority.client(client.name, c.server(), client.user, groups...); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) start(ctx context.Context, begin time.Time) error {
	passed := func(what string) { say("%s after %.1f s", what, time.Since(begin).Seconds()) }
	for _, start := range []func() error{c.startEtcd, c.startContainerd, c.startAPIServer} {
		if err := start(); err != nil {
			return err
		}
	}
	images := make(chan error, 1)
	go func() {
		err := await(ctx, nodePatience, "containerd", func() bool { return answers(containerdSocket) })
		if err == nil {
			err = c.importImages()
		}
		images <- err
	}()
	api, err := newAPI(c.server(), c.authority)
	if err != nil {
		return err
	}
	if err := await(ctx, apiPatience, "the API server", func() bool { return api.ready(ctx) }); err != nil {
		return err
	}
	passed("API server ready")
	if err := c.publish(); err != nil {
		return err
	}
	if err := c.startControllers(); err != nil {
		return err
	}
	if err := <-images; err != nil {
		return err
	}
	if err := api.forgetReady(ctx, c.node); err != nil {
		return err
	}
	if err := c.startKubelet(); err != nil {
		return err
	}
	if err := c.startProxy(); err != nil {
		return err
	}
	if err := c.applyDNS(ctx, api); err != nil {
		return err
	}
	err = await(ctx, nodePatience, "the node", func() bool {
		return api.condition(ctx, "/api/v1/nodes/"+c.node, "Ready")
	})
	if err != nil {
		return err
	}
	passed("node Ready")
	if err := await(ctx, nodePatience, "the name service", func() bool { return resolves(ctx) }); err != nil {
		return err
	}
	passed("name service ready")
	return os.WriteFile(c.dir("ready"), nil, 0o600)
}

// resolves asks the cluster's name service as pods do, through its service address.
func resolves(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(dnsService, "53"))
	}}
	addresses, err := resolver.LookupHost(ctx, "kubernetes.default.svc.cluster.local.")
	return err == nil && slices.Contains(addresses, apiService)
}

// publish hands out the administrator's kubeconfig, which says to whoever waits that the cluster is up.
func (c *cluster) publish() error {
	content, err := os.ReadFile(c.authority.path("admin.kubeconfig"))
	if err != nil {
		return err
	}
	dir := filepath.Dir(c.kubeconfig)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, ".kubeconfig-")
	if err != nil {
		return err
	}
	_, err = tmp.Write(content)
	err = errors.Join(err, tmp.Chmod(c.kubeconfigMode), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), c.kubeconfig)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", c.kubeconfig, err), os.Remove(tmp.Name()))
	}
	return nil
}

func (c *cluster) applyDNS(ctx context.Context, api *api) error {
	resolv, err := os.ReadFile(filepath.Join(runDir, "resolv.conf"))
	if err != nil {
		return err
	}
	hosts, err := os.ReadFile("/etc/hosts")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	forward := ""
	if _, some := podResolvConf(string(resolv)); some {
		forward = "forward . /etc/resolv.conf"
	}
	names := fmt.Sprintf("%s %s\n%s", c.address, c.node, podHosts(string(hosts)))
	config := fnv.New64a()
	fmt.Fprint(config, forward, names, string(resolv))
	manifests := strings.NewReplacer(
		"@DNS@", dnsService,
		"@IMAGE@", corednsImage,
		"@FORWARD@", forward,
		"@HOSTS@", strings.ReplaceAll(strings.TrimSpace(names), "\n", "\n    "),
		"@CONFIG@", fmt.Sprintf("%x", config.Sum64()),
	).Replace(corednsManifests)
	return api.apply(ctx, manifests)
}

func answers(socket string) bool {
	c, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return false
	}
	return c.Close() == nil
}

// await polls until done, at most for patience.
func await(ctx context.Context, patience time.Duration, what string, done func() bool) error {
	deadline := time.Now().Add(patience)
	for !done() {
		if time.Now().After(deadline) {
			return fmt.Errorf("%s was not ready after %s", what, patience)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}
