package e2e

import (
	"net"
	"sync"
)

// gate is a listener that knows its connections, also those that the HTTP server has
// given up for an upgrade.
type gate struct {
	net.Listener
	mu   sync.Mutex
	open map[net.Conn]bool // nil once all are closed
}

func (g *gate) Accept() (net.Conn, error) {
	conn, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == nil {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	g.open[conn] = true
	return gateConn{conn, g}, nil
}

func (g *gate) closeAll() {
	_ = g.Listener.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	for conn := range g.open {
		_ = conn.Close()
	}
	g.open = nil
}

type gateConn struct {
	net.Conn
	gate *gate
}

func (c gateConn) Close() error {
	c.gate.mu.Lock()
	delete(c.gate.open, c.Conn)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}
