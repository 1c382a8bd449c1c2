package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	loadPeriod = 20 * time.Millisecond
	loadLimit  = 10 * time.Second // for one request
	loadErrors = 10               // that are kept
	lookPeriod = time.Second      // between two looks at where a host is
)

// load requests a URL all the time, over a new connection each time, as ever new clients
// would do. A request that finds no way to the pod is repeated once: on a busy machine the
// lab's network does that to a service that nobody touches, too.
type load struct {
	mu      sync.Mutex
	counts  loadCounts
	address string // of the URL's host, "" before it was found
	looked  time.Time
}

// loadCounts are what GET /load says.
type loadCounts struct {
	Requests int
	Repeated int
	Failures int
	Streak   int      // successes since the last failure
	Errors   []string // the last failures, each with its time
}

// run requests the URL without end.
func (l *load) run(url string) {
	client := &http.Client{Timeout: loadLimit, Transport: &http.Transport{DisableKeepAlives: true, DialContext: l.dial}}
	for range time.Tick(loadPeriod) {
		go func() {
			start := time.Now()
			err := get(client, url)
			repeat := errors.Is(err, syscall.EHOSTUNREACH)
			if repeat {
				err = get(client, url)
			}
			l.count(start, repeat, err)
		}()
	}
}

func get(client *http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", resp.Status)
	}
	return nil
}

func (l *load) count(start time.Time, repeated bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if repeated {
		l.counts.Repeated++
	}
	l.counts.Requests++
	l.counts.Streak++
	if err != nil {
		l.counts.Failures++
		l.counts.Streak = 0
		text := fmt.Sprintf("%s, after %.1f s: %v", start.UTC().Format(time.TimeOnly+".000"), time.Since(start).Seconds(), err)
		l.counts.Errors = append(l.counts.Errors, text)
		l.counts.Errors = l.counts.Errors[max(0, len(l.counts.Errors)-loadErrors):]
	}
}

// dial goes on with the last address while the name service does not answer: what is
// measured is the service, not the way to its address.
func (l *load) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	known, stale := l.address, time.Since(l.looked) > lookPeriod
	l.mu.Unlock()
	if stale {
		found, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil && known == "" {
			return nil, err
		}
		if err == nil {
			known = found[0]
			l.mu.Lock()
			l.address, l.looked = known, time.Now()
			l.mu.Unlock()
		}
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, network, net.JoinHostPort(known, port))
}

func (l *load) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	l.mu.Lock()
	counts := l.counts
	counts.Errors = slices.Clone(counts.Errors)
	l.mu.Unlock()
	_ = json.NewEncoder(w).Encode(counts)
}
