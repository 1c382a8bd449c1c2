package e2e

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// labCluster is the lab's cluster on this machine.
type labCluster struct {
	kubeconfig string // path of the administrator's
	server     string // host:port of the API server
	registry   string // host:port of the registry that the node pulls from
	kubectl    string // path of the lab's kubectl
}

var localServer = regexp.MustCompile(`server"?: "?https://(127\.0\.0\.1:\d+)`)

// startCluster has the lab's cluster run; when it does, that takes no time.
func startCluster(root string) (labCluster, error) {
	lab := func(args ...string) (string, error) {
		cmd := exec.Command(filepath.Join(root, "lab", "run"), args...)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("lab/run %s: %w", strings.Join(args, " "), err)
		}
		return strings.TrimSpace(string(out)), nil
	}
	var c labCluster
	if _, err := lab("cluster", "up"); err != nil {
		return c, err
	}
	for _, want := range []struct {
		field *string
		args  []string
	}{
		{&c.kubeconfig, []string{"cluster", "kubeconfig"}},
		{&c.registry, []string{"cluster", "registry"}},
		{&c.kubectl, []string{"exec", "sh", "-c", "command -v kubectl"}},
	} {
		var err error
		if *want.field, err = lab(want.args...); err != nil {
			return c, err
		}
	}
	text, err := os.ReadFile(c.kubeconfig)
	if err != nil {
		return c, err
	}
	server := localServer.FindSubmatch(text)
	if server == nil {
		return c, errors.New("the server of the lab's kubeconfig is not on 127.0.0.1")
	}
	c.server = string(server[1])
	return c, nil
}

func cluster(ts *testscript.TestScript, root string) {
	lab, err := startCluster(root)
	ts.Check(err)
	ts.Setenv("KUBECONFIG", lab.kubeconfig)
	ts.Setenv("REGISTRY", lab.registry)
	ts.Setenv("API_SERVER", "tcp://"+lab.server)
	cache, err := os.UserCacheDir()
	ts.Check(err)
	ts.Setenv("ENGINE", filepath.Join(cache, "slipway", "lab", "engines", cmp.Or(os.Getenv("SLIPWAY_LAB"), "default")))
	ts.Setenv("PATH", filepath.Dir(lab.kubectl)+string(os.PathListSeparator)+ts.Getenv("PATH"))
	ns := newNamespace()
	ts.Setenv("NS", ns)
	ts.Defer(func() {
		cmd := exec.Command(lab.kubectl, "delete", "namespace", ns, "--ignore-not-found", "--wait=false")
		cmd.Env = append(os.Environ(), "KUBECONFIG="+lab.kubeconfig)
		if out, err := cmd.CombinedOutput(); err != nil {
			ts.Logf("delete namespace %s: %v: %s", ns, err, out)
		}
	})
}

// newNamespace is a name that no other script has.
func newNamespace() string { return "e2e-" + strings.ToLower(rand.Text()[:8]) }

// slipway runs a function as a user of the cluster would; how long it took
// stands in the log.
func slipway(ts *testscript.TestScript, neg bool, args []string) {
	command := []string{"-m", ts.Getenv("MODULE"), "call",
		"--kubeconfig", "file:" + ts.Getenv("KUBECONFIG"), "--api-server", ts.Getenv("API_SERVER"), "--namespace", ts.Getenv("NS")}
	for name, flag := range map[string]string{"MANIFESTS": "--manifests", "SOURCE": "--source"} {
		value := ts.Getenv(name)
		if value == "" && name == "SOURCE" {
			value = ts.Getenv("MODULE")
		}
		if value != "" {
			command = append(command, flag, value)
		}
	}
	start := time.Now()
	err := ts.Exec("daggerw", append(command, args...)...)
	called := strings.Join(args, " ")
	ts.Logf("%s took %.1f s", called, time.Since(start).Seconds())
	if neg && err == nil {
		ts.Fatalf("%s succeeded where it must not", called)
	}
	if !neg {
		ts.Check(err)
	}
}

// serves asks a Service often enough that each of a few pods answers.
func serves(ts *testscript.TestScript, service, version string) {
	for range 8 {
		ts.Check(ts.Exec("kubectl", "get", "--raw", "/api/v1/namespaces/"+ts.Getenv("NS")+"/services/"+service+":80/proxy/version"))
		if out := ts.ReadFile("stdout"); !strings.Contains(out, `"version":"`+version+`"`) {
			ts.Fatalf("a pod that is not of version %s answers: %s", version, out)
		}
	}
}

// gateways is the key of a script's map of names to what cuts each gateway.
const gateways = "gateways"

func gateway(ts *testscript.TestScript, _ bool, args []string) {
	known := ts.Value(gateways).(map[string]func())
	if args[0] == "-cut" {
		known[args[1]]()
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	var mu sync.Mutex
	var open []io.Closer
	hold := func(c io.Closer) {
		mu.Lock()
		defer mu.Unlock()
		open = append(open, c)
	}
	hold(listener)
	target := strings.TrimPrefix(ts.Getenv("API_SERVER"), "tcp://")
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				client.Close()
				continue
			}
			hold(client)
			hold(server)
			pipe := func(to, from net.Conn) {
				_, _ = io.Copy(to, from)
				to.Close()
			}
			go pipe(server, client)
			go pipe(client, server)
		}
	}()
	known[args[0]] = sync.OnceFunc(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range open {
			c.Close()
		}
	})
	ts.Defer(known[args[0]])
	ts.Setenv(args[0], "tcp://"+listener.Addr().String())
}
