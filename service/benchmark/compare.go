package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// podinfoVersion is the newest that the module proxy has under podinfo's path.
const podinfoVersion = "v1.8.1-0.20250910200901-e86405a8674e"

// peer is a program and how to ask it.
type peer struct {
	name, file, path, metrics string
	port                      int
	args                      []string

	rate, p50, p99, allocs []float64 // one for each round
	cpu                    []float64 // µs for each request
	first200               []float64 // ms
	idle, loaded           []float64 // MiB
}

// compare measures each peer in each round, so that what else happens on the
// machine meets all of them.
func compare(rounds, seconds, connections int) error {
	if _, err := exec.LookPath("wrk"); err != nil {
		return fmt.Errorf("wrk is missing: apt-get install wrk")
	}
	dir, err := os.MkdirTemp("", "benchmark")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	peers, err := programs(dir)
	if err != nil {
		return err
	}
	for range rounds {
		for _, p := range peers {
			if err := p.measure(seconds, connections); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	return table(peers)
}

// programs builds the peers. net/http comes first: the ratios are to it.
func programs(dir string) ([]*peer, error) {
	service, err := build(dir, "../..", "./service")
	if err != nil {
		return nil, err
	}
	nethttp, err := build(dir, ".", "./peers/nethttp")
	if err != nil {
		return nil, err
	}
	observed, err := build(dir, ".", "./peers/observed")
	if err != nil {
		return nil, err
	}
	gin, err := build(dir, ".", "./peers/gin")
	if err != nil {
		return nil, err
	}
	install := exec.Command("go", "install", "-trimpath", "-ldflags", "-s -w",
		"github.com/stefanprodan/podinfo/cmd/podinfo@"+podinfoVersion)
	install.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOBIN="+dir)
	if out, err := install.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("podinfo: %w\n%s", err, out)
	}
	return []*peer{
		{name: "net/http, bare", file: nethttp, port: 18081, path: "/", metrics: "http://127.0.0.1:18081/metrics", args: []string{"127.0.0.1:18081"}},
		{name: "service", file: service, port: 18082, path: "/", metrics: "http://127.0.0.1:19082/metrics",
			args: []string{"--port=18082", "--metrics-port=19082"}},
		{name: "net/http with slog, promhttp", file: observed, port: 18085, path: "/", metrics: "http://127.0.0.1:18085/metrics",
			args: []string{"127.0.0.1:18085"}},
		{name: "gin.Default()", file: gin, port: 18083, path: "/", metrics: "http://127.0.0.1:18083/metrics", args: []string{"127.0.0.1:18083"}},
		{name: "podinfo, /version", file: filepath.Join(dir, "podinfo"), port: 18084, path: "/version", metrics: "http://127.0.0.1:18084/metrics",
			args: []string{"--port=18084"}},
	}, nil
}

// measure runs the peer once.
func (p *peer) measure(seconds, connections int) error {
	run, err := start(p.file, p.path, p.port, p.args...)
	if err != nil {
		return err
	}
	defer run.kill()
	p.first200 = append(p.first200, float64(run.first200)/float64(time.Millisecond))
	time.Sleep(time.Second)
	p.idle = append(p.idle, run.memory("VmRSS"))

	before, used := metric(p.metrics, "go_memstats_mallocs_total"), run.cpu()
	out, err := exec.Command("wrk", "-t1", fmt.Sprintf("-c%d", connections), fmt.Sprintf("-d%ds", seconds), "--latency",
		"http://"+run.addr+p.path).Output()
	if err != nil {
		return err
	}
	after, used := metric(p.metrics, "go_memstats_mallocs_total"), run.cpu()-used
	p.loaded = append(p.loaded, run.memory("VmRSS"))
	if bytes.Contains(out, []byte("Non-2xx")) {
		return fmt.Errorf("not every answer was 200:\n%s", out)
	}
	find := func(pattern string) (string, string) {
		m := regexp.MustCompile(pattern).FindSubmatch(out)
		if m == nil {
			return "", ""
		}
		return string(m[1]), string(m[len(m)-1])
	}
	number := func(s string) float64 {
		n, _ := strconv.ParseFloat(s, 64)
		return n
	}
	rate, _ := find(`Requests/sec:\s+([\d.]+)`)
	requests, _ := find(`(\d+) requests in`)
	p.rate = append(p.rate, number(rate))
	p.allocs = append(p.allocs, (after-before)/number(requests))
	p.cpu = append(p.cpu, float64(used.Microseconds())/number(requests))
	for percent, into := range map[string]*[]float64{"50": &p.p50, "99": &p.p99} {
		value, unit := find(percent + `%\s+([\d.]+)(us|ms|s)`)
		d, err := time.ParseDuration(value + unit)
		if err != nil {
			return err
		}
		*into = append(*into, float64(d)/float64(time.Millisecond))
	}
	return nil
}

// table prints the medians as markdown, with the ratio to the first peer.
func table(peers []*peer) error {
	head := []string{""}
	for _, p := range peers {
		head = append(head, p.name)
	}
	fmt.Printf("| %s |\n|---|%s\n", strings.Join(head, " | "), strings.Repeat("---:|", len(peers)))
	row := func(name, format string, value func(*peer) float64) {
		cells := []string{name}
		base := value(peers[0])
		for i, p := range peers {
			cell := fmt.Sprintf(format, value(p))
			if i > 0 {
				cell += fmt.Sprintf(" (%.2f)", value(p)/base)
			}
			cells = append(cells, cell)
		}
		fmt.Printf("| %s |\n", strings.Join(cells, " | "))
	}
	row("requests/s", "%.0f", func(p *peer) float64 { return median(p.rate) })
	row("p50, ms", "%.2f", func(p *peer) float64 { return median(p.p50) })
	row("p99, ms", "%.2f", func(p *peer) float64 { return median(p.p99) })
	row("processor per request, µs", "%.1f", func(p *peer) float64 { return median(p.cpu) })
	row("allocations per request", "%.1f", func(p *peer) float64 { return median(p.allocs) })
	row("RSS idle, MiB", "%.1f", func(p *peer) float64 { return median(p.idle) })
	row("RSS loaded, MiB", "%.1f", func(p *peer) float64 { return median(p.loaded) })
	row("first 200, ms", "%.0f", func(p *peer) float64 { return median(p.first200) })
	plain, compressed := make(map[*peer]float64), make(map[*peer]float64)
	for _, p := range peers {
		a, b, err := sizes(p.file)
		if err != nil {
			return err
		}
		plain[p], compressed[p] = float64(a), float64(b)
	}
	row("stripped, bytes", "%.0f", func(p *peer) float64 { return plain[p] })
	row("gzip -9, bytes", "%.0f", func(p *peer) float64 { return compressed[p] })
	return nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
