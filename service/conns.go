package main

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// connections bounds how many connections are open, and how much memory their
// requests take until they are answered. When it is too much, one whose client we
// wait for is closed. A real request arrives within milliseconds: under a flood of
// slow clients it is hardly ever that one.
type connections struct {
	max       int   // 0 for any number
	maxMemory int64 // 0 for any number of bytes
	evicted   atomic.Int64
	ending    atomic.Int64 // evicted, but still in memory

	mu     sync.Mutex
	open   map[*conn]struct{}
	memory int64 // of all that are open
}

func newConnections(limit int, maxMemory int64) *connections {
	return &connections{max: limit, maxMemory: maxMemory, open: make(map[*conn]struct{})}
}

// boundedListener accepts for connections.
type boundedListener struct {
	net.Listener
	conns *connections
}

// Accept returns the next connection, a *conn.
func (l boundedListener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		limitBuffers(accepted)
		c := &conn{Conn: accepted, owner: l.conns}
		c.wait(reading)
		if !l.conns.admit(c) {
			_ = c.Close()
			continue
		}
		l.conns.settle()
		return c, nil
	}
}

// kernelBuffer is what the kernel keeps for a client that does not read its answers,
// and as much for one that sends more than we read; Linux takes up to twice as much.
// By itself it keeps megabytes, and a container's limit counts them. The largest
// answer fits.
const kernelBuffer = 16 << 10

func limitBuffers(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(kernelBuffer) // An error is one of the connection: its first use finds it.
		_ = tcp.SetWriteBuffer(kernelBuffer)
	}
}

// admit takes in a connection, if need be by closing another. It returns false
// if all the others are being answered.
func (cs *connections) admit(c *conn) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.max > 0 && len(cs.open) >= cs.max {
		victim := cs.longestWaiting()
		if victim == nil {
			cs.evicted.Add(1)
			return false
		}
		cs.evict(victim)
	}
	cs.open[c] = struct{}{}
	return true
}

// longestWaiting looks at a few connections only, as many caches do: a map begins
// its iteration at random, and the exact one is not worth a walk over all.
func (cs *connections) longestWaiting() *conn {
	const sample = 16
	var oldest *conn
	seen := 0
	for c := range cs.open {
		if !c.evictable() {
			continue
		}
		if oldest == nil || c.since.Load() < oldest.since.Load() {
			oldest = c
		}
		if seen++; seen == sample {
			break
		}
	}
	return oldest
}

// charge adds what c has read to what its request takes. If all requests together
// take too much it closes those that took the most for the longest.
func (cs *connections) charge(c *conn, memory int64) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if _, ok := cs.open[c]; !ok {
		return // Closed meanwhile, or not ours any more.
	}
	c.memory += memory
	cs.memory += memory
	for cs.maxMemory > 0 && cs.memory > cs.maxMemory {
		victim := cs.largest()
		if victim == nil {
			return // All are being answered, which limitRequests bounds.
		}
		cs.evict(victim)
	}
}

// largest is nil if all are being answered, or take nothing.
func (cs *connections) largest() *conn {
	var largest *conn
	var most int64
	now := time.Now().UnixNano()
	for c := range cs.open {
		if c.memory == 0 || !c.evictable() {
			continue
		}
		if cost := c.memory * max(1, (now-c.since.Load())/int64(time.Microsecond)); cost > most {
			largest, most = c, cost
		}
	}
	return largest
}

// refund says that what c has read so far is answered, but for the rest.
func (cs *connections) refund(c *conn, rest int64) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	rest = min(rest, c.memory)
	cs.memory -= c.memory - rest
	c.memory = rest
}

// evict closes a connection; cs.mu is held.
func (cs *connections) evict(c *conn) {
	cs.evicted.Add(1)
	cs.ending.Add(1)
	c.evicted = true
	cs.remove(c)
	_ = c.Conn.Close()
}

// settle lets connections that were evicted end before others come, and those run
// whose request is here. A handler may take its time: then it waits no longer.
func (cs *connections) settle() {
	for range 100 {
		if cs.ending.Load() < 16 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// remove forgets a connection, if it has not been already; cs.mu is held.
func (cs *connections) remove(c *conn) {
	delete(cs.open, c)
	cs.memory -= c.memory
	c.memory = 0
}

func (cs *connections) forget(c *conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.remove(c)
	if c.evicted {
		c.evicted = false
		cs.ending.Add(-1)
	}
}

func (cs *connections) count() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.open)
}

// observe has srv tell which connections wait and which are being answered.
func (cs *connections) observe(srv *http.Server) {
	srv.ConnContext = withConn
	srv.ConnState = func(nc net.Conn, state http.ConnState) {
		c, ok := nc.(*conn)
		switch {
		case !ok:
		case state == http.StateIdle:
			c.phase.Store(done)
		case state == http.StateHijacked:
			cs.forget(c) // A handler took it over, and may use it after it has returned.
		}
	}
	next := srv.Handler
	// net/http calls a connection active until it has also read the request's body,
	// which a slow client need not end. Only while the handler runs do we owe it time.
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(*conn); ok {
			c.phase.Store(answering)
			defer c.wait(ending)
			if r.Body != http.NoBody {
				r.Body = awaitedBody{r.Body, c}
			}
		}
		next.ServeHTTP(w, r)
	})
}
