package questions

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// listen answers each connection with a function, and closes it then.
func listen(t *testing.T, answer func(net.Conn)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				answer(c)
			}()
		}
	}()
	return listener.Addr().String()
}

// shut is an address on which nobody listens: no port that is free is ever given as 1.
const shut = "127.0.0.1:1"

func silent(c net.Conn)   { _, _ = io.Copy(io.Discard, c) }
func hangUp(net.Conn)     {}
func readOnce(c net.Conn) { _, _ = c.Read(make([]byte, 1<<16)) }
func say(text string) func(net.Conn) {
	return func(c net.Conn) {
		fmt.Fprint(c, text)
		silent(c)
	}
}
func reset(c net.Conn) {
	readOnce(c)
	_ = c.(*net.TCPConn).SetLinger(0)
}

// What is not HTTP, or is it on another line.
func TestOtherProtocols(t *testing.T) {
	var logged bytes.Buffer
	log.SetOutput(&logged)
	defer log.SetOutput(os.Stderr)
	both := servers(service())
	plain, secure := both[schemeHTTP].Listener.Addr().String(), both[schemeHTTPS].Listener.Addr().String()
	defer both[schemeHTTP].Close()
	defer both[schemeHTTPS].Close()
	for _, c := range []struct{ name, scheme, address, row, problem string }{
		{"nobody", schemeHTTP, shut, "no answer GET / dial tcp", "connection refused"},
		{"nobody, TLS", schemeHTTPS, shut, "no answer GET / dial tcp", "connection refused"},
		{"closed at once", schemeHTTP, listen(t, hangUp), "no answer", ""},
		{"closed when asked", schemeHTTP, listen(t, readOnce), "no answer", "EOF"},
		{"closed in the handshake", schemeHTTPS, listen(t, readOnce), "no answer", "EOF"},
		{"closed when asked, HTTP/2", schemeH2C, listen(t, readOnce), "no answer GET / the connection broke: ", ""},
		{"closed after settings, HTTP/2", schemeH2C, listen(t, func(c net.Conn) {
			fmt.Fprint(c, "\x00\x00\x00\x04\x00\x00\x00\x00\x00")
			time.Sleep(20 * time.Millisecond)
			readOnce(c)
		}), "no answer", "EOF"},
		{"goaway, HTTP/2", schemeH2C, listen(t, func(c net.Conn) {
			fmt.Fprint(c, "\x00\x00\x00\x04\x00\x00\x00\x00\x00")
			time.Sleep(20 * time.Millisecond)
			readOnce(c)
			fmt.Fprint(c, "\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00")
		}), "no answer", "GOAWAY"},
		{"reset", schemeHTTP, listen(t, reset), "no answer", "reset by peer"},
		{"half a head", schemeHTTP, listen(t, func(c net.Conn) {
			readOnce(c)
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nA:")
		}), "no answer", "unexpected EOF"},
		{"silence", schemeHTTP, listen(t, silent), "FAILED GET / no answer", "no answer within 300ms"},
		{"silence in the handshake", schemeHTTPS, listen(t, silent), "FAILED GET / no answer", "no answer within 300ms"},
		{"silence, HTTP/2", schemeH2C, listen(t, silent), "FAILED GET / no answer", "no answer within 300ms"},
		{"Go's TLS", schemeHTTP, secure, "FAILED GET / 400", "the port speaks TLS; say which protocol"},
		{"TLS alert", schemeHTTP, listen(t, func(c net.Conn) {
			readOnce(c)
			fmt.Fprint(c, "\x15\x03\x01\x00\x02\x02\x46")
		}), "FAILED GET / no answer", "the port speaks TLS; say which protocol"},
		{"other bytes", schemeHTTP, listen(t, say("\x16\x03\x01\x00\x02\x02\x46\r\n")),
			"FAILED", `malformed HTTP response "\x16\x03\x01\x00\x02\x02F": the port speaks TLS or`},
		{"greeting", schemeHTTP, listen(t, say("220 mail.example ESMTP\r\n")),
			"FAILED", "the port speaks TLS or another protocol"},
		{"control characters", schemeHTTP, listen(t, say("HTTP/1.1 200 OK\r\n\x1b[2Jx\r\n\r\n")),
			"FAILED", `malformed MIME header`},
		{"long line", schemeHTTP, listen(t, say(strings.Repeat("x", 1000)+"\r\n")),
			"FAILED", "…: the port speaks TLS or another protocol"},
		{"bad chunk", schemeHTTP, listen(t, say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")),
			"FAILED GET / 200, a part", "invalid byte in chunk length"},
		{"no TLS", schemeHTTPS, plain, "FAILED GET / no answer", "the port speaks no TLS; say which protocol"},
		{"greeting, HTTP/2", schemeH2C, listen(t, say("220 mail.example ESMTP\r\n")), "FAILED", "another protocol than HTTP/2"},
		{"strange frame, HTTP/2", schemeH2C, listen(t, say("\x00\x00\x04\x00\x00\x00\x00\x00\x01abcd")),
			"FAILED", "another protocol than HTTP/2"},
		{"no HTTP/2", schemeH2C, listen(t, say("HTTP/1.1 400 Bad Request\r\n\r\n")), "FAILED GET / no answer", "the port speaks HTTP/1 only"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := one(t, c.address, Service{Scheme: c.scheme}, waiting(c.problem), `{"path": "/"}`)
			if c.problem == "" && a.Way != nil { // EOF, reset or broken pipe, as the race goes
				c.problem = a.Way.Error()
			}
			check(t, a, c.row, c.problem)
		})
	}
	if strings.Contains(logged.String(), "Unsolicited") {
		t.Errorf("net/http wrote to the log: %s", &logged)
	}
}

