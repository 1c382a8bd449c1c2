package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	requestIDHeader    = "X-Request-Id"
	maxRequestIDLength = 64
	// No endpoint takes an upload, so this is generous.
	maxBodyBytes = 1 << 20
)

// setHeaders sets the headers that every response carries.
func (s *server) setHeaders(c *gin.Context) {
	id := c.GetHeader(requestIDHeader)
	if !validRequestID(id) {
		id = rand.Text()
	}
	c.Header(requestIDHeader, id)
	c.Header("X-Content-Type-Options", "nosniff")
	if s.draining.Load() {
		// Clients that reuse a connection learn here, rather than from a reset,
		// that they should open their next one elsewhere.
		c.Header("Connection", "close")
	}
}

// validRequestID bounds what a client can write into the logs: neither much, nor
// anything that a tool reading them would take for markup.
func validRequestID(id string) bool {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	return id != "" && len(id) <= maxRequestIDLength && strings.TrimLeft(id, allowed) == ""
}

// logAccess writes one line per request. It leaves out the query, which may hold
// secrets. Probes are logged at debug level only: they say little and come often.
func (s *server) logAccess(c *gin.Context) {
	start := time.Now()
	// Deferred, because recoverPanic panics itself to cut a connection.
	defer func() {
		level := slog.LevelInfo
		if path := c.FullPath(); path == healthzPath || path == readyzPath {
			level = slog.LevelDebug
		}
		sent := max(c.Writer.Size(), 0) // gin says -1 for "nothing written".
		if c.Request.Method == http.MethodHead {
			sent = 0
		}
		s.log.LogAttrs(c.Request.Context(), level, "request",
			slog.String("method", c.Request.Method),
			slog.String("path", c.Request.URL.Path),
			slog.Int("status", c.Writer.Status()),
			slog.Int("bytes", sent),
			slog.Float64("duration_seconds", time.Since(start).Seconds()),
			slog.String("request_id", requestID(c)),
			slog.String("remote", c.ClientIP()),
		)
	}()
	c.Next()
}

// recoverPanic answers 500 to a request whose handler panics. If the response has
// begun already it cuts the connection, since the client would otherwise take the
// part that it got for the whole.
func (s *server) recoverPanic(c *gin.Context) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		s.log.Error("panic", "error", fmt.Sprint(cause), "request_id", requestID(c), "stack", string(debug.Stack()))
		if c.Writer.Written() {
			panic(http.ErrAbortHandler)
		}
		abort(c, http.StatusInternalServerError)
	}()
	c.Next()
}

// limitBody answers 413 to a request whose body is too large. A length announced
// up front is judged at once. Otherwise the body turns out to be too large only
// when a handler reads it: the handler then passes the error to c.Error and returns.
func limitBody(c *gin.Context) {
	if c.Request.ContentLength > maxBodyBytes {
		abort(c, http.StatusRequestEntityTooLarge)
		return
	}
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxBodyBytes)
	c.Next()
	for _, err := range c.Errors {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge && !c.Writer.Written() {
			abort(c, http.StatusRequestEntityTooLarge)
		}
	}
}

func requestID(c *gin.Context) string {
	return c.Writer.Header().Get(requestIDHeader)
}
