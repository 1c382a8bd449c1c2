package kube

import (
	"bytes"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

const (
	startLimit = 20 * time.Second // for kubectl to listen
	lineLimit  = 64 << 10         // bytes of a line of kubectl's that are kept
)

// kubectl is a kubectl that runs beside this program.
type kubectl struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended
}

// startKubectl has each line that kubectl writes given to stdout and stderr.
func startKubectl(args []string, stdout, stderr func(line string)) (*kubectl, error) {
	k := &kubectl{exec.Command("kubectl", args...), make(chan struct{})}
	k.cmd.Stdout, k.cmd.Stderr = &lines{to: stdout}, &lines{to: stderr}
	k.cmd.WaitDelay = time.Second
	detach(k.cmd)
	started := make(chan error)
	go func() {
		// Linux ends the child with the thread that made it, so that thread stays.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := k.cmd.Start()
		started <- err
		if err == nil {
			_ = k.cmd.Wait()
			close(k.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("kubectl cannot be started: %w: is it in the image that --kubectl-image names?", err)
	}
	return k, nil
}

func (k *kubectl) hasEnded() bool {
	select {
	case <-k.ended:
		return true
	default:
		return false
	}
}

// stop kills kubectl, which has nothing to lose, and waits until it is gone.
func (k *kubectl) stop() {
	if !k.hasEnded() {
		kill(k.cmd.Process)
		<-k.ended
	}
}

// lines is a writer that passes whole lines on.
type lines struct {
	to  func(line string)
	buf []byte
}

func (l *lines) Write(p []byte) (int, error) {
	l.buf = append(l.buf, p...)
	for {
		line, rest, found := bytes.Cut(l.buf, []byte("\n"))
		if !found {
			break
		}
		l.to(strings.TrimSpace(string(line)))
		l.buf = rest
	}
	if len(l.buf) > lineLimit {
		l.to(string(l.buf))
		l.buf = nil
	}
	return len(p), nil
}
