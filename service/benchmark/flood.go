package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"
)

// flood holds many connections open that say little or nothing, and asks as an
// ordinary user meanwhile. Each kind runs with the service's limit on connections
// and without it.
func flood(connections int, length time.Duration) error {
	dir, err := os.MkdirTemp("", "benchmark")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file, err := build(dir, "../..", "./service")
	if err != nil {
		return err
	}
	fmt.Println("| connections | limit | requests of others | failed | p50, ms | p99, ms | RSS most, MiB | RSS after, MiB | open after | exit |")
	fmt.Println("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, kind := range []struct {
		name string
		hold func(ctx context.Context, addr string)
	}{{"none", nil}, {"slow headers", slowHeaders}, {"slow bodies", slowBody}, {"idle", idle}} {
		for _, limit := range []string{"--max-connections=1000", "--max-connections=0"} {
			n := connections
			if kind.hold == nil {
				if limit == "--max-connections=0" {
					continue
				}
				n = 0
			}
			p, err := start(file, "/", 18082, "--port=18082", "--metrics-port=19082", "--log-level=warn", "--drain-delay=0s", limit)
			if err != nil {
				return err
			}
			u := attack(p.addr, n, length, kind.hold)
			most := p.memory("VmHWM")
			time.Sleep(10 * time.Second)
			after := p.memory("VmRSS")
			open := metric("http://127.0.0.1:19082/metrics", "http_server_open_connections")
			status, err := p.term()
			if err != nil {
				return err
			}
			fmt.Printf("| %d %s | %s | %d | %d | %.1f | %.1f | %.0f | %.0f | %.0f | %d |\n", n, kind.name, limit[len("--max-connections="):],
				len(u.times), u.failed, u.percentile(50), u.percentile(99), most, after, open, status)
		}
	}
	return nil
}

// user is what an ordinary user sees.
type user struct {
	times  []time.Duration
	failed int
}

func (u *user) percentile(n int) float64 {
	if len(u.times) == 0 {
		return 0
	}
	slices.Sort(u.times)
	return float64(u.times[(len(u.times)-1)*n/100]) / float64(time.Millisecond)
}

// attack holds the connections and asks fifty times a second, each time on a
// connection of its own.
func attack(addr string, connections int, length time.Duration, hold func(context.Context, string)) *user {
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			// Spread over a second, as the backlog of connections is short.
			wait(ctx, time.Duration(rand.Int64N(int64(time.Second))))
			for ctx.Err() == nil {
				hold(ctx, addr)
				wait(ctx, time.Second)
			}
		})
	}
	u := new(user)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	for ctx.Err() == nil {
		begin := time.Now()
		resp, err := client.Get("http://" + addr)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		if err != nil || resp.StatusCode != http.StatusOK {
			u.failed++
		}
		u.times = append(u.times, time.Since(begin))
		wait(ctx, 20*time.Millisecond-time.Since(begin))
	}
	wg.Wait()
	return u
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// slowHeaders sends a request that never ends, a few bytes each second.
func slowHeaders(ctx context.Context, addr string) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n"); err != nil {
		return
	}
	for ctx.Err() == nil {
		wait(ctx, time.Second)
		if _, err := io.WriteString(conn, "A: b\r\n"); err != nil {
			return
		}
	}
}

// slowBody sends a request whose body never comes; the service answers it without.
func slowBody(ctx context.Context, addr string) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"); err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, conn)
}

// idle makes one request and then stays, as a client does that means to come back;
// when it is closed, it does not until it has something to ask.
func idle(ctx context.Context, addr string) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	_, _ = io.Copy(io.Discard, conn)
	<-ctx.Done()
}
