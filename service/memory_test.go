package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
)

// held is the memory that all open connections are charged for.
func (cs *connections) held() int64 {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.memory
}

func send(t *testing.T, conn net.Conn, raw string) {
	t.Helper()
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
}

// When requests take too much memory, the one that took the most for the longest is
// cut; neither an idle connection nor a request that is small is.
func TestMemoryLimitEvictsLargest(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, config{})
	s.conns.maxMemory = 96 << 10
	ts := listen(t, s)
	addr := ts.Listener.Addr().String()
	kept := &http.Client{Transport: &http.Transport{}}
	defer kept.CloseIdleConnections()
	ask := func() {
		t.Helper()
		resp, err := kept.Get(ts.URL)
		if err != nil {
			t.Fatal(err)
		}
		readBody(t, resp)
	}
	ask()
	small := sendHalf(t, addr)
	large := dial(t, addr)
	send(t, large, "GET / HTTP/1.1\r\nHost: a\r\nA: "+strings.Repeat("x", 12<<10)+"\r\n"+strings.Repeat("A: b\r\n", 100))
	eventually(t, "the large request is read", func() bool { return s.conns.held() > 20<<10 })
	for range 3 { // The last is past the limit.
		send(t, dial(t, addr), "GET / HTTP/1.1\r\nHost: a\r\nA: "+strings.Repeat("x", 12<<10)+"\r\n"+strings.Repeat("A: b\r\n", 100))
	}
	eventually(t, "one is closed", func() bool { return s.conns.evicted.Load() == 1 })
	if n, err := large.Read(make([]byte, 1)); err == nil {
		t.Errorf("the oldest of the large requests got %d bytes, want an end", n)
	}
	if held := s.conns.held(); held > s.conns.maxMemory {
		t.Errorf("%d bytes are held, the limit is %d", held, s.conns.maxMemory)
	}
	send(t, small, "\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(small), nil)
	if err != nil {
		t.Fatalf("the small request got no answer: %v", err)
	}
	readBody(t, resp)
	ask()
}

// What is answered takes nothing any more, however it came. What came with it and is
// not answered still does: a client could else hide a flood behind one request.
func TestMemoryOfWhatIsAnswered(t *testing.T) {
	t.Parallel()
	const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	rest := "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A: b\r\n", 100)
	upload := "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n" + strings.Repeat("xxxx\n", 6000)
	for name, tt := range map[string]struct {
		send    string
		answers int
		atLeast int64
		end     string
	}{
		"one":                        {send: get, answers: 1},
		"several, pipelined":         {send: get + get + get, answers: 3},
		"a body that is read":        {send: upload, answers: 1},
		"a body that is not":         {send: strings.Replace(upload, "/upload", "/", 1), answers: 1},
		"half of another":            {send: get + rest, answers: 1, atLeast: 100 * lineMemory, end: "\r\n"},
		"half of another, after two": {send: get + get + rest, answers: 2, atLeast: 100 * lineMemory, end: "\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, logs := newTestServer(t, config{})
			s.router.POST("/upload", func(c *gin.Context) { _, _ = io.Copy(io.Discard, c.Request.Body) })
			ts := listen(t, s)
			conn := dial(t, ts.Listener.Addr().String())
			send(t, conn, tt.send)
			r := bufio.NewReader(conn)
			read := func() {
				t.Helper()
				resp, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Fatal(err)
				}
				readBody(t, resp)
			}
			for range tt.answers {
				read()
			}
			if tt.end != "" {
				if held := s.conns.held(); held < tt.atLeast {
					t.Errorf("%d bytes are held, want %d or more", held, tt.atLeast)
				}
				send(t, conn, tt.end)
				read()
			}
			eventually(t, "nothing is held", func() bool { return s.conns.held() == 0 })
			if n := len(logs.entries("request")); n != tt.answers+len(tt.end)/2 {
				t.Errorf("%d requests were answered", n)
			}
		})
	}
}

// Whoever pipelines for long is charged for what is not answered, not for all.
func TestPipeliningForLong(t *testing.T) {
	t.Parallel()
	const requests = 5000
	s, _ := newTestServer(t, config{})
	s.conns.maxMemory = 1 << 20
	ts := listen(t, s)
	conn := dial(t, ts.Listener.Addr().String())
	go func() {
		_, _ = io.WriteString(conn, strings.Repeat("GET /healthz HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n", requests))
	}()
	r := bufio.NewReader(conn)
	for i := range requests {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("answer %d: %v", i+1, err)
		}
		if readBody(t, resp); resp.StatusCode != http.StatusOK {
			t.Fatalf("answer %d is %d", i+1, resp.StatusCode)
		}
	}
}

// A handler that waits for its client, to send or to read, does not keep the
// connection from making room.
func TestConnectionLimitEvictsStalled(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]string{
		"client does not send": "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n",
		"client does not read": "GET /download HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := newTestServer(t, config{maxConnections: 1})
			s.router.POST("/upload", func(c *gin.Context) { _, _ = io.Copy(io.Discard, c.Request.Body) })
			s.router.GET("/download", func(c *gin.Context) {
				for c.Request.Context().Err() == nil {
					_, _ = c.Writer.Write(make([]byte, 1<<20))
				}
			})
			ts := httptest.NewUnstartedServer(nil)
			ts.Config = s.httpServer(s.router, s.conns)
			ts.Config.ReadTimeout = time.Minute // Not what ends it.
			ts.Listener = boundedListener{ts.Listener, s.conns}
			ts.Start()
			t.Cleanup(ts.Close)
			stalled := dial(t, ts.Listener.Addr().String())
			send(t, stalled, request)
			eventually(t, "the handler runs", func() bool { return s.active.Load() == 1 })
			eventually(t, "others are answered", func() bool {
				resp, err := get(ts.URL)
				return err == nil && strings.HasPrefix(readBody(t, resp), "Hello")
			})
		})
	}
}

// Many lines are refused, many of a body are not.
func TestHeaderLines(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, config{})
	ts := listen(t, s)
	lines := func(n int) string { return "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A: b\r\n", n) + "\r\n" }
	body := strings.Repeat("\n", 3000)
	for name, tt := range map[string]struct {
		raw  string
		want int
	}{
		"many":                 {lines(maxHeaderLines), 200},
		"too many":             {lines(maxHeaderLines + 1), 431},
		"too many to parse":    {strings.TrimSuffix(lines(junkLines+1), "\r\n"), 431},
		"lines of a body":      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n" + body, 405},
		"of a body, bare ends": {"POST / HTTP/1.1\nHost: a\nContent-Length: 3000\n\n" + body, 405},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := exchange(t, ts.Listener.Addr().String(), tt.raw)
			if len(got) != 1 || got[0] != tt.want {
				t.Errorf("got %v, want %d", got, tt.want)
			}
		})
	}
}
