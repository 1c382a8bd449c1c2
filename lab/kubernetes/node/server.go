package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// The two stages of the node's first process, as names that this program is started under.
const (
	EnterCommand = "k3s-enter"
	RunCommand   = "k3s-node"
)

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "k3s: "+format+"\n", args...) }

// Server is k3s server. The cluster lives in namespaces of its own below this process: when their
// first process goes, the kernel ends all others, so that nothing has to be found and killed.
func Server(args []string) int {
	if _, err := parseOptions(args); errors.Is(err, flag.ErrHelp) {
		fmt.Println("the flags are those of k3s: https://docs.k3s.io/cli/server")
		return 0
	} else if err != nil {
		say("%v", err)
		return 2
	}
	code, err := serve(args)
	if err != nil {
		say("%v", err)
		return 1
	}
	return code
}

func serve(args []string) (int, error) {
	if os.Geteuid() != 0 {
		return 0, errors.New("must run as root, in a container with all rights")
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT)
	// This thread alone sees the control groups' mounts, hence the child is started by it. The kernel
	// also sends the parent-death signal when the starting thread ends.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return 0, fmt.Errorf("make a mount namespace (%w): the container needs all rights", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return 0, err
	}
	all, err := mountHierarchies()
	if err != nil {
		return 0, fmt.Errorf("control groups: %w", err)
	}
	removeStale(all)
	// Whoever may have to clear up after this process can say what to look for.
	name := os.Getenv("K3S_CGROUP")
	if name == "" {
		id := make([]byte, 4)
		_, _ = rand.Read(id) // never fails
		name = cgroupPrefix + hex.EncodeToString(id)
	}
	if err := makeGroups(all, name); err != nil {
		return 0, errors.Join(fmt.Errorf("control groups: %w", err), removeGroups(all, name))
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	child := exec.CommandContext(context.Background(), self)
	child.Args = append([]string{EnterCommand, name}, args...)
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
		Setsid:     true, // Ctrl-C is for this process, which passes it on
	}
	if err := child.Start(); err != nil {
		return 0, errors.Join(err, removeGroups(all, name))
	}
	go func() {
		for s := range signals {
			_ = child.Process.Signal(s)
		}
	}()
	err = child.Wait()
	if err := removeGroups(all, name); err != nil {
		return 0, err
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil
	}
	return 0, err
}

// Enter is the first process of the new namespaces until it can become the node.
func Enter(args []string) error {
	runtime.LockOSThread() // a control group namespace belongs to a thread
	self, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return err
	}
	if err := enterGroups(hierarchies(string(self)), args[0]); err != nil {
		return err
	}
	if err := mountNode(); err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	return unix.Exec(program, append([]string{RunCommand}, args[1:]...), os.Environ())
}
