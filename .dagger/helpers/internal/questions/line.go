package questions

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// NameThePort is the way out where a port of a cluster is spoken to in the wrong protocol.
const NameThePort = "say which protocol with the port's name (https, grpc, tcp) or its appProtocol in the Service"

// errorLimit is how many characters of an error are shown: it may quote the service.
const errorLimit = 300

// What the answer of a service begins with that was spoken to in another protocol.
const (
	http1    = "HTTP/"
	tlsAlert = "\x15" // the record with which TLS refuses what it cannot read
)

// wayError is an error of the connection, not of the service.
type wayError struct {
	error
	closed bool // nothing at all came
}

// tooLate is the cause of a context whose question took too long.
type tooLate struct{ limit time.Duration }

func (e tooLate) Error() string { return fmt.Sprintf("no answer within %s", e.limit) }

func (l limits) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, l.reply, tooLate{l.reply})
}

// line is a connection for one question. Nothing that the environment says of proxies
// counts: the way is a port-forward or a network of containers.
type line struct {
	tls       bool
	protocols http.Protocols
	host      string // for the Host header and the name in TLS, "" for the address

	open  atomic.Bool  // the service, or what forwards to it, has accepted
	start atomic.Value // of what came, a string, nil if nothing did
}

// send sends one request and returns the head of the answer. The errors are such as
// explain gives.
func (l *line) send(ctx context.Context, method, address, path string, header http.Header, body io.Reader) (*http.Response, error) {
	scheme := "http://"
	if l.tls {
		scheme = "https://"
	}
	req, err := http.NewRequestWithContext(ctx, method, scheme+address+path, body)
	if err != nil {
		return nil, err
	}
	if header != nil {
		req.Header = header
	}
	req.Host = l.host
	// Without a Client, which would follow redirects.
	resp, err := l.transport().RoundTrip(req)
	if err != nil {
		return nil, l.explain(ctx, err)
	}
	return resp, nil
}

func (l *line) transport() *http.Transport {
	name, _, err := net.SplitHostPort(l.host)
	if err != nil {
		name = l.host // it has no port
	}
	return &http.Transport{
		Protocols:         &l.protocols,
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return l.dial(ctx, network, address)
		},
		// A pod's certificate is for whatever stands before it, and the way leads to that pod alone.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: name}, //nolint:gosec // see above
	}
}

func (l *line) dial(ctx context.Context, network, address string) (*conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l.open.Store(true)
	return &conn{Conn: c, line: l, spoken: make(chan struct{})}, nil
}

// explain turns an error of net/http into one for the user: a wayError, or what is
// wrong with the service.
func (l *line) explain(ctx context.Context, err error) error {
	var (
		cause = context.Cause(ctx)
		late  tooLate
		op    *net.OpError // among them what TLS refuses, such as a client without certificate
		noTLS tls.RecordHeaderError
	)
	start, heard := l.start.Load().(string)
	switch {
	case errors.As(cause, &late) && l.open.Load():
		return late
	case errors.As(cause, &late):
		return wayError{error: fmt.Errorf("no connection within %s", late.limit)}
	case cause != nil:
		return wayError{error: cause}
	case strings.HasPrefix(start, tlsAlert) && !l.tls:
		return errors.New("the port speaks TLS; " + NameThePort)
	case errors.As(err, &noTLS):
		return errors.New("the port speaks no TLS; " + NameThePort)
	case start == http1 && !l.protocols.HTTP1():
		return errors.New("the port speaks HTTP/1 only; " + NameThePort)
	case !l.open.Load():
		return wayError{error: errors.New(plain(err))}
	case !heard || errors.As(err, &op) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF),
		strings.Contains(err.Error(), "GOAWAY"): // in HTTP/2 a server takes leave before it closes
		return wayError{errors.New("the connection broke: " + plain(err)), !heard}
	case strings.Contains(err.Error(), "malformed"):
		return fmt.Errorf("%s: the port speaks TLS or another protocol; %s", plain(err), NameThePort)
	case strings.Contains(err.Error(), "http2: "), strings.Contains(err.Error(), "connection error: "):
		return fmt.Errorf("%s: the port speaks another protocol than HTTP/2; %s", plain(err), NameThePort)
	}
	return errors.New(plain(err))
}

// plain is the text of an error in one line for a terminal: some of net/http's repeat
// what the service sent.
func plain(err error) string {
	text := strings.ToValidUTF8(err.Error(), "\uFFFD")
	if runes := []rune(text); len(runes) > errorLimit {
		text = string(runes[:errorLimit]) + "…"
	}
	if strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) {
		text = strconv.Quote(text)
	}
	return text
}

// conn holds back what the service says until something was sent to it. net/http reads
// at once, and what comes before the request it writes to the log of the process.
type conn struct {
	net.Conn
	line   *line
	once   sync.Once
	spoken chan struct{}
}

func (c *conn) Read(p []byte) (int, error) {
	<-c.spoken
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.line.start.CompareAndSwap(nil, string(p[:min(n, len(http1))]))
	}
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	c.once.Do(func() { close(c.spoken) })
	return c.Conn.Write(p)
}

func (c *conn) Close() error {
	defer c.once.Do(func() { close(c.spoken) })
	return c.Conn.Close()
}
