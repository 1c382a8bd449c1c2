package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// command is a child process of a build.
type command struct {
	Args   []string
	Dir    string
	Env    []string // added to the lab's own
	Root   string   // chroot, unless empty
	Stdin  io.Reader
	Stdout io.Writer // Log, unless set
	Log    io.Writer
}

// Run runs the command to its end. Everything it starts lives in one PID namespace that dies with
// the lab, so a killed run leaves nobody writing into the cache behind the back of the next one; and
// everything it mounts in one mount namespace, so that clearing up after it deletes through no mount.
func (c command) Run(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Dir, c.Stdin, c.Stdout, c.Log
	if cmd.Stdout == nil {
		cmd.Stdout = c.Log
	}
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot:     c.Root,
		Cloneflags: syscall.CLONE_NEWPID,
		// Not among the Cloneflags, because only so does Go cut it off from the machine's mounts.
		Unshareflags: syscall.CLONE_NEWNS,
		Pdeathsig:    syscall.SIGKILL,
		Setpgid:      true, // Ctrl-C is for the lab, which ends its children itself
	}
	// The kernel sends the parent-death signal when the starting thread ends, not the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if c.Log != nil {
		fmt.Fprintf(c.Log, "+ %s\n", strings.Join(c.Args, " "))
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", c.Args[0], err)
	}
	return nil
}

// output runs the command and returns what it prints.
func (c command) output(ctx context.Context) (string, error) {
	var out strings.Builder
	c.Stdout = &out
	err := c.Run(ctx)
	return strings.TrimSpace(out.String()), err
}
