package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
)

// start runs s on a loopback port. It returns the address, a function that tells
// s to stop, and the result of run.
func start(t *testing.T, s *server) (addr string, stop context.CancelFunc, result <-chan error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.run(ctx, listener, nil) }()
	return listener.Addr().String(), stop, done
}

// get makes a request on a connection of its own.
func get(url string) (*http.Response, error) {
	client := http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	return client.Get(url)
}

// sendHalf connects and sends a request but for the empty line that ends it.
func sendHalf(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: test\r\n"); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestRunDrains(t *testing.T) {
	t.Parallel()
	// All that is asked below until new connections are refused must fit into the delay.
	s, logs := newTestServer(t, config{drainDelay: 4 * time.Second, shutdownTimeout: 10 * time.Second})
	entered, release := make(chan struct{}), make(chan struct{})
	s.router.GET("/slow", func(c *gin.Context) {
		close(entered)
		<-release
		c.String(http.StatusOK, "done")
	})
	addr, stop, result := start(t, s)

	halfSent := sendHalf(t, addr)
	slow := make(chan string, 1)
	go func() {
		resp, err := get("http://" + addr + "/slow")
		if err != nil {
			slow <- err.Error()
			return
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		slow <- string(body)
	}()
	<-entered // Connections are accepted in order, so halfSent's has been too.

	stop()
	eventually(t, "readyz says 503", func() bool {
		resp, err := get("http://" + addr + "/readyz")
		return err == nil && readBody(t, resp) == "shutting down" && resp.StatusCode == http.StatusServiceUnavailable
	})
	for _, path := range []string{"/", "/healthz"} {
		resp, err := get("http://" + addr + path)
		if err != nil {
			t.Fatalf("a new request during the drain delay: %v", err)
		}
		if readBody(t, resp); resp.StatusCode != http.StatusOK || !resp.Close {
			t.Errorf("GET %s: got %d, close %t; want 200, true", path, resp.StatusCode, resp.Close)
		}
	}

	if _, err := io.WriteString(halfSent, "\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(halfSent), nil)
	if err != nil {
		t.Fatalf("the half-sent request got no answer: %v", err)
	}
	if body := readBody(t, resp); body != "Hello World" {
		t.Errorf("the half-sent request got %q", body)
	}
	eventually(t, "new connections are refused", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	close(release)
	if body := <-slow; body != "done" {
		t.Errorf("the slow request got %q", body)
	}
	if err := <-result; err != nil {
		t.Errorf("run returned %v", err)
	}
	for _, message := range []string{"started", "draining", "stopped"} {
		logs.entry(message)
	}
}

func TestRunGivesUpOnRequestsInFlight(t *testing.T) {
	t.Parallel()
	s, logs := newTestServer(t, config{shutdownTimeout: 50 * time.Millisecond})
	entered, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	s.router.GET("/stuck", func(*gin.Context) {
		close(entered)
		<-release
	})
	addr, stop, result := start(t, s)
	cut := make(chan error, 1)
	go func() {
		_, err := get("http://" + addr + "/stuck")
		cut <- err
	}()
	<-entered
	stop()
	if err := <-result; err == nil || !strings.Contains(err.Error(), "after 0.05 seconds") {
		t.Errorf("run returned %v", err)
	}
	if err := <-cut; err == nil {
		t.Error("the stuck request got an answer, want its connection closed")
	}
	if stopped := logs.entries("stopped"); len(stopped) > 0 {
		t.Errorf("the log claims an orderly stop: %v", stopped)
	}
}

func TestRunReportsAFailingListener(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, config{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	if err := s.run(t.Context(), listener, nil); err == nil {
		t.Error("run returned nil")
	}
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	cfg, err := parseConfig(nil, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	s, _ := newTestServer(t, cfg)
	srv := s.httpServer(s.router, s.conns)
	for i, timeout := range []time.Duration{srv.ReadHeaderTimeout, srv.ReadTimeout, srv.WriteTimeout, srv.IdleTimeout} {
		if timeout <= 0 {
			t.Errorf("timeout %d is %s, which waits for ever", i, timeout)
		}
	}
	if srv.ReadHeaderTimeout > cfg.drainDelay {
		t.Errorf("headers may take %s, the default drain delay is %s", srv.ReadHeaderTimeout, cfg.drainDelay)
	}
	if srv.WriteTimeout >= cfg.shutdownTimeout {
		t.Errorf("a response may take %s, the default shutdown timeout is %s", srv.WriteTimeout, cfg.shutdownTimeout)
	}
}

func TestHTTPServerLogsJSON(t *testing.T) {
	t.Parallel()
	s, logs := newTestServer(t, config{})
	s.httpServer(s.router, s.conns).ErrorLog.Print("what net/http has to say")
	logs.entry("what net/http has to say")
}
