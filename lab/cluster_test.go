package main

import (
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestClusterPullsUnderTheMachinesNames(t *testing.T) {
	got := clusterSpec{Registry: "127.0.0.1:5001", Registries: []string{"registry.k8s.io", "docker.io", "docker.io"}}.registries()
	want := `mirrors:
  "127.0.0.1:5001":
    endpoint: ["http://127.0.0.1:5001"]
  "docker.io":
    endpoint: ["http://127.0.0.1:5001"]
  "registry.k8s.io":
    endpoint: ["http://127.0.0.1:5001"]
`
	if got != want {
		t.Errorf("got:\n%s", got)
	}
}

func TestMachineKubeconfig(t *testing.T) {
	written := `{"apiVersion":"v1","kind":"Config","current-context":"default",
"clusters":[{"name":"default","cluster":{"server":"https://127.0.0.1:6443","certificate-authority-data":"Y2E="}}],
"users":[{"name":"default","user":{"client-certificate-data":"Y2VydA==","client-key-data":"a2V5"}}],
"contexts":[{"name":"default","context":{"cluster":"default","user":"default"}}]}`
	own, err := machineKubeconfig([]byte(written), "https://127.0.0.1:40001")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"server": "https://127.0.0.1:40001"`, `"current-context": "slipway-lab"`, `"Y2E="`, `"Y2VydA=="`, `"a2V5"`} {
		if !strings.Contains(string(own), want) {
			t.Errorf("%s is missing from %s", want, own)
		}
	}
	if strings.Contains(string(own), `"default"`) {
		t.Errorf("a name that clashes with others is left in %s", own)
	}
	if _, err := machineKubeconfig([]byte(written[:40]), "https://127.0.0.1:40001"); err == nil {
		t.Error("half a file is taken for a whole one")
	}
}

func TestDialFromAnotherNetwork(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may change networks")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, _ = io.WriteString(c, "hello")
			c.Close()
		}
	}()
	network, err := os.Open("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer network.Close()
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer front.Close()
	go carry(front, func() (net.Conn, error) { return dialFrom(network, l.Addr().String()) })
	c, err := net.Dial("tcp", front.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := io.ReadAll(c); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestNode runs the tests of the node's own package, which ./... leaves out because it belongs to the
// module that has all of Kubernetes. It imports none of that.
func TestNode(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "test", "./node")
	cmd.Dir = "kubernetes"
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
