package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// asService tells the test binary to be the service, so that the tests below see
// what an operator sees: arguments, signals, output and exit status.
const asService = "TEST_AS_SERVICE"

func TestMain(m *testing.M) {
	if os.Getenv(asService) != "" {
		main()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// command returns the service as a command that is killed if it hangs.
func command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, args...)
	// GOCOVERDIR keeps "go test -cover" from writing a warning to stderr.
	cmd.Env = append([]string{asService + "=1", "GOCOVERDIR=" + t.TempDir()}, env...)
	return cmd
}

// exitStatus runs the service to its end.
func exitStatus(t *testing.T, cmd *exec.Cmd) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

func TestHelp(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := exitStatus(t, command(t, nil, "--help"))
	if status != 0 || stderr != "" {
		t.Errorf("exit status %d, stderr %q", status, stderr)
	}
	for _, want := range []string{
		"--port, PORT (default 8080)",
		"--log-level, LOG_LEVEL (default info)",
		"--drain-delay, DRAIN_DELAY (default 5s)",
		"--shutdown-timeout, SHUTDOWN_TIMEOUT (default 20s)",
		"--trusted-proxies, TRUSTED_PROXIES (default none)",
		"OTEL_EXPORTER_OTLP_ENDPOINT",
		"Exit status: 0",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("--help lacks %q:\n%s", want, stdout)
		}
	}
}

func TestInvalidConfiguration(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := exitStatus(t, command(t, []string{"PORT=http"}, "--log-level=loud"))
	if status != 2 || stdout != "" {
		t.Errorf("exit status %d, stdout %q", status, stdout)
	}
	if !strings.Contains(stderr, "PORT=") || !strings.Contains(stderr, "--log-level=") {
		t.Errorf("stderr does not name both errors:\n%s", stderr)
	}
}

func TestOccupiedPort(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	status, stdout, stderr := exitStatus(t, command(t, nil, "--port", port, "--metrics-port=0"))
	if status != 1 || stderr != "" {
		t.Errorf("exit status %d, stderr %q", status, stderr)
	}
	var entry map[string]any
	if err := json.Unmarshal([]byte(stdout), &entry); err != nil || entry["level"] != "ERROR" {
		t.Errorf("stdout is not one error line: %q", stdout)
	}
}

func TestMetricsPort(t *testing.T) {
	t.Parallel()
	port := freePort()
	p := launch(t, nil, "--drain-delay=0s", "--metrics-port="+port)
	for path, status := range map[string]int{"/metrics": 200, "/": 404} {
		resp, err := get("http://127.0.0.1:" + port + path)
		if err != nil {
			t.Fatal(err)
		}
		if readBody(t, resp); resp.StatusCode != status {
			t.Errorf("GET %s: got %d, want %d", path, resp.StatusCode, status)
		}
	}
	if resp, err := get("http://" + p.addr + "/metrics"); err != nil {
		t.Error(err)
	} else if readBody(t, resp); resp.StatusCode != http.StatusNotFound {
		t.Errorf("the users' port answers /metrics with %d", resp.StatusCode)
	}
	p.signal(syscall.SIGTERM)
	p.await("stopped")
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

// freePort returns a port from below those that the kernel gives to whoever asks
// for any, as the other tests do: it is still free when the service asks for it.
func freePort() string {
	for {
		port := strconv.Itoa(20_000 + rand.IntN(10_000))
		if listener, err := net.Listen("tcp", ":"+port); err == nil {
			_ = listener.Close()
			return port
		}
	}
}

// process is a running service.
type process struct {
	*exec.Cmd
	t     *testing.T
	lines *bufio.Scanner
	addr  string
}

// launch starts the service and returns once it listens.
func launch(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return run(t, command(t, env, append([]string{"--port=0", "--metrics-port=0"}, args...)...))
}

// run starts a command that is the service and returns once it listens.
func run(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: cmd, t: t, lines: bufio.NewScanner(stdout)}
	address, _ := p.await("started")["address"].(string)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	p.addr = net.JoinHostPort("127.0.0.1", port)
	return p
}

// await reads the log up to the line with the given message. Every line on the
// way must be JSON.
func (p *process) await(message string) map[string]any {
	p.t.Helper()
	for p.lines.Scan() {
		var entry map[string]any
		if err := json.Unmarshal(p.lines.Bytes(), &entry); err != nil {
			p.t.Fatalf("stdout has a line that is not JSON: %q", p.lines.Text())
		}
		if entry["msg"] == message {
			return entry
		}
	}
	p.t.Fatalf("the service ended before it logged %q", message)
	return nil
}

func (p *process) signal(sig os.Signal) {
	p.t.Helper()
	if err := p.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

func TestSignalStops(t *testing.T) {
	t.Parallel()
	for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			p := launch(t, []string{"LOG_LEVEL=debug"}, "--drain-delay=0s")
			resp, err := get("http://" + p.addr + "/healthz")
			if err != nil {
				t.Fatal(err)
			}
			if body := readBody(t, resp); body != "ok" {
				t.Errorf("got %q", body)
			}
			if level := p.await("request")["level"]; level != "DEBUG" {
				t.Errorf("the request is logged at %v", level)
			}
			p.signal(sig)
			p.await("stopped")
			if err := p.Wait(); err != nil {
				t.Errorf("the service ended with %v", err)
			}
		})
	}
}

func TestShutdownTimeoutExitStatus(t *testing.T) {
	t.Parallel()
	p := launch(t, nil, "--drain-delay=0s", "--shutdown-timeout=100ms")
	sendHalf(t, p.addr)
	resp, err := get("http://" + p.addr) // Accepted after the half-sent one.
	if err != nil {
		t.Fatal(err)
	}
	readBody(t, resp)
	p.signal(syscall.SIGTERM)
	if message, _ := p.await("failed")["error"].(string); !strings.Contains(message, "after 0.1 seconds") {
		t.Errorf("the log line says %q", message)
	}
	_ = p.Wait()
	if status := p.ProcessState.ExitCode(); status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	p := launch(t, []string{"DRAIN_DELAY=1h"})
	p.signal(syscall.SIGTERM)
	p.await("draining")
	p.signal(syscall.SIGTERM)
	_ = p.Wait()
	if state, ok := p.ProcessState.Sys().(syscall.WaitStatus); !ok || state.Signal() != syscall.SIGTERM {
		t.Errorf("the service ended with %v, want the signal", p.ProcessState)
	}
}
