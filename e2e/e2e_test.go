// Package e2e holds Slipway's promises as scripts, one promise a script: what a
// user types and what must come of it, against a real engine and a real
// registry. The scripts are in testdata/script, in the language of testscript;
// those of the deploy engine alone are in testdata/rollout, see TestRollout.
//
// Beside testscript's own commands the former know:
//
//	exec daggerw …    dagger, on the engine that daggerw finds
//	checkout DIR      copies this repository's files (not its history) into DIR
//	registry [auth] [tls] [immutable] [refusing] | registry referrers
//	                  starts a registry on a free port of this machine and sets
//	                  $REGISTRY to localhost:port, $REGISTRY_PORT to the port and
//	                  $REGISTRY_LAN to the address that containers reach; with auth
//	                  it wants user "ann", password "let-me-in"; with tls it calls
//	                  itself registry.test, signed by registry/ca.pem alone; with
//	                  immutable no tag moves; with refusing it takes no manifest about
//	                  another one, which is what a signature is; with
//	                  referrers it has their API, which distribution has not
//	modproxy          starts a proxy for Go modules that wants a password, and sets $MODPROXY
//	                  to its address; modproxy/ has ca.pem, a netrc with the password, one
//	                  with a wrong one, and the go.sum of the module private.test/priv
//	gitserver [PORT]  serves the repositories below $WORK/git and sets $GIT to the host:port
//	                  that the engine reaches
//	forget            empties the registry that runs
//	engine NAME       goes on with another engine of the lab, whose state is empty
//	retry CMD …       repeats a program until it succeeds, for three minutes at most
//	cluster           has the lab's cluster run on this machine and sets
//	                  $KUBECONFIG, whose server is on 127.0.0.1; $API_SERVER to the
//	                  way there; $REGISTRY to the lab's registry, from which the
//	                  cluster's node pulls; $NS to a namespace of the script's
//	                  own; $ENGINE to the directory of the engine's state and log
//	slipway […] FUNCTION … calls a function with this kubeconfig, API server and
//	                  namespace, and with the settings before its name; $MANIFESTS
//	                  and $SOURCE, when set, replace the module's own
//	capture NAME      sets $NAME to what the last command printed
//	serves VERSION    fails unless every pod behind the release's Service says it
//	                  is of this version
//	gateway NAME      forwards a free port of this machine to the API server and sets
//	                  $NAME to the way there; "gateway -cut NAME" cuts it
//	key NAME          makes a pair of keys, NAME.key and NAME.pub
//
// and the condition [lab], which holds where daggerw uses the lab.
package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/rogpeppe/go-internal/testscript"
)

// scriptLimit is for all scripts together, on a machine whose caches are empty.
const scriptLimit = 45 * time.Minute

// retryLimit is as long as a throwaway cluster takes to start on a busy machine, and more.
const retryLimit = 3 * time.Minute

func TestPromises(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(filepath.Join(root, "daggerw"), filepath.Join(bin, "daggerw")); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "github.com/distribution/distribution/v3/cmd/registry")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the registry: %v\n%s", err, out)
	}

	testscript.Run(t, testscript.Params{
		Dir:      filepath.Join("testdata", "script"),
		Deadline: time.Now().Add(scriptLimit),
		Condition: func(condition string) (bool, error) {
			if condition != "lab" {
				return false, fmt.Errorf("unknown condition %q", condition)
			}
			return usesLab(), nil
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			env.Setenv("MODULE", root)
			env.Values[gateways] = map[string]func(){}
			// What daggerw needs to find the engine that the user has, and its caches.
			for _, name := range []string{"HOME", "XDG_CACHE_HOME", "SLIPWAY_ENGINE", "SLIPWAY_LAB", "DOCKER_HOST", "_EXPERIMENTAL_DAGGER_RUNNER_HOST"} {
				if value, ok := os.LookupEnv(name); ok {
					env.Setenv(name, value)
				}
			}
			for name, value := range map[string]string{"DAGGER_PROGRESS": "plain", "DAGGER_NO_NAG": "1", "NO_COLOR": "1"} {
				env.Setenv(name, value)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"checkout":  func(ts *testscript.TestScript, neg bool, args []string) { checkout(ts, root, args[0]) },
			"registry":  startRegistry,
			"gitserver": startGit,
			"engine":    func(ts *testscript.TestScript, neg bool, args []string) { engine(ts, root, args[0]) },
			"forget":    forget,
			"retry":     retry,
			"cluster":   func(ts *testscript.TestScript, neg bool, args []string) { cluster(ts, root) },
			"slipway":   slipway,
			"capture": func(ts *testscript.TestScript, neg bool, args []string) {
				ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
			},
			"serves":   func(ts *testscript.TestScript, neg bool, args []string) { serves(ts, "hello", args[0]) },
			"gateway":  gateway,
			"key":      makeKey,
			"modproxy": modproxy,
		},
	})
}

