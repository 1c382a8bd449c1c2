package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// What a connection is doing. Only while it is answering does its client wait for
// us; in each other phase we wait for the client.
const (
	reading   = iota // the headers
	answering        // the handler runs
	stalled          // the handler waits until the client sends, or takes the answer
	ending           // net/http sends the rest of the answer, and skips that of the body
	done             // the request is answered
	idle             // nothing of the next request is here
)

const (
	// A line of the headers takes about as much memory besides its bytes: its place in
	// a map that grows by doubling.
	lineMemory = 128
	// What net/http can have read of the requests that follow: 4 KiB, of lines such as "a:".
	maxReadAhead = 4<<10 + (4<<10)/3*lineMemory
	// limitHeaders answers to fewer; so many are not worth the time to parse.
	junkLines  = 4 * maxHeaderLines
	junkAnswer = "HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
)

// conn is an open connection.
type conn struct {
	net.Conn
	owner *connections
	phase atomic.Int32
	since atomic.Int64 // when it began to wait, in nanoseconds since 1970
	lines int          // of headers read

	// Guarded by owner.mu.
	memory  int64 // that its request takes
	evicted bool  // and not yet ended
}

func (c *conn) wait(phase int32) {
	c.since.Store(time.Now().UnixNano())
	c.phase.Store(phase)
}

func (c *conn) evictable() bool { return c.phase.Load() != answering }

// Read reads, and charges the connection for it.
func (c *conn) Read(p []byte) (int, error) {
	begins := c.phase.Load() == idle
	if begins {
		c.owner.refund(c, 0)
	}
	n, err := c.Conn.Read(p)
	if n == 0 {
		return n, err
	}
	if begins {
		c.wait(idle)
	}
	memory := int64(n)
	if begins || c.phase.Load() == reading {
		// More requests may follow in the same bytes: their lines take memory too.
		memory += lineMemory * int64(bytes.Count(p[:n], newline))
		c.lines += headerLines(p[:n])
		if c.lines > junkLines {
			_, _ = io.WriteString(c.Conn, junkAnswer) // Whoever sends that may have left.
			return 0, io.EOF
		}
	}
	c.owner.charge(c, memory)
	return n, err
}

var newline = []byte("\n")

// headerLines counts the lines up to the first empty one: a body may begin there.
func headerLines(p []byte) int {
	for _, empty := range []string{"\n\r\n", "\n\n"} {
		if i := bytes.Index(p, []byte(empty)); i >= 0 {
			p = p[:i]
		}
	}
	return bytes.Count(p, newline)
}

// SetReadDeadline sets the deadline. After a request net/http sets one, waits until
// the next one begins, and sets another: a Read between the two means that nothing
// of what was read before is left.
func (c *conn) SetReadDeadline(t time.Time) error {
	if !c.phase.CompareAndSwap(idle, reading) && c.phase.CompareAndSwap(done, idle) {
		c.lines = 0
		c.owner.refund(c, maxReadAhead)
	}
	return c.Conn.SetReadDeadline(t)
}

// Write writes. A handler that cannot go on until the client reads owes it no time.
func (c *conn) Write(p []byte) (int, error) {
	if c.phase.Load() == answering {
		c.wait(stalled)
		defer c.phase.Store(answering)
	}
	c.owner.charge(c, 4*kernelBuffer) // What the client has not taken and sends meanwhile.
	defer c.owner.charge(c, -4*kernelBuffer)
	return c.Conn.Write(p)
}

// Close closes the connection; a second call returns net.ErrClosed.
func (c *conn) Close() error {
	c.owner.forget(c)
	return c.Conn.Close()
}

// CloseWrite ends our half of the connection: net/http does so after an answer to
// a request it did not read to its end, which the client would else not get.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// awaitedBody is a body whose handler waits for the client when it reads.
type awaitedBody struct {
	io.ReadCloser
	conn *conn
}

// Read reads from the body.
func (b awaitedBody) Read(p []byte) (int, error) {
	b.conn.phase.Store(stalled)
	defer b.conn.phase.Store(answering)
	return b.ReadCloser.Read(p)
}

type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}
