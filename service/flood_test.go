package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	floodConnections = flag.Int("flood.connections", 1200, "connections of TestFlood")
	floodLength      = flag.Duration("flood.length", time.Second, "how long each kind of TestFlood lasts")
)

// What the manifests give the container. What the kernel keeps for connections counts
// there too, see kernelBuffer, but shows in no process.
const (
	memoryLimit = 64 // MiB
	goMemLimit  = "GOMEMLIMIT=44MiB"
)

// flooder is a client that means no good: what it sends on each connection, after
// which it holds it open, and a bit that it then sends again and again.
type flooder struct {
	name, send, again string
	reads             bool // takes the answers
}

// lines returns size bytes of header lines with names of their own.
func lines(size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		b.WriteString(strconv.FormatInt(int64(i), 36) + ":\n")
	}
	return b.String()
}

// flooders is what is known to have taken much memory of this or another service.
func flooders(path string) []flooder {
	get := func(path, headers string) string { return "GET " + path + " HTTP/1.1\nHost: a\n" + headers }
	agent := get(path, "User-Agent: "+strings.Repeat("x", 15_000)+"\n\n")
	return []flooder{
		{name: "nobody"},
		{name: "silent", reads: true},
		{name: "half a TLS hello", send: "\x16\x03\x01\x02", reads: true},
		{name: "idle after an answer", send: get(path, "\n"), reads: true},
		{name: "HTTP/1.0 kept alive", send: "GET " + path + " HTTP/1.0\nConnection: keep-alive\n\n", reads: true},
		{name: "headers, slow", send: get(path, ""), again: "a: b\n", reads: true},
		{name: "headers, 20 kB of short lines", send: get(path, lines(19_800)), reads: true},
		{name: "headers, 20 kB of one name", send: get(path, strings.Repeat("a:\n", 6600)), reads: true},
		{name: "headers, 20 kB in one line", send: get(path, "a: "+strings.Repeat("x", 19_800)), reads: true},
		{name: "headers, 16 kB, again and again", send: get(path, lines(16_000)+"\n"), again: get(path, lines(16_000)+"\n"), reads: true},
		{name: "headers, 16 kB, answers not read", send: strings.Repeat(get(path, lines(16_000)+"\n"), 50)},
		{name: "user agents of 15 kB", send: strings.Repeat(agent, 10), again: agent, reads: true},
		{name: "body, slow", send: "POST " + path + " HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n", again: "1\r\nx\r\n", reads: true},
		{name: "body of a GET, slow", send: get(path, "Content-Length: 1000000\n\n"), again: "x", reads: true},
		{name: "body that ends in short lines", send: "POST " + path + " HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n0\r\n" + lines(200_000)},
		{name: "pipelined, then short lines", send: get(path, "\n") + get(path, "\n") + get(path, lines(19_800)), reads: true},
		{name: "pipelined, answers not read", send: strings.Repeat(get(path, "\n"), 500)},
		{name: "pipelined, large answers not read", send: strings.Repeat(get("/openapi.json", "\n"), 500)},
		{name: "junk, pipelined", send: strings.Repeat("\x00\xff \n", 100_000)},
	}
}

// The service stays under its container's memory limit, and answers others,
// whatever a thousand clients do to either of its ports. With -v it prints a table.
func TestFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	file := filepath.Join(t.TempDir(), "service")
	// Not the test itself as the other tests do: it is larger, and may look for races.
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags=nomsgpack", "-ldflags=-s -w", "-o", file, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOPROXY=off")
	if out, err := build.CombinedOutput(); strings.Contains(string(out), "GOPROXY=off") {
		t.Skip("builds the service, and its modules are not here")
	} else if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("| %-8s | %-35s | %11s | %13s | %6s | %6s | %7s | %7s |", "port", "kind", "connections", "RSS peak, MiB", "others", "failed", "p50, ms", "p99, ms")
	for _, port := range []struct{ name, path string }{{"users", "/"}, {"metrics", "/metrics"}} {
		for _, f := range flooders(port.path) {
			t.Run(port.name+"/"+f.name, func(t *testing.T) { flood(t, file, port.name, f) })
		}
	}
}

// flood runs the service under one kind of flood.
func flood(t *testing.T, file, port string, f flooder) {
	metricsPort := freePort()
	cmd := exec.CommandContext(t.Context(), file, "--port=0", "--metrics-port="+metricsPort)
	// Spans for a collector that is away wait in memory.
	cmd.Env = []string{goMemLimit, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9"}
	p := run(t, cmd)
	go func() { // A pipe that nobody reads would stop the service.
		for p.lines.Scan() {
		}
	}()
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	target := p.addr
	if port == "metrics" {
		target = "127.0.0.1:" + metricsPort
	}
	n := *floodConnections
	if f.name == "nobody" {
		n = 0
	}
	ctx, cancel := context.WithTimeout(t.Context(), *floodLength)
	defer cancel()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			time.Sleep(rand.N(*floodLength / 2)) // All at once, they would wait for each other.
			for ctx.Err() == nil {
				f.connect(ctx, target)
				time.Sleep(rand.N(time.Second))
			}
		})
	}
	times, failed := askAsUser(ctx, "http://"+p.addr)
	peak := p.peak()
	wg.Wait()
	slices.Sort(times)
	percentile := func(n int) float64 { return times[(len(times)-1)*n/100].Seconds() * 1000 }
	t.Logf("| %-8s | %-35s | %11d | %13.0f | %6d | %6d | %7.1f | %7.1f |", port, f.name, n, peak, len(times), failed, percentile(50), percentile(99))
	if peak >= memoryLimit {
		t.Errorf("it took %.0f MiB of memory, its limit is %d", peak, memoryLimit)
	}
	// Fewer say that the machine is busy, not the service.
	if len(times) > 10 && failed*2 > len(times) {
		t.Errorf("%d of %d requests of others failed", failed, len(times))
	}
}

// connect makes one connection and keeps it until the service closes it.
func (f flooder) connect(ctx context.Context, addr string) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	closed := make(chan struct{})
	if f.reads {
		go func() {
			_, _ = io.Copy(io.Discard, conn)
			close(closed)
		}()
	}
	for payload := f.send; ; payload = f.again {
		if _, err := io.WriteString(conn, payload); err != nil {
			return
		}
		select {
		case <-closed:
			return
		case <-ctx.Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// askAsUser asks fifty times a second, each time on a connection of its own.
func askAsUser(ctx context.Context, url string) (times []time.Duration, failed int) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	for len(times) == 0 || ctx.Err() == nil {
		begin := time.Now()
		resp, err := client.Get(url)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		if err != nil || resp.StatusCode != http.StatusOK {
			failed++
		}
		times = append(times, time.Since(begin))
		time.Sleep(20*time.Millisecond - time.Since(begin))
	}
	return times, failed
}

// peak is the most memory that the process took, in MiB.
func (p *process) peak() float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(status), "VmHWM:")
	if !found {
		p.t.Fatal("the service is gone")
	}
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		p.t.Fatal(err)
	}
	return float64(kib) / 1024
}