// usesLab says whether daggerw uses the lab on this machine.
func usesLab() bool {
	_, err := exec.LookPath("dagger")
	return os.Getenv("SLIPWAY_ENGINE") == "lab" || os.Getenv("SLIPWAY_ENGINE") == "" && err != nil
}

func checkout(ts *testscript.TestScript, root, dir string) {
	list := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
	list.Dir = root
	out, err := list.Output()
	ts.Check(err)
	for file := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join(root, file))
		ts.Check(err)
		target := filepath.Join(ts.MkAbs(dir), file)
		ts.Check(os.MkdirAll(filepath.Dir(target), 0o755))
		ts.Check(os.WriteFile(target, data, 0o755))
	}
}

// htpasswd is ann:let-me-in, which is all this registry ever guards.
const htpasswd = "ann:$2a$04$.f/XOtOSwrmgr5u91rrWYuAdrvmaVScYShi3bBAEZ/cl6HKHQ4xCW"

func startRegistry(ts *testscript.TestScript, _ bool, args []string) {
	listener, err := net.Listen("tcp", ":0")
	ts.Check(err)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	ts.Check(err)
	if slices.Contains(args, "referrers") {
		server := &http.Server{Handler: registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0)))}
		go func() { _ = server.Serve(listener) }() // It ends with the script.
		ts.Defer(func() { _ = server.Close() })
		ts.Setenv("REGISTRY", net.JoinHostPort("localhost", port))
		return
	}
	ts.Check(listener.Close())

	dir := ts.MkAbs("registry")
	ts.Check(os.MkdirAll(dir, 0o755))
	config := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s/data}}\nhttp: {addr: \":%s\"}\n", dir, port)
	if slices.Contains(args, "tls") {
		writeCertificate(ts, dir)
		config = strings.TrimSuffix(config, "}\n") + fmt.Sprintf(", tls: {certificate: %s/ca.pem, key: %[1]s/key.pem}}\n", dir)
	}
	if slices.Contains(args, "auth") {
		ts.Check(os.WriteFile(filepath.Join(dir, "htpasswd"), []byte(htpasswd), 0o600))
		config += fmt.Sprintf("auth: {htpasswd: {realm: e2e, path: %s/htpasswd}}\n", dir)
	}
	file := filepath.Join(dir, "config.yml")
	ts.Check(os.WriteFile(file, []byte(config), 0o600))

	path, err := exec.LookPath(filepath.Join(strings.Split(ts.Getenv("PATH"), string(os.PathListSeparator))[0], "registry"))
	ts.Check(err)
	cmd := exec.Command(path, "serve", file)
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	address := net.JoinHostPort("localhost", port)
	await(ts, address)
	for kind, refuses := range map[string]refusal{"immutable": movesTag, "refusing": isArtifact} {
		if slices.Contains(args, kind) {
			address, port = refusing(ts, address, refuses)
		}
	}
	ts.Setenv("REGISTRY", address)
	ts.Setenv("REGISTRY_PORT", port)
	ts.Setenv("REGISTRY_LAN", net.JoinHostPort(lanAddress(ts), port))
}

// await waits until a registry listens.
func await(ts *testscript.TestScript, address string) {
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			ts.Check(conn.Close())
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("the registry did not listen on %s within 30 s", address)
		}
	}
}

// writeCertificate makes a certificate that vouches for itself, as a private authority's does.
func writeCertificate(ts *testscript.TestScript, dir string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"registry.test"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(lanAddress(ts))}, IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	for name, block := range map[string]*pem.Block{
		"ca.pem":  {Type: "CERTIFICATE", Bytes: certificate},
		"key.pem": {Type: "PRIVATE KEY", Bytes: private},
	} {
		ts.Check(os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600))
	}
}

// lanAddress is this machine's address on the network, which is not asked: a
// UDP socket sends nothing until it is written to.
func lanAddress(ts *testscript.TestScript) string {
	conn, err := net.Dial("udp", "192.0.2.1:9")
	ts.Check(err)
	defer conn.Close()
	host, _, err := net.SplitHostPort(conn.LocalAddr().String())
	ts.Check(err)
	return host
}

func forget(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(os.RemoveAll(filepath.Join(ts.MkAbs("registry"), "data")))
}

func engine(ts *testscript.TestScript, root, name string) {
	ts.Setenv("SLIPWAY_LAB", name)
	clean := func() error {
		cmd := exec.Command(filepath.Join(root, "lab", "run"), "clean")
		cmd.Env = append(os.Environ(), "SLIPWAY_LAB="+name)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	ts.Check(clean())
	ts.Defer(func() { ts.Check(clean()) })
}

func retry(ts *testscript.TestScript, _ bool, args []string) {
	var err error
	for deadline := time.Now().Add(retryLimit); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if err = ts.Exec(args[0], args[1:]...); err == nil {
			return
		}
	}
	ts.Fatalf("%s did not succeed within %s: %v", strings.Join(args, " "), retryLimit, err)
}
