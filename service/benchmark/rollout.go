package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// rollout replaces a process again and again while clients ask. It does what
// Kubernetes does: the new process gets connections once it is ready; the old one
// gets SIGTERM, and for the window still new connections, since not every node
// has heard yet.
func rollout(rounds, clients int, window time.Duration) error {
	dir, err := os.MkdirTemp("", "benchmark")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file, err := build(dir, "../..", "./service")
	if err != nil {
		return err
	}
	const firstPort = 18100
	launch := func(round int) (*process, error) {
		port := firstPort + round%2
		return start(file, "/readyz", port, fmt.Sprintf("--port=%d", port), "--metrics-port=0", "--log-level=warn")
	}
	old, err := launch(0)
	if err != nil {
		return err
	}
	l := &load{endpoints: []string{old.addr}}
	var wg sync.WaitGroup
	for range clients {
		wg.Go(l.ask)
	}
	statuses := make(map[int]int)
	for round := range rounds {
		fresh, err := launch(round + 1)
		if err != nil {
			return err
		}
		l.set(old.addr, fresh.addr)
		remove := time.AfterFunc(window, func() { l.set(fresh.addr) })
		status, err := old.term()
		if err != nil {
			return err
		}
		remove.Stop()
		statuses[status]++
		old = fresh
	}
	l.stopped.Store(true)
	wg.Wait()
	if _, err := old.term(); err != nil {
		return err
	}
	fmt.Printf("| SIGTERMs | requests | failed | exit statuses | first failure |\n|---:|---:|---:|---|---|\n| %d | %d | %d | %v | %v |\n",
		rounds, l.requests.Load(), l.failed.Load(), statuses, l.firstFailure.Load())
	return nil
}

// load asks, and chooses an endpoint for each new connection.
type load struct {
	mu        sync.Mutex
	endpoints []string

	stopped          atomic.Bool
	requests, failed atomic.Int64
	firstFailure     atomic.Value
}

func (l *load) set(endpoints ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endpoints = slices.Clone(endpoints)
}

func (l *load) endpoint() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.endpoints[rand.IntN(len(l.endpoints))]
}

// ask makes one request after another until it is stopped. It keeps a connection
// for as long as the server does, and repeats nothing: http.Client would ask again
// where a connection breaks, and hide what this is here to count.
func (l *load) ask() {
	for !l.stopped.Load() {
		if err := l.connection(); err != nil {
			l.failed.Add(1)
			l.firstFailure.CompareAndSwap(nil, err.Error())
		}
	}
}

func (l *load) connection() error {
	l.requests.Add(1)
	conn, err := net.Dial("tcp", l.endpoint())
	if err != nil {
		return err
	}
	defer conn.Close()
	for r := bufio.NewReader(conn); ; l.requests.Add(1) {
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			return err
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("the answer is %s", resp.Status)
		}
		if resp.Close || l.stopped.Load() {
			return nil
		}
		time.Sleep(time.Duration(rand.Int64N(int64(5 * time.Millisecond))))
	}
}
