package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"sigs.k8s.io/yaml"
)

// rolloutTimeout is that of each deploy whose script says nothing of it.
const rolloutTimeout = 120 // seconds

// isolate runs a program as its container does: with a tmpfs of its own for kubectl, and
// with its end all that it started ends.
const isolate = `#!/bin/sh
exec unshare --mount --pid --fork --kill-child=KILL --mount-proc sh -c '
	mkdir -p /run/slipway && mount -t tmpfs slipway /run/slipway && export HOME=/run/slipway && exec %s "$@"' sh "$@"
`

// TestRollout runs the scripts in testdata/rollout: the deploy engine itself against the
// lab's cluster, without Dagger around it. Each has a namespace of its own, which is the
// default of its kubectl, so that many can run at once:
//
//	go test -C e2e -run Rollout -parallel 4 -timeout 40m .
//
// The engine is built from this repository, or is the program that $SLIPWAY_ROLLOUT names:
// with an older one, a script shows what was wrong.
//
// In $WORK/s are the manifests of S (testdata/subject/s.yaml), a Deployment and a Service
// of the program in testdata/subject. $IMAGE and $IMAGE2 are its versions 1.0.0 and 2.0.0
// by digest, $TAGGED the first by tag; $MISSING is no image.
//
// Beside testscript's own commands the scripts know:
//
//	rollout COMMAND [DIR…] [flags]
//	                  runs the engine with all *.yaml of the directories, in which $NAME
//	                  stands for the script's variable, $IMAGE for --image; of two objects of
//	                  one name the later counts. Flags are those of dagger call, and
//	                  --kubeconfig FILE, --port, --revision, --tail, --version, and --within
//	                  DURATION, which it must not exceed. For status 3 use "! rollout"
//	request FILE [DIR…] [flags]
//	                  writes what the engine reads, for "exec rollout COMMAND FILE &name&"
//	render FILE DIR…  writes the objects alone, for kubectl
//	layout DIR NAME   writes $IMAGE or $IMAGE2, as NAME says, to a directory as an index, and
//	                  sets $CARRIED to its name once it is carried in
//	says PATTERN      the last command's output, standard error included, matches
//	serves VERSION    fails unless every pod behind Service s is of this version
//	eventually PATTERN CMD…
//	                  repeats a program until its output matches, for a minute at most
//	retry CMD…        repeats a program until it succeeds, for a minute at most
//	capture NAME      sets $NAME to what the last command printed
//	signal NAME       sends STOP, CONT, INT, … to the engine that runs in the background
//	faults            starts a proxy before the API server; $FAULTY is a kubeconfig for it
//	fault add METHOD PATH-REGEXP STATUS TIMES [AFTER [MESSAGE…]]
//	                  has TIMES of the requests answered with a status, after AFTER others,
//	                  or cut off after half a second if it is 0;
//	                  METHOD is one of HTTP's, ANY, or WRITE, which is neither a dry run nor a
//	                  question; the path is matched with its query
//	fault count METHOD PATH-REGEXP
//	                  prints the number of such requests
//	fault latency DURATION, fault prefix PATH
//	                  delays each request; serves only below a path, which $FAULTY has then
//	fault plain       has discovery answer as an old API server does, kind by kind
//	fault cut, fault heal, fault clear
//	                  ends and refuses connections; ends that; forgets rules and requests
func TestRollout(t *testing.T) {
	if !usesLab() {
		t.Skip("needs the lab's cluster")
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	engine := os.Getenv("SLIPWAY_ROLLOUT")
	if engine == "" {
		engine = filepath.Join(dir, "rollout")
		build := exec.CommandContext(t.Context(), "go", "build", "-C", filepath.Join(root, ".dagger", "helpers"), "-o", engine, "./cmd/rollout")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build the engine: %v\n%s", err, out)
		}
	}
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "rollout"), fmt.Appendf(nil, isolate, engine), 0o755); err != nil {
		t.Fatal(err)
	}
	lab, err := startCluster(root)
	if err != nil {
		t.Fatal(err)
	}
	images, err := pushSubject(t.Context(), dir, lab.registry)
	if err != nil {
		t.Fatal(err)
	}
	manifests, err := os.ReadFile(filepath.Join("testdata", "subject", "s.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "rollout"),
		Setup: func(env *testscript.Env) error {
			ns := newNamespace()
			env.Defer(func() { lab.clean(t, ns) })
			env.Values[faultsKey] = new(*faults)
			s := filepath.Join(env.WorkDir, "s")
			if err := os.MkdirAll(s, 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(s, "s.yaml"), manifests, 0o600); err != nil {
				return err
			}
			kubeconfig := filepath.Join(env.WorkDir, "kubeconfig")
			for name, value := range map[string]string{
				"PATH":       strings.Join([]string{bin, filepath.Dir(lab.kubectl), os.Getenv("PATH")}, string(os.PathListSeparator)),
				"HOME":       env.WorkDir,
				"KUBECONFIG": kubeconfig,
				"REGISTRY":   lab.registry,
				"NS":         ns,
				"IMAGE":      images.one, "IMAGE2": images.two, "TAGGED": images.tagged, "MISSING": images.missing,
			} {
				env.Setenv(name, value)
			}
			return lab.writeKubeconfig(kubeconfig, ns)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"rollout":    runRollout,
			"request":    writeRequest,
			"render":     writeObjects,
			"layout":     writeLayout,
			"says":       says,
			"serves":     func(ts *testscript.TestScript, _ bool, args []string) { serves(ts, "s", args[0]) },
			"eventually": eventually,
			"retry":      retry,
			"capture": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
			},
			"signal": sendSignal,
			"faults": func(ts *testscript.TestScript, _ bool, _ []string) { startScriptFaults(ts, lab) },
			"fault":  fault,
		},
	})
}

