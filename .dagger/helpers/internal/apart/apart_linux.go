// Package apart keeps a program from those that it starts. They run as the same user, and
// would otherwise write to its output past all that makes theirs harmless, or read its
// environment and memory.
package apart

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const prSetDumpable = 4 // from linux/prctl.h

// Keep has the kernel close what /proc shows of this program, and its memory, to all others
// of its user, and to root without further capabilities. What it starts is open again.
//
// The first program of a container, which has the same output, must be this one too: no other
// would close itself. It starts itself once more, waits for all that end, and ends with its
// second self.
func Keep() error {
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, prSetDumpable, 0, 0, 0, 0, 0); errno != 0 {
		return fmt.Errorf("the kernel does not keep %s from the programs that it starts: %w", os.Args[0], errno)
	}
	if os.Getpid() != 1 {
		return nil
	}
	status, err := first()
	if err == nil {
		os.Exit(status)
	}
	return err
}

// killed is what a shell adds to the number of a signal that ended a program.
const killed = 128

// first does the duties of a container's first program, and returns the exit status of the second.
func first() (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	pid, err := syscall.ForkExec(self, os.Args, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if err != nil {
		return 0, err
	}
	go func() {
		for s := range signals {
			_ = syscall.Kill(pid, s.(syscall.Signal))
		}
	}()
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR || err == nil && ended != pid:
			continue
		case err != nil:
			return 0, err
		case status.Signaled():
			return killed + int(status.Signal()), nil
		}
		return status.ExitStatus(), nil
	}
}
