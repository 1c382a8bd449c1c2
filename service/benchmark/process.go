package main

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// build compiles a package as an image would hold it, and returns the file.
func build(dir, source, pkg string) (string, error) {
	file := filepath.Join(dir, filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-C", source, "-trimpath", "-buildvcs=false", "-tags", "nomsgpack",
		"-ldflags", "-s -w", "-o", file, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", pkg, err, out)
	}
	return file, nil
}

// process is a running server.
type process struct {
	*exec.Cmd
	addr     string        // where it serves
	first200 time.Duration // from its start
}

// start runs a server and waits until path answers 200. Its log goes to a file.
func start(file, path string, port int, args ...string) (*process, error) {
	log, err := os.CreateTemp(filepath.Dir(file), "log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p := &process{Cmd: exec.Command(file, args...), addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	p.Stdout, p.Stderr = log, log
	begin := time.Now()
	if err := p.Start(); err != nil {
		return nil, err
	}
	for {
		resp, err := http.Get("http://" + p.addr + path)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				p.first200 = time.Since(begin)
				return p, nil
			}
		}
		if time.Since(begin) > 10*time.Second {
			p.kill()
			return nil, fmt.Errorf("%s does not answer on %s", file, p.addr)
		}
		time.Sleep(time.Millisecond)
	}
}

func (p *process) kill() {
	_ = p.Process.Kill()
	_ = p.Wait()
}

// term sends SIGTERM and returns the exit status.
func (p *process) term() (int, error) {
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	err := p.Wait()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		return 0, err
	}
	return p.ProcessState.ExitCode(), nil
}

// memory returns a line of the process's status, in MiB: VmRSS is what it takes
// now, VmHWM the most it took.
func (p *process) memory(line string) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), line+":")
	kib, _ := strconv.Atoi(strings.Fields(rest)[0])
	return float64(kib) / 1024
}

// cpu returns the processor time that the process has used.
func (p *process) cpu() time.Duration {
	const tick = 10 * time.Millisecond // Linux shows programs 100 Hz, whatever its own is.
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // Past the name, which may hold anything.
	fields := strings.Fields(rest)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * tick
}

// metric reads one metric without labels from a Prometheus address, or 0.
func metric(url, name string) float64 {
	resp, err := http.Get(url)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			n, _ := strconv.ParseFloat(value, 64)
			return n
		}
	}
	return 0
}

// sizes returns the file's size and that of its gzip -9, in bytes.
func sizes(file string) (plain, compressed int64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	var count counter
	z, err := gzip.NewWriterLevel(&count, gzip.BestCompression)
	if err != nil {
		return 0, 0, err
	}
	plain, err = io.Copy(z, f)
	return plain, int64(count), errors.Join(err, z.Close())
}

// counter counts the bytes written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