// callOf is the call that a script's line describes.
func callOf(ts *testscript.TestScript, args []string) call {
	c, err := parseCall(args, call{
		request: request{
			Release: "s", Namespace: ts.Getenv("NS"), Image: ts.Getenv("IMAGE"), Version: "1.0.0",
			Port: 8080, Smoke: defaultSmoke, Timeout: rolloutTimeout, Tail: 20,
			RegistryImage: "registry:3.1.1",
		},
		kubeconfig: ts.Getenv("KUBECONFIG"),
	})
	ts.Check(err)
	config, err := readKubeconfig(ts.MkAbs(c.kubeconfig))
	ts.Check(err)
	c.APIServer = config.server.Host
	return c
}

func runRollout(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: rollout COMMAND [DIR…] [flags]")
	}
	c := callOf(ts, args[1:])
	file := ts.MkAbs(".request.json")
	ts.Check(c.write(file, ts.MkAbs("."), ts.Getenv))
	start := time.Now()
	err := ts.Exec("env", "KUBECONFIG="+ts.MkAbs(c.kubeconfig), "rollout", args[0], file)
	took := time.Since(start)
	ts.Logf("rollout %s took %.1f s", args[0], took.Seconds())
	switch {
	case neg && err == nil:
		ts.Fatalf("rollout %s succeeded where it must not", args[0])
	case !neg && err != nil:
		ts.Fatalf("rollout %s failed: %v", args[0], err)
	case c.within > 0 && took > c.within:
		ts.Fatalf("rollout %s took longer than %s", args[0], c.within)
	}
}

func writeRequest(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: request FILE [DIR…] [flags]")
	}
	ts.Check(callOf(ts, args[1:]).write(ts.MkAbs(args[0]), ts.MkAbs("."), ts.Getenv))
}

func writeObjects(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: render FILE DIR…")
	}
	objects, _, err := renderDirs(ts.MkAbs("."), args[1:], ts.Getenv)
	ts.Check(err)
	var all bytes.Buffer
	for _, o := range objects {
		text, err := yaml.Marshal(o)
		ts.Check(err)
		fmt.Fprintf(&all, "---\n%s", text)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), all.Bytes(), 0o600))
}

func says(ts *testscript.TestScript, neg bool, args []string) {
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	found := pattern.FindString(ts.ReadFile("stdout") + "\n" + ts.ReadFile("stderr"))
	switch {
	case neg && found != "":
		ts.Fatalf("the output must not have %q, but says %q", args[0], found)
	case !neg && found == "":
		ts.Fatalf("the output does not say %q", args[0])
	}
}

func eventually(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: eventually PATTERN CMD…")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if err = ts.Exec(args[1], args[2:]...); err == nil && pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("%s did not print %q within a minute (%v)", strings.Join(args[1:], " "), args[0], err)
}

// signals are those that scripts send by name.
var signals = map[string]syscall.Signal{
	"STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT, "INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL,
}

// sendSignal signals the engine itself, which is the only child of what a script starts.
func sendSignal(ts *testscript.TestScript, _ bool, args []string) {
	running := ts.BackgroundCmds()
	if len(running) == 0 || len(args) != 1 || signals[args[0]] == 0 {
		ts.Fatalf("usage: signal STOP|CONT|INT|TERM|KILL, after exec rollout … &")
	}
	pid := running[len(running)-1].Process.Pid
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	ts.Check(err)
	children := strings.Fields(string(text))
	if len(children) != 1 {
		ts.Fatalf("the program in the background has the children %s, not one", children)
	}
	child, err := strconv.Atoi(children[0])
	ts.Check(err)
	ts.Check(syscall.Kill(child, signals[args[0]]))
}

