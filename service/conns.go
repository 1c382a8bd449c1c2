package main

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// connections bounds how many connections are open, and so the memory that
// clients which send nothing can take. When there are too many, the one whose
// client has been silent longest makes room: a real request arrives within
// milliseconds, so under a flood of slow clients it is hardly ever that one.
type connections struct {
	max     int // 0 for any number
	evicted atomic.Int64

	mu   sync.Mutex
	open map[*conn]struct{}
}

// conn is an open connection.
type conn struct {
	net.Conn
	owner *connections
	// waiting is when we began to wait for the client, in nanoseconds since 1970;
	// 0 while a handler answers it.
	waiting atomic.Int64
}

// Close closes the connection; a second call returns net.ErrClosed.
func (c *conn) Close() error {
	c.forget()
	return c.Conn.Close()
}

func (c *conn) wait() { c.waiting.Store(time.Now().UnixNano()) }

func (c *conn) forget() {
	c.owner.mu.Lock()
	defer c.owner.mu.Unlock()
	delete(c.owner.open, c)
}

// CloseWrite ends our half of the connection: net/http does so after an answer to
// a request it did not read to its end, which the client would else not get.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
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
		c := &conn{Conn: accepted, owner: l.conns}
		c.wait()
		if l.conns.admit(c) {
			return c, nil
		}
		_ = c.Close()
	}
}

// admit takes in a connection, if need be by closing another. It returns false
// if all the others are being answered.
func (cs *connections) admit(c *conn) bool {
	cs.mu.Lock()
	if cs.max == 0 || len(cs.open) < cs.max {
		cs.open[c] = struct{}{}
		cs.mu.Unlock()
		return true
	}
	victim := cs.longestWaiting()
	if victim != nil {
		cs.open[c] = struct{}{}
		delete(cs.open, victim)
	}
	cs.mu.Unlock()

	cs.evicted.Add(1)
	if victim == nil {
		return false
	}
	_ = victim.Close()
	return true
}

// longestWaiting looks at a few connections only, as many caches do: a map begins
// its iteration at random, and the exact one is not worth a walk over all.
func (cs *connections) longestWaiting() *conn {
	const sample = 16
	var oldest *conn
	var since int64
	seen := 0
	for c := range cs.open {
		waiting := c.waiting.Load()
		if waiting == 0 {
			continue
		}
		if oldest == nil || waiting < since {
			oldest, since = c, waiting
		}
		if seen++; seen == sample {
			break
		}
	}
	return oldest
}

func (cs *connections) count() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.open)
}

type connKey struct{}

// observe has srv tell which connections wait and which are being answered.
func (cs *connections) observe(srv *http.Server) {
	srv.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	srv.ConnState = func(nc net.Conn, state http.ConnState) {
		if c, ok := nc.(*conn); ok && state == http.StateHijacked {
			c.forget() // A handler took it over, and may use it after it has returned.
		}
	}
	next := srv.Handler
	// net/http calls a connection active until it has also read the request's body,
	// which a slow client need not end. Only while the handler runs do we owe it time.
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(*conn); ok {
			c.waiting.Store(0)
			defer c.wait()
		}
		next.ServeHTTP(w, r)
	})
}
