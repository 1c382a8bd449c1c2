package kube

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const socketLimit = 100 // bytes of a socket's path; the system takes 104 to 108

// proxy is the kubectl proxy that serves the cluster's API on a socket which only this
// user has.
type proxy struct {
	flags  []string
	socket string

	mu      sync.Mutex
	kubectl *kubectl
	closed  bool
}

// startProxy waits until kubectl proxy listens on a new socket in $HOME. In the container
// that is a tmpfs, so that nothing kubectl writes there (tokens, caches) gets into a layer.
func startProxy(ctx context.Context, flags []string) (*proxy, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, fmt.Errorf("no place for kubectl proxy's socket: %w", err)
	}
	socket := filepath.Join(home, "proxy-"+strings.ToLower(rand.Text()[:10])+".sock")
	if len(socket) > socketLimit {
		return nil, fmt.Errorf("no place for kubectl proxy's socket: %s is longer than a socket's path may be: set HOME to a shorter one", socket)
	}
	p := &proxy{flags: append(flags, "--unix-socket="+socket), socket: socket}
	return p, p.start(ctx)
}

func (p *proxy) start(ctx context.Context) error {
	var last line
	k, err := startKubectl(p.flags, func(string) {}, last.set)
	if err != nil {
		return err
	}
	for start := time.Now(); ; Pause(ctx, 5*time.Millisecond) {
		if conn, err := net.Dial("unix", p.socket); err == nil {
			p.kubectl = k
			return conn.Close()
		}
		switch {
		case k.hasEnded():
			err = errors.New("kubectl proxy ended: " + last.get())
		case ctx.Err() != nil:
			err = context.Cause(ctx)
		case time.Since(start) > startLimit:
			err = fmt.Errorf("kubectl proxy did not listen within %s", startLimit)
		default:
			continue
		}
		k.stop()
		_ = os.Remove(p.socket)
		return err
	}
}

// dial connects to the proxy. One that has ended, for example because the machine was
// out of memory, is started again.
func (p *proxy) dial(ctx context.Context) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return nil, net.ErrClosed
	case p.kubectl.hasEnded():
		if err := p.start(ctx); err != nil {
			return nil, err
		}
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, "unix", p.socket)
}

func (p *proxy) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.kubectl.stop()
	_ = os.Remove(p.socket)
}

// line is the last line that a program wrote.
type line struct {
	mu   sync.Mutex
	text string
}

func (l *line) set(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if text != "" {
		l.text = short(strings.TrimPrefix(text, "error: "))
	}
}

func (l *line) get() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text
}

// transport sends requests through dial. allow, if any, is asked each time before bytes
// are written, and its error stops them: nothing lies between its answer and the request's
// way out, not even the transport's own repetition.
func transport(dial func(context.Context) (net.Conn, error), allow func() error) *http.Transport {
	return &http.Transport{
		MaxIdleConnsPerHost: 32,
		IdleConnTimeout:     30 * time.Second,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := dial(ctx)
			if err != nil || allow == nil {
				return conn, err
			}
			return guardedConn{conn, allow}, nil
		},
	}
}

// guardedConn asks before it writes.
type guardedConn struct {
	net.Conn
	allow func() error
}

func (c guardedConn) Write(p []byte) (int, error) {
	if err := c.allow(); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
