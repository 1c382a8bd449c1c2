package node

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// supervisor starts the node's processes and learns of their ends. It is the first process of its
// namespace, so it also buries what containers leave behind.
type supervisor struct {
	logs string
	ends chan end // of components, which ought not to end

	mu       sync.Mutex // held while a process starts, so that its end is not seen before it is known
	children map[int]func(unix.WaitStatus)
}

type end struct {
	name   string
	status unix.WaitStatus
}

func newSupervisor(logs string) (*supervisor, error) {
	s := &supervisor{logs: logs, ends: make(chan end, 16), children: map[int]func(unix.WaitStatus){}}
	go s.bury()
	return s, os.MkdirAll(logs, 0o755)
}

func (s *supervisor) bury() {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if err == unix.ECHILD {
			time.Sleep(10 * time.Millisecond)
		}
		if err != nil {
			continue
		}
		s.mu.Lock()
		done := s.children[pid]
		delete(s.children, pid)
		s.mu.Unlock()
		if done != nil {
			done(status)
		}
	}
}

func (s *supervisor) logPath(name string) string { return filepath.Join(s.logs, name+".log") }

// start runs a program with its output in a log of the given name.
func (s *supervisor) start(name, program string, args []string, done func(unix.WaitStatus)) error {
	log, err := os.OpenFile(s.logPath(name), os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := os.StartProcess(program, append([]string{name}, args...), &os.ProcAttr{
		Env:   os.Environ(),
		Files: []*os.File{null, log, log},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	s.children[p.Pid] = done
	return nil
}

// component starts what has to run as long as the node does.
func (s *supervisor) component(name, program string, args ...string) error {
	return s.start(name, program, args, func(status unix.WaitStatus) { s.ends <- end{name, status} })
}

// run runs a program to its end.
func (s *supervisor) run(name, program string, args ...string) error {
	ended := make(chan unix.WaitStatus, 1)
	if err := s.start(name, program, args, func(status unix.WaitStatus) { ended <- status }); err != nil {
		return err
	}
	if status := <-ended; status != 0 {
		return s.failure(end{name, status})
	}
	return nil
}

// failure tells how a process ended and what it said last.
func (s *supervisor) failure(e end) error {
	how := fmt.Sprintf("exit status %d", e.status.ExitStatus())
	if e.status.Signaled() {
		how = "signal " + e.status.Signal().String()
	}
	content, _ := os.ReadFile(s.logPath(e.name))
	return fmt.Errorf("%s ended (%s); the last it said:\n%s", e.name, how, tail(content, 20))
}

// tail is the end of a log, indented to stand inside a message.
func tail(content []byte, n int) string {
	lines := strings.Split(string(bytes.TrimSpace(content)), "\n")
	lines = lines[max(0, len(lines)-n):]
	return "    " + strings.Join(lines, "\n    ")
}

// stop asks everything the supervisor started to end, and waits a little. Who does not is ended by
// the kernel, together with the containers.
func (s *supervisor) stop(patience time.Duration) {
	deadline := time.Now().Add(patience)
	s.mu.Lock()
	for pid := range s.children {
		_ = unix.Kill(pid, unix.SIGTERM)
	}
	s.mu.Unlock()
	for time.Now().Before(deadline) {
		s.mu.Lock()
		left := len(s.children)
		s.mu.Unlock()
		if left == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
