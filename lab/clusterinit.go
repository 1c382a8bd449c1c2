package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The node's address in a network that nothing else is in, and the services' range. There is no
// default route: what a pod wants from outside fails at once instead of after a timeout.
const (
	clusterAddress  = "10.44.0.2/24"
	clusterServices = "10.43.0.0/16"
)

// becomeCluster runs as the first process of new mount, PID, network, UTS and IPC namespaces. It
// starts k3s and carries connections between the cluster's network and the machine's. When it ends,
// however it does, the kernel ends everything else in there.
func becomeCluster(dir string) error {
	var spec clusterSpec
	if err := readJSON(filepath.Join(dir, "spec.json"), &spec); err != nil {
		return err
	}
	unix.CloseOnExec(3) // or every process of the node inherits it
	fromMachine, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	machine := os.NewFile(4, "network")
	unix.CloseOnExec(4)
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	if err := mountClusterRoot(spec); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(clusterName)); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		// Every kernel that runs pods has this kind of interface; nobody is at the other end.
		{"link", "add", "eth0", "type", "veth", "peer", "name", "nowhere"},
		{"link", "set", "nowhere", "up"},
		{"address", "add", clusterAddress, "dev", "eth0"},
		{"link", "set", "eth0", "up"},
		{"route", "add", clusterServices, "dev", "eth0"},
	} {
		if out, err := exec.CommandContext(ctx, "/sbin/ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	toRegistry, err := net.Listen("tcp", spec.Registry)
	if err != nil {
		return err
	}
	go carry(fromMachine, func() (net.Conn, error) { return net.Dial("tcp", "127.0.0.1:6443") })
	registry := &http.Server{
		Handler: pullOnly(spec.Registry, func(context.Context, string, string) (net.Conn, error) {
			return dialFrom(machine, spec.Registry)
		}),
		ReadHeaderTimeout: 30 * time.Second,
	}
	go func() { _ = registry.Serve(toRegistry) }() // it ends with the cluster

	k3s := exec.Command("/bin/k3s", "server", "--node-name="+clusterName, "--write-kubeconfig=/var/lib/rancher/kubeconfig")
	k3s.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "K3S_CGROUP=" + spec.Cgroup}
	k3s.Stdout, k3s.Stderr = os.Stdout, os.Stderr
	if err := k3s.Start(); err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		_ = k3s.Process.Signal(unix.SIGTERM)
	}()
	if err := k3s.Wait(); err != nil {
		return fmt.Errorf("k3s: %w", err)
	}
	os.Exit(0)
	return nil
}

// mountClusterRoot makes the image's root file system this process's root.
func mountClusterRoot(spec clusterSpec) error {
	root, state := filepath.Join(spec.Dir, "root"), filepath.Join(spec.Dir, "state")
	err := mountRoot(spec.Root, root, []mount{
		{"proc", "proc", "proc", 0},
		{"sysfs", "sys", "sysfs", 0},
		{"tmpfs", "sys/fs/cgroup", "tmpfs", 0},
		{"/dev", "dev", "", unix.MS_BIND | unix.MS_REC},
		{"tmpfs", "run", "tmpfs", 0},
		{"tmpfs", "tmp", "tmpfs", 0},
		{filepath.Join(state, "rancher"), "var/lib/rancher", "", unix.MS_BIND},
		{filepath.Join(state, "kubelet"), "var/lib/kubelet", "", unix.MS_BIND},
		{filepath.Join(state, "log"), "var/log", "", unix.MS_BIND},
	})
	if err != nil {
		return err
	}
	for name, content := range map[string]string{
		"etc/hosts":                       "127.0.0.1 localhost\n",
		"etc/resolv.conf":                 "",
		"etc/hostname":                    clusterName + "\n",
		"etc/rancher/k3s/registries.yaml": spec.registries(),
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return enterRoot(root)
}

// registries is k3s's registries.yaml: the lab's registry under its own name and as the mirror it is.
func (s clusterSpec) registries() string {
	var b strings.Builder
	b.WriteString("mirrors:\n")
	names := append(slices.Clone(s.Registries), s.Registry)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		fmt.Fprintf(&b, "  %q:\n    endpoint: [\"http://%s\"]\n", name, s.Registry)
	}
	return b.String()
}

// carry connects whoever dials in with what dial reaches.
func carry(l net.Listener, dial func() (net.Conn, error)) {
	for {
		in, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(50 * time.Millisecond) // out of files, which passes
			continue
		}
		go func() {
			defer in.Close()
			out, err := dial()
			if err != nil {
				return // refused there is closed here
			}
			defer out.Close()
			done := make(chan struct{})
			go func() {
				pipe(out, in)
				close(done)
			}()
			pipe(in, out)
			<-done
		}()
	}
}

// pipe copies one direction and passes its end on. What goes wrong the two ends notice themselves.
func pipe(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if tcp, ok := to.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}

// dialFrom dials in another network namespace. A socket stays in the one it was made in.
func dialFrom(network *os.File, address string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	results := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // never unlocked, so the thread ends with its namespace
		if err := unix.Setns(int(network.Fd()), unix.CLONE_NEWNET); err != nil {
			results <- result{nil, err}
			return
		}
		conn, err := net.DialTimeout("tcp", address, 10*time.Second)
		results <- result{conn, err}
	}()
	r := <-results
	return r.conn, r.err
}

// removeNodeGroups removes the control groups of nodes that are gone, wherever under them their starter
// was. A node that is told to stop does so itself; one that is killed cannot, and the engine kills what
// still runs when a call ends. Empty names no particular node's group.
func removeNodeGroups(name string) error {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	var errs []error
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		if len(f) < 3 || f[2] != "cgroup" && f[2] != "cgroup2" {
			continue
		}
		_ = filepath.WalkDir(f[1], func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() || !nodeGroup.MatchString(d.Name()) {
				return nil
			}
			if (name == "" || name == d.Name()) && deadGroup(path) {
				errs = append(errs, removeGroupTree(path))
			}
			return fs.SkipDir
		})
	}
	return errors.Join(errs...)
}

var nodeGroup = regexp.MustCompile(`^k3s-(slip)?[0-9a-f]{8}$`)

// deadGroup says whether no process is left in a group and those below it. One that is new may be
// about to get its first.
func deadGroup(top string) bool {
	info, err := os.Stat(top)
	if err != nil || time.Since(info.ModTime()) < 5*time.Second {
		return false
	}
	dead := true
	_ = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "cgroup.procs" {
			procs, err := os.ReadFile(path)
			dead = dead && err == nil && len(procs) == 0
		}
		return nil
	})
	return dead
}
