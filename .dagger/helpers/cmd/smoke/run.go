package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"

	"slipway/helpers/internal/apart"
)

// How much of the service's output is kept for a failure's report.
const (
	logLines = 20
	logBytes = 64 << 10
)

// state is what GET on the control address answers.
type state struct {
	Exit string   // "" while the service runs, then "exit status 0" or the like
	Log  []string // its last lines of output

	Host    string           // name of the machine as programs of the container see it
	Listens []netip.AddrPort // where programs of the container accept connections, this one's control too
	Sockets []string         // Unix sockets, likewise
}

// run starts the service, copies its output to stdout and stderr and answers on the control address:
// GET for its state, POST to send it SIGTERM. It outlives the service, so that
// whoever asks can still learn how the service ended.
func run(stdout, stderr io.Writer, address string, command []string) error {
	var log tail
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = apart.Environ()
	cmd.Stdout = io.MultiWriter(stdout, &log)
	cmd.Stderr = io.MultiWriter(stderr, &log)

	host, _ := os.Hostname() // "" where it has none
	var mu sync.Mutex
	exit := ""
	if err := cmd.Start(); err != nil {
		exit = err.Error()
	} else {
		go func() {
			_ = cmd.Wait()
			mu.Lock()
			defer mu.Unlock()
			exit = cmd.ProcessState.String()
		}()
	}

	return http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && cmd.Process != nil {
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}
		mu.Lock()
		defer mu.Unlock()
		addresses, sockets := listeners()
		_ = json.NewEncoder(w).Encode(state{Exit: exit, Log: log.lines(), Listens: addresses, Sockets: sockets, Host: host})
	}))
}

// tail keeps the last lines written to it.
type tail struct {
	mu   sync.Mutex
	text string
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text += string(p)
	if lines := strings.SplitAfter(t.text, "\n"); len(lines) > logLines+1 {
		t.text = strings.Join(lines[len(lines)-logLines-1:], "")
	}
	t.text = t.text[max(0, len(t.text)-logBytes):]
	return len(p), nil
}

func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(t.text, "\n"), "\n")
}