// faultsKey is the key of a script's proxy among its values.
const faultsKey = "faults"

func startScriptFaults(ts *testscript.TestScript, lab labCluster) {
	config, err := readKubeconfig(lab.kubeconfig)
	ts.Check(err)
	transport, err := config.transport()
	ts.Check(err)
	f, err := startFaults(config.server, transport)
	ts.Check(err)
	ts.Defer(f.close)
	ts.Setenv("FAULTY", ts.MkAbs("faulty.kubeconfig"))
	ts.Check(f.write(ts.MkAbs("faulty.kubeconfig"), ts.Getenv("NS")))
	*ts.Value(faultsKey).(**faults) = f
}

func fault(ts *testscript.TestScript, _ bool, args []string) {
	f := *ts.Value(faultsKey).(**faults)
	if f == nil {
		ts.Fatalf("no proxy runs: start it with faults")
	}
	ts.Check(f.command(ts.Stdout(), args))
	ts.Check(f.write(ts.Getenv("FAULTY"), ts.Getenv("NS")))
}

func (f *faults) write(file, namespace string) error {
	text, err := f.kubeconfig(namespace)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

// writeKubeconfig writes the administrator's kubeconfig with another default namespace.
func (c labCluster) writeKubeconfig(file, namespace string) error {
	text, err := os.ReadFile(c.kubeconfig)
	if err != nil {
		return err
	}
	var config struct {
		Contexts []struct {
			Name    string         `json:"name"`
			Context map[string]any `json:"context"`
		} `json:"contexts"`
	}
	var whole map[string]any
	if err := errors.Join(yaml.Unmarshal(text, &config), yaml.Unmarshal(text, &whole)); err != nil {
		return err
	}
	for _, c := range config.Contexts {
		c.Context["namespace"] = namespace
	}
	whole["contexts"] = config.Contexts
	if text, err = yaml.Marshal(whole); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

// clean deletes what a script leaves: its namespaces, and what is named after them.
func (c labCluster) clean(t *testing.T, ns string) {
	kubectl := func(args ...string) string {
		cmd := exec.Command(c.kubectl, args...)
		cmd.Env = append(os.Environ(), "KUBECONFIG="+c.kubeconfig)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Logf("kubectl %s: %v: %s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	// Nothing is lost by a hard end, and a grace of minutes would outlive the test.
	kubectl("delete", "pods", "--all", "--namespace="+ns, "--grace-period=0", "--force", "--wait=false")
	for line := range strings.Lines(kubectl("get", "namespaces,customresourcedefinitions,persistentvolumes,apiservices,"+
		"validatingadmissionpolicies,validatingadmissionpolicybindings,clusterroles,clusterrolebindings", "--output=name")) {
		if name := strings.TrimSpace(line); strings.Contains(name, ns) {
			kubectl("delete", name, "--ignore-not-found", "--wait=false")
		}
	}
}

// kubeconfig is what the proxy needs of a kubeconfig with one cluster and one user.
type kubeconfig struct {
	server *url.URL

	Clusters []struct {
		Cluster struct {
			Server    string
			Authority []byte `json:"certificate-authority-data"`
		}
	}
	Users []struct {
		User struct {
			Certificate []byte `json:"client-certificate-data"`
			Key         []byte `json:"client-key-data"`
		}
	}
}

func readKubeconfig(file string) (kubeconfig, error) {
	var k kubeconfig
	text, err := os.ReadFile(file)
	if err != nil {
		return k, err
	}
	if err := yaml.Unmarshal(text, &k); err != nil {
		return k, fmt.Errorf("%s: %w", file, err)
	}
	if len(k.Clusters) != 1 || len(k.Users) != 1 {
		return k, fmt.Errorf("%s has %d clusters and %d users, not one of each", file, len(k.Clusters), len(k.Users))
	}
	k.server, err = url.Parse(k.Clusters[0].Cluster.Server)
	return k, err
}

// transport reaches the API server with the kubeconfig's certificate. It speaks HTTP/1.1,
// in which a connection can be upgraded.
func (k kubeconfig) transport() (http.RoundTripper, error) {
	certificate, err := tls.X509KeyPair(k.Users[0].User.Certificate, k.Users[0].User.Key)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(k.Clusters[0].Cluster.Authority) {
		return nil, errors.New("the kubeconfig's certificate authority is no PEM")
	}
	return &http.Transport{
		MaxIdleConnsPerHost: 64,
		TLSClientConfig:     &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: pool, MinVersion: tls.VersionTLS12},
	}, nil
}
