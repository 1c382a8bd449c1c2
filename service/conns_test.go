package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
)

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// The client that has been silent longest makes room, not the one that asks.
func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, config{maxConnections: 2})
	ts := listen(t, s)
	addr := ts.Listener.Addr().String()
	silent := dial(t, addr)
	eventually(t, "the silent client is accepted", func() bool { return s.conns.count() == 1 })
	slow := sendHalf(t, addr)
	eventually(t, "the slow client is accepted", func() bool { return s.conns.count() == 2 })

	for range 3 { // The last of these must evict one of its kind.
		resp, err := ts.Client().Get(ts.URL + "/api/whoami")
		if err != nil {
			t.Fatal(err)
		}
		if readBody(t, resp); resp.StatusCode != http.StatusOK {
			t.Errorf("got %d", resp.StatusCode)
		}
		eventually(t, "the connection is closed", func() bool { return s.conns.count() < 2 })
	}
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("the silent client is still connected")
	}
	if _, err := io.WriteString(slow, "\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(slow), nil)
	if err != nil {
		t.Fatalf("the slow client got no answer: %v", err)
	}
	readBody(t, resp)
	if evicted := s.conns.evicted.Load(); evicted != 1 {
		t.Errorf("%d connections were evicted, want 1", evicted)
	}
}

// A client that never ends its body holds its connection, for as long as net/http
// waits to read it, but no longer against others. A long answer makes net/http wait
// before it begins to answer.
func TestConnectionLimitEvictsSlowBodies(t *testing.T) {
	t.Parallel()
	for _, request := range []string{"POST /", "GET /openapi.json"} {
		t.Run(request, func(t *testing.T) {
			t.Parallel()
			s, logs := newTestServer(t, config{maxConnections: 1})
			ts := listen(t, s)
			slow := dial(t, ts.Listener.Addr().String())
			if _, err := io.WriteString(slow, request+" HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the handler has returned", func() bool {
				s.conns.mu.Lock()
				defer s.conns.mu.Unlock()
				return len(logs.entries("request")) == 1 && s.conns.longestWaiting() != nil
			})
			resp, err := get(ts.URL)
			if err != nil {
				t.Fatal(err)
			}
			if readBody(t, resp); resp.StatusCode != http.StatusOK {
				t.Errorf("got %d", resp.StatusCode)
			}
			if evicted := s.conns.evicted.Load(); evicted != 1 {
				t.Errorf("%d connections were evicted, want 1", evicted)
			}
		})
	}
}

// A connection that a handler took over, for a WebSocket say, is the handler's.
func TestConnectionLimitForgetsHijacked(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, config{maxConnections: 1})
	hijacked := make(chan net.Conn, 1)
	s.router.GET("/hijack", func(c *gin.Context) {
		nc, _, err := c.Writer.Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		hijacked <- nc
	})
	ts := listen(t, s)
	client := dial(t, ts.Listener.Addr().String())
	if _, err := io.WriteString(client, "GET /hijack HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	nc := <-hijacked
	defer func() { _ = nc.Close() }()
	for range 2 {
		resp, err := get(ts.URL)
		if err != nil {
			t.Fatal(err)
		}
		readBody(t, resp)
	}
	if _, err := io.WriteString(nc, "x"); err != nil {
		t.Errorf("the connection was closed: %v", err)
	}
}

// A request that is being answered is never cut off to make room.
func TestConnectionLimitSparesRequests(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, config{maxConnections: 1})
	entered, release := make(chan struct{}), make(chan struct{})
	s.router.GET("/slow", func(c *gin.Context) {
		close(entered)
		<-release
		c.String(http.StatusOK, "done")
	})
	ts := listen(t, s)
	body := make(chan string, 1)
	go func() {
		resp, err := get(ts.URL + "/slow")
		if err != nil {
			body <- err.Error()
			return
		}
		b, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		body <- string(b)
	}()
	<-entered
	if resp, err := get(ts.URL); err == nil {
		t.Errorf("one connection too many got %q", readBody(t, resp))
	}
	close(release)
	if got := <-body; got != "done" {
		t.Errorf("the request got %q", got)
	}
	// The connection is soon idle or closed, and makes room.
	eventually(t, "a new connection is taken", func() bool {
		resp, err := get(ts.URL)
		return err == nil && strings.HasPrefix(readBody(t, resp), "Hello")
	})
}
