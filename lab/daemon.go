package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Daemon is a process that outlives the lab's commands; its record is a file beside its log.
type Daemon struct {
	dir  string
	name string // also the lab's hidden command that is the daemon
}

type record struct {
	PID     int
	Born    string // the kernel's start time of the process, so that a reused PID is not taken for it
	Since   time.Time
	Key     string // what it was started from
	Address string
	Parts   []string // parts it uses, which must not be pruned
}

func (d Daemon) recordPath() string { return filepath.Join(d.dir, d.name+".json") }
func (d Daemon) logPath() string    { return filepath.Join(d.dir, d.name+".log") }

// Record is what was last started, and whether it still runs.
func (d Daemon) Record() (record, bool) {
	var r record
	content, err := os.ReadFile(d.recordPath())
	if err != nil || json.Unmarshal(content, &r) != nil {
		return record{}, false
	}
	return r, r.Born != "" && r.Born == born(r.PID) // empty: it ended before its start could be noted
}

// born is the start time of a live process.
func born(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The name in parentheses may hold anything, so fields are counted behind it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}

// Start runs the daemon in a session of its own, holding nothing of the caller's: a pipe it kept
// open would make `x=$(daggerw version)` hang.
func (d Daemon) Start(r record, namespaces uintptr, extra ...*os.File) error {
	if err := privateDir(d.dir); err != nil {
		return err
	}
	log, err := privateFile(d.logPath())
	if err != nil {
		return err
	}
	defer log.Close()
	if err := unix.CloseRange(3, 1<<31-1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close the caller's files: %w", err)
	}
	cmd := exec.Command("/proc/self/exe", d.name, d.dir)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, extra
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: namespaces}
	if err := cmd.Start(); err != nil {
		return err
	}
	go cmd.Wait() // so that an early end is seen as such and not as a zombie
	r.PID, r.Born, r.Since = cmd.Process.Pid, born(cmd.Process.Pid), time.Now()
	return writeJSON(d.recordPath(), r)
}

// listen opens the daemon's listener for it, on the port of last time, because others have that in
// their configuration.
func (d Daemon) listen() (*os.File, string, error) {
	remembered := filepath.Join(d.dir, "address")
	address := "127.0.0.1:0"
	if before, err := os.ReadFile(remembered); err == nil {
		address = string(before)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, "", err
		}
	}
	defer l.Close()
	address = l.Addr().String()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		return nil, "", err
	}
	return file, address, replaceFile(remembered, []byte(address))
}

// WaitReady waits until ready, or reports how the log ends.
func (d Daemon) WaitReady(ctx context.Context, patience time.Duration, ready func() bool) error {
	died := false
	err := poll(ctx, patience, 20*time.Millisecond, func() bool {
		if _, alive := d.Record(); !alive {
			died = true
		}
		return died || ready()
	})
	if died {
		err = errors.New("it ended at once")
	}
	if err != nil {
		return fmt.Errorf("%s does not serve: %w\n%swhole log: %s", d.name, err, indentTail(d.logPath(), 15), d.logPath())
	}
	return nil
}

// Stop ends the daemon, kindly at first.
func (d Daemon) Stop(ctx context.Context, patience time.Duration) error {
	r, alive := d.Record()
	if alive {
		gone := func() bool { return born(r.PID) != r.Born }
		if err := unix.Kill(r.PID, unix.SIGTERM); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
		if err := poll(ctx, patience, 20*time.Millisecond, gone); errors.Is(err, errPatience) {
			unix.Kill(r.PID, unix.SIGKILL)
			if err := poll(ctx, 10*time.Second, 20*time.Millisecond, gone); err != nil {
				return fmt.Errorf("stop %s (process %d): %w", d.name, r.PID, err)
			}
		} else if err != nil {
			return err
		}
	}
	if err := os.Remove(d.recordPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func writeJSON(path string, v any) error {
	content, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(path, append(content, '\n'))
}

func readJSON(path string, v any) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(content, v)
}
