package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// exchange sends raw bytes, ends its half of the connection and returns the
// status of each answer. What follows the answers is an error.
func exchange(t testing.TB, addr, raw string) []int {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	go func() {
		_, _ = io.WriteString(conn, raw) // The server may close before it has all.
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	var statuses []int
	for r := bufio.NewReader(conn); ; {
		if _, err := r.Peek(1); err != nil {
			return statuses
		}
		// A HEAD's answer has no body, and only who sent the request knows.
		sent := strings.SplitN(raw, "HEAD ", 2)
		method := http.MethodGet
		if len(sent) == 2 && len(statuses) == strings.Count(sent[0], "\r\n\r\n") {
			method = http.MethodHead
		}
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			t.Errorf("%q: answer %d: %v", raw, len(statuses)+1, err)
			return statuses
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return append(statuses, resp.StatusCode) // Cut by a reset: there was more to read.
		}
		statuses = append(statuses, resp.StatusCode)
	}
}

func TestRawRequests(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, raw string
		want      []int
	}{
		{"nothing", "", nil},
		{"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", []int{200}},
		{"HTTP/1.0, kept alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /readyz HTTP/1.0\r\n\r\n", []int{200, 200}},
		{"pipelined", strings.Repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 3), []int{200, 200, 200}},
		{"pipelined to whoami, which closes", strings.Repeat("GET /api/whoami HTTP/1.1\r\nHost: a\r\n\r\n", 3), []int{200}},
		{"HEAD, then GET", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", []int{200, 200}},
		{"absolute target", "GET http://a/healthz HTTP/1.1\r\nHost: a\r\n\r\n", []int{200}},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", []int{400}},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{404}},
		{"HTTP/3.0", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", []int{505}},
		{"no version", "GET /\r\n\r\n", []int{400}},
		{"no host", "GET / HTTP/1.1\r\n\r\n", []int{400}},
		{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", []int{400}},
		{"space before colon", "GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n", []int{400}},
		{"folded header", "GET / HTTP/1.1\r\nHost: a\r\n A: b\r\n\r\n", []int{400}},
		{"NUL in header", "GET / HTTP/1.1\r\nHost: a\r\nA: b\x00\r\n\r\n", []int{400}},
		{"NUL in path", "GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", []int{400}},
		{"length and chunks", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []int{405}},
		{"two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", []int{400}},
		{"negative length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", []int{400}},
		{"unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", []int{501}},
		{"bad chunk", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", []int{405}},
		{"unknown expectation", "GET / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\n\r\n", []int{417}},
		{"body too large", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", []int{413}},
		{"large headers", "GET / HTTP/1.1\r\nHost: a\r\nA: " + strings.Repeat("x", 15<<10) + "\r\n\r\n", []int{200}},
		{"headers too large", "GET / HTTP/1.1\r\nHost: a\r\nA: " + strings.Repeat("x", 24<<10) + "\r\n\r\n", []int{431}},
		{"too many headers", "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A: b\r\n", 20<<10) + "\r\n", []int{431}},
		{"target too large", "GET /" + strings.Repeat("x", 64<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n", []int{431}},
		{"unknown method", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", []int{405}},
		{"TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", []int{405}},
		{"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", []int{404}},
		{"lower-case method", "get / HTTP/1.1\r\nHost: a\r\n\r\n", []int{405}},
		{"parent directory", "GET /assets/../healthz HTTP/1.1\r\nHost: a\r\n\r\n", []int{404}},
		{"parent directory, encoded", "GET /assets/..%2f..%2fetc%2fpasswd HTTP/1.1\r\nHost: a\r\n\r\n", []int{404}},
		{"two slashes", "GET //healthz HTTP/1.1\r\nHost: a\r\n\r\n", []int{404}},
		{"half an escape", "GET /%2 HTTP/1.1\r\nHost: a\r\n\r\n", []int{400}},
		{"not UTF-8", "GET /%ff%fe HTTP/1.1\r\nHost: a\r\nX-Request-Id: \xff\r\nTraceparent: \xff\r\n\r\n", []int{404}},
		{"upgrade", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", []int{200}},
		{"many ranges", "GET /assets/page.js HTTP/1.1\r\nHost: a\r\nConnection: close\r\nRange: bytes=" + strings.Repeat("0-,", 5000) + "0-\r\n\r\n", []int{200}},
	}
	s, logs := newTestServer(t, config{})
	ts := listen(t, s)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := exchange(t, ts.Listener.Addr().String(), tt.raw)
			if len(got) != len(tt.want) {
				t.Fatalf("got %v, want %v", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Fatalf("got %v, want %v", got, tt.want)
				}
			}
		})
	}
	t.Cleanup(func() {
		if panics := logs.entries("panic"); len(panics) > 0 {
			t.Errorf("it panicked: %v", panics)
		}
	})
}
