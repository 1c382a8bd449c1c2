package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	// No endpoint takes an upload, so this is generous. What a handler reads counts
	// for --max-request-memory, as if it kept it.
	maxBodyBytes = 1 << 20
	// A line takes memory besides its bytes, and browsers behind proxies send thirty.
	maxHeaderLines = 128
)

// limitRequests answers 503 to requests past the number that may be answered at
// once. Probes get through: a busy process that is restarted is worse than slow.
func (s *server) limitRequests(c *gin.Context) {
	if s.cfg.maxRequests > 0 && s.active.Load() > int64(s.cfg.maxRequests) && !isProbe(c.FullPath()) {
		abort(c, http.StatusServiceUnavailable)
	}
}

// limitHeaders answers 431 to a request with too many lines of headers.
func limitHeaders(c *gin.Context) {
	lines := 0
	for _, values := range c.Request.Header {
		lines += len(values)
	}
	if lines > maxHeaderLines {
		c.Header("Connection", "close")
		abort(c, http.StatusRequestHeaderFieldsTooLarge)
	}
}

// limitTime ends the request's context when it has taken too long. A handler that
// waits for something waits for this context too, passes its error to c.Error and
// returns: the client gets 503.
func (s *server) limitTime(c *gin.Context) {
	if s.cfg.requestTimeout <= 0 {
		return
	}
	ctx := &deadline{Context: c.Request.Context(), at: time.Now().Add(s.cfg.requestTimeout)}
	defer ctx.stop()
	c.Request = c.Request.WithContext(ctx)
	c.Next()
	answerError(c, http.StatusServiceUnavailable, context.DeadlineExceeded)
}

// limitBody answers 413 to a request whose body is too large, 408 to one whose
// body is too slow, and 400 to one whose body is broken. A length announced up
// front is judged at once. Otherwise the handler meets the error when it reads: it
// passes it to c.Error and returns.
func limitBody(c *gin.Context) {
	if c.Request.ContentLength > maxBodyBytes {
		abort(c, http.StatusRequestEntityTooLarge)
		return
	}
	if c.Request.ContentLength == 0 {
		return
	}
	if c.Request.Method == http.MethodGet || c.Request.Method == http.MethodHead {
		// Nobody reads this body. To keep the connection net/http would, before a long
		// answer even while the handler waits: as slowly as the client likes.
		c.Header("Connection", "close")
	}
	b := &body{ReadCloser: http.MaxBytesReader(c.Writer, c.Request.Body, maxBodyBytes)}
	c.Request.Body = b
	c.Next()
	if b.err == nil {
		return
	}
	status := http.StatusBadRequest
	if _, tooLarge := errors.AsType[*http.MaxBytesError](b.err); tooLarge {
		status = http.StatusRequestEntityTooLarge
	} else if errors.Is(b.err, os.ErrDeadlineExceeded) {
		status = http.StatusRequestTimeout
	}
	answerError(c, status, b.err)
}

// body remembers why it could not be read: a handler may meet errors of the same
// kind elsewhere, such as a database that is too slow, which are not the client's.
type body struct {
	io.ReadCloser
	err error
}

// Read reads from the body.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// answerError answers with a status if the handler met the error and has not
// answered itself.
func answerError(c *gin.Context, status int, cause error) {
	for _, err := range c.Errors {
		if errors.Is(err, cause) && !answered(c) {
			abort(c, status)
		}
	}
}

// answered says whether there is an answer: a status alone is one too.
func answered(c *gin.Context) bool {
	return c.Writer.Written() || c.Writer.Status() != http.StatusOK
}

// deadline is context.WithDeadline for a context that hardly anybody waits for:
// the timer, and its place in the parent, are made only when somebody does.
type deadline struct {
	context.Context // the parent
	at              time.Time

	mu     sync.Mutex
	timed  context.Context // the parent with the deadline, once somebody waits
	cancel context.CancelFunc
}

// Deadline returns when the context ends.
func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }

// Done returns a channel that is closed when the context ends.
func (d *deadline) Done() <-chan struct{} { return d.start().Done() }

// Err returns why the context ended, or nil.
func (d *deadline) Err() error { return d.start().Err() }

// AfterFunc calls f when the context ends. Without it, package context would start
// a goroutine for each context that is derived from this one.
func (d *deadline) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(d.start(), f) }

func (d *deadline) start() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timed == nil {
		d.timed, d.cancel = context.WithDeadline(d.Context, d.at)
	}
	return d.timed
}

// stop frees the timer and ends the context.
func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cancel != nil {
		d.cancel()
	}
}