// A service that wants a client's certificate was not asked anything.
func TestClientCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(service())
	server.Config.ErrorLog = quiet
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.StartTLS()
	defer server.Close()
	a := one(t, server.Listener.Addr().String(), Service{Scheme: schemeHTTPS}, patient, `{"path": "/"}`)
	check(t, a, "no answer GET / the connection broke: ", "certificate required")
}

func TestExplain(t *testing.T) {
	late, cancel := limits{}.within(t.Context())
	defer cancel()
	<-late.Done()
	for _, c := range []struct {
		ctx   context.Context
		open  bool
		start string
		err   error
		want  string
		way   bool
	}{
		{late, false, "", late.Err(), "no connection within 0s", true},
		{late, true, "", late.Err(), "no answer within 0s", false},
		{t.Context(), false, "", errors.New("no such host"), "no such host", true},
		{t.Context(), true, "", errors.New("http2: not established"), "the connection broke: http2: not established", true},
		{t.Context(), true, "x", errors.New("sent \x1b[2J"), `"sent \x1b[2J"`, false},
		{t.Context(), true, "x", errors.New("sent \xff"), "sent \uFFFD", false},
	} {
		var l line
		l.open.Store(c.open)
		if c.start != "" {
			l.start.Store(c.start)
		}
		err := l.explain(c.ctx, c.err)
		if _, way := err.(wayError); way != c.way || err.Error() != c.want {
			t.Errorf("%v: got %v, of the way: %t", c.err, err, way)
		}
	}
}

func TestConnect(t *testing.T) {
	for _, c := range []struct{ name, address, row, problem string }{
		{"silence", listen(t, silent), "ok connect connected, ", ""},
		{"greeting", listen(t, say("5.7.1-mysql")), "ok connect connected, ", ""},
		{"nobody", shut, "no answer connect dial tcp", "connection refused"},
		{"closed", listen(t, hangUp), "no answer connect the connection was closed at once", "EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			check(t, one(t, c.address, Service{Scheme: schemeTCP}, waiting(c.problem), `{"path": "/"}`), c.row, c.problem)
		})
	}
}

func TestCancelled(t *testing.T) {
	gone := errors.New("the lease was lost")
	for _, scheme := range []string{schemeHTTP, schemeHTTPS, schemeGRPC, schemeTCP} {
		ctx, cancel := context.WithCancelCause(t.Context())
		address := listen(t, func(c net.Conn) { cancel(gone); silent(c) })
		if scheme == schemeTCP {
			cancel(gone)
		}
		answers := parse(t, `{"requests": [{"path": "/"}]}`).AskAt(ctx, address, Service{Scheme: scheme})
		if len(answers) != 1 || !errors.Is(answers[0].Way, gone) || answers[0].Problems != nil {
			t.Errorf("%s: got %+v", scheme, answers)
		}
	}
}

// What comes unasked is read when the question was sent, or never.
func TestHeldBack(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*conn) error
		want string
	}{
		{"asked", func(c *conn) error { _, err := c.Write([]byte("?")); return err }, "hello"},
		{"closed", (*conn).Close, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l line
			conn, err := l.dial(t.Context(), "tcp", listen(t, say("hello")))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			read := make(chan string, 1)
			go func() {
				p := make([]byte, 9)
				n, _ := conn.Read(p)
				read <- string(p[:n])
			}()
			select {
			case got := <-read:
				t.Fatalf("%q was read before", got)
			case <-time.After(50 * time.Millisecond):
			}
			if err := c.do(conn); err != nil {
				t.Fatal(err)
			}
			if got := <-read; got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
