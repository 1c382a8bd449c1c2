// Package node runs a cluster of one node: it prepares mounts, control groups, certificates and
// configuration, starts Kubernetes' components and watches them.
package node

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// options are the flags of k3s server, under k3s's names and with its defaults.
type options struct {
	kubeconfig      string
	kubeconfigMode  fs.FileMode
	names           []string // beyond those the API server's certificate always has
	port            int
	bind            string
	node            string
	data            string
	registries      string
	snapshotter     string
	kubeletArgs     []string
	apiserverArgs   []string
	controllersArgs []string
}

var nodeName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)

func parseOptions(args []string) (*options, error) {
	o := &options{kubeconfigMode: 0o600}
	f := flag.NewFlagSet("k3s server", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	const kubeconfig = "/etc/rancher/k3s/k3s.yaml"
	f.StringVar(&o.kubeconfig, "write-kubeconfig", kubeconfig, "")
	f.StringVar(&o.kubeconfig, "o", kubeconfig, "")
	f.Func("write-kubeconfig-mode", "", func(s string) error {
		mode, err := strconv.ParseUint(s, 8, 9)
		o.kubeconfigMode = fs.FileMode(mode)
		return err
	})
	f.Func("tls-san", "", list(&o.names))
	f.IntVar(&o.port, "https-listen-port", 6443, "")
	f.StringVar(&o.bind, "bind-address", "0.0.0.0", "")
	f.StringVar(&o.node, "node-name", "", "")
	const data = "/var/lib/rancher/k3s"
	f.StringVar(&o.data, "data-dir", data, "")
	f.StringVar(&o.data, "d", data, "")
	f.StringVar(&o.registries, "private-registry", "/etc/rancher/k3s/registries.yaml", "")
	f.StringVar(&o.snapshotter, "snapshotter", "overlayfs", "")
	f.Func("kubelet-arg", "", argument(&o.kubeletArgs))
	f.Func("kube-apiserver-arg", "", argument(&o.apiserverArgs))
	f.Func("kube-controller-manager-arg", "", argument(&o.controllersArgs))
	// Of what these turn off or choose, this node has nothing.
	var ignored []string
	f.Func("disable", "", list(&ignored))
	for _, name := range []string{"flannel-backend", "egress-selector-mode"} {
		f.Func(name, "", list(&ignored))
	}
	for _, name := range []string{"disable-network-policy", "disable-cloud-controller", "disable-helm-controller"} {
		f.Bool(name, false, "")
	}
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.node == "" {
		name, err := os.Hostname()
		if err != nil {
			return nil, err
		}
		o.node = strings.ToLower(name)
	}
	if !nodeName.MatchString(o.node) {
		return nil, fmt.Errorf("--node-name %q: a node is named with lower-case letters, digits, dashes and dots", o.node)
	}
	if o.port < 1 || o.port > 65535 {
		return nil, fmt.Errorf("--https-listen-port %d is no port", o.port)
	}
	if _, err := netip.ParseAddr(o.bind); err != nil {
		return nil, fmt.Errorf("--bind-address: %w", err)
	}
	if !slices.Contains([]string{"overlayfs", "native"}, o.snapshotter) {
		return nil, fmt.Errorf("--snapshotter %q: there are overlayfs and native", o.snapshotter)
	}
	return o, nil
}

// list collects a flag that may be repeated and may hold several values.
func list(to *[]string) func(string) error {
	return func(s string) error {
		for v := range strings.SplitSeq(s, ",") {
			if v = strings.TrimSpace(v); v != "" {
				*to = append(*to, v)
			}
		}
		return nil
	}
}

func argument(to *[]string) func(string) error {
	return func(s string) error {
		if key, _, _ := strings.Cut(s, "="); key == "" || strings.HasPrefix(key, "-") {
			return errors.New("must be name=value, without dashes before it")
		}
		*to = append(*to, "--"+s)
		return nil
	}
}

// server is the URL under which the node itself reaches the API server.
func (o *options) server() string {
	host := netip.MustParseAddr(o.bind)
	if host.IsUnspecified() {
		host = netip.MustParseAddr("127.0.0.1")
	}
	return "https://" + netip.AddrPortFrom(host, uint16(o.port)).String()
}
