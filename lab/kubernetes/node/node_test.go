package node

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestOptions(t *testing.T) {
	o, err := parseOptions([]string{
		"--write-kubeconfig", "/shared/kubeconfig", "--write-kubeconfig-mode=644",
		"--tls-san=cluster", "--tls-san", "10.0.0.1,host.example", "--https-listen-port=7443", "--node-name=one",
		"-d", "/state", "--private-registry=/r.yaml", "--snapshotter=native",
		"--disable=traefik,servicelb", "--disable", "metrics-server", "--disable-network-policy",
		"--flannel-backend=none", "--egress-selector-mode=disabled",
		"--kubelet-arg=v=2", "--kube-apiserver-arg=audit-log-path=-",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &options{
		kubeconfig: "/shared/kubeconfig", kubeconfigMode: 0o644, names: []string{"cluster", "10.0.0.1", "host.example"},
		port: 7443, bind: "0.0.0.0", node: "one", data: "/state", registries: "/r.yaml", snapshotter: "native",
		kubeletArgs: []string{"--v=2"}, apiserverArgs: []string{"--audit-log-path=-"},
	}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("got  %+v\nwant %+v", o, want)
	}
	if o.server() != "https://127.0.0.1:7443" {
		t.Error(o.server())
	}
	defaults, err := parseOptions(nil)
	if err != nil || defaults.kubeconfig != "/etc/rancher/k3s/k3s.yaml" || defaults.kubeconfigMode != 0o600 || defaults.port != 6443 {
		t.Errorf("%+v %v", defaults, err)
	}
	if short, err := parseOptions([]string{"-o", "/k"}); err != nil || short.kubeconfig != "/k" {
		t.Errorf("%+v %v", short, err)
	}
	for _, bad := range []string{
		"--no-such-flag", "stray", "--snapshotter=zfs", "--https-listen-port=0", "--bind-address=here",
		"--write-kubeconfig-mode=9", "--node-name=Not_A_Name", "--kubelet-arg=--v=2", "--kubelet-arg=",
	} {
		if _, err := parseOptions([]string{bad}); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

func hosts(t *testing.T, yaml string) (*registries, map[string]string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "registries.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := readRegistries(path)
	if err != nil {
		return nil, nil, err
	}
	files, err := r.hosts()
	return r, files, err
}

func TestRegistries(t *testing.T) {
	r, got, err := hosts(t, `
mirrors:
  docker.io: {endpoint: ["http://127.0.0.1:5000", "https://mirror.example/v2/proxy/"]}
  registry:5000: {endpoint: ["http://registry:5000"]}
  "*": {endpoint: ["https://mirror.example"]}
configs:
  mirror.example:
    tls: {insecure_skip_verify: true}
    auth: {username: me, password: "a\"b"}
  plain.example:
    tls: {ca_file: /ca.pem}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"docker.io/hosts.toml": `server = "https://registry-1.docker.io"

[host."http://127.0.0.1:5000"]
  capabilities = ["pull", "resolve"]

[host."https://mirror.example/v2/proxy"]
  capabilities = ["pull", "resolve"]
  override_path = true
  skip_verify = true
`,
		"registry:5000/hosts.toml": `server = "http://registry:5000"

[host."http://registry:5000"]
  capabilities = ["pull", "resolve"]
`,
		"_default/hosts.toml": `
[host."https://mirror.example"]
  capabilities = ["pull", "resolve"]
  skip_verify = true
`,
		"plain.example/hosts.toml": `server = "https://plain.example"
ca = "/ca.pem"
`,
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("%s:\n%s", name, got[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("files: %v", slices.Sorted(maps.Keys(got)))
	}
	auth := r.credentials()
	for _, s := range []string{`registry.configs."mirror.example".auth]`, `username = "me"`, `password = "a\"b"`} {
		if !strings.Contains(auth, s) {
			t.Errorf("%s is missing from %s", s, auth)
		}
	}
	for _, bad := range []string{
		"mirrors: {a: {endpoint: [registry:5000]}}",
		"mirrors: {a: {endpoint: [ftp://registry]}}",
		"mirrors: {a: {rewrite: {x: y}}}",
		"mirror: {}",
	} {
		if _, _, err := hosts(t, bad); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
	if r, err := readRegistries("/no/such/file"); err != nil || len(r.Mirrors) != 0 {
		t.Errorf("without the file: %v %v", r, err)
	}
}

func TestHierarchies(t *testing.T) {
	got := hierarchies("9:name=systemd:/\n4:memory:/app/1\n2:cpu,cpuacct:/../other\n0::/\n")
	want := []hierarchy{
		{"/sys/fs/cgroup/systemd", "none,name=systemd", "/"},
		{"/sys/fs/cgroup/memory", "memory", "/app/1"},
		{"/sys/fs/cgroup/cpu,cpuacct", "cpu,cpuacct", "/"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("version 1: %+v", got)
	}
	if g := want[1].group("k3s-1"); g != "/sys/fs/cgroup/memory/app/1/k3s-1" {
		t.Error(g)
	}
	got = hierarchies("0::/init\n")
	if len(got) != 1 || !got[0].unified() || got[0].group("k3s-1") != "/sys/fs/cgroup/k3s-1" {
		t.Errorf("version 2: %+v", got)
	}
}

// A directory of files stands in for a version 2 group; the kernel's part is played by whoever reads
// what was written.
func TestDelegateChangesNothingThatIsDone(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) string {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	write("cgroup.controllers", "cpuset cpu memory pids\n")
	write("cgroup.subtree_control", "cpuset cpu memory pids\n")
	write("cgroup.procs", "1\n7\n")
	if err := delegate(dir); err != nil {
		t.Fatal(err)
	}
	if got := read("cgroup.subtree_control"); got != "cpuset cpu memory pids\n" {
		t.Errorf("control written again: %q", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "init")); err == nil {
		t.Error("processes moved although the caller had done all there is to do")
	}
	write("cgroup.subtree_control", "cpu\n")
	if err := delegate(dir); err != nil {
		t.Fatal(err)
	}
	if got := read("cgroup.subtree_control"); got != "+cpuset +memory +pids" {
		t.Errorf("control: %q", got)
	}
}

func TestNetwork(t *testing.T) {
	const routes = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
		"eth1\t0000570A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n" +
		"eth1\t00000000\t0100570A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
	if got := defaultInterface(routes); got != "eth1" {
		t.Errorf("default route by %q", got)
	}
	conf, some := podResolvConf("search a.b\nnameserver 127.0.0.11\nnameserver 10.87.0.1\noptions ndots:0\n")
	if !some || conf != "search a.b\nnameserver 10.87.0.1\noptions ndots:0\n" {
		t.Errorf("%v %q", some, conf)
	}
	if _, some := podResolvConf("nameserver 127.0.0.53\n"); some {
		t.Error("pods are told to ask themselves")
	}
	if got := podHosts("127.0.0.1 localhost\n::1 ip6\n10.87.0.5\tregistry alias # bound\nff02::1 all\n"); got != "10.87.0.5 registry alias\n" {
		t.Errorf("%q", got)
	}
}

func TestAuthorityStaysAndNamesAreNew(t *testing.T) {
	dir := t.TempDir()
	verify := func(name string) (ca []byte, err error) {
		a, err := openAuthority(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.serve("kube-apiserver", name, "127.0.0.1"); err != nil {
			t.Fatal(err)
		}
		pair, err := tls.LoadX509KeyPair(a.path("kube-apiserver.crt"), a.path("kube-apiserver.key"))
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(a.pem)
		_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name})
		return a.pem, err
	}
	first, err := verify("cluster")
	if err != nil {
		t.Error(err)
	}
	second, err := verify("other")
	if err != nil {
		t.Error(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("the authority is another one after a restart, so kubeconfigs handed out are void")
	}
}
