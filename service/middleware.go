package main

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/gin-gonic/gin"
)

const (
	requestIDHeader    = "X-Request-Id"
	maxRequestIDLength = 64
	// As nginx counts a request whose client does not wait for the answer.
	statusClientGone = 499
)

// setHeaders sets the headers that every response carries.
func (s *server) setHeaders(c *gin.Context) {
	id := c.GetHeader(requestIDHeader)
	if !validRequestID(id) {
		id = newRequestID()
	}
	h := c.Writer.Header()
	h[requestIDHeader] = []string{id}
	h["X-Content-Type-Options"] = s.shared.nosniff
	if s.draining.Load() {
		// Clients that reuse a connection learn here, rather than from a reset,
		// that they should open their next one elsewhere.
		h.Set("Connection", "close")
	}
}

// newRequestID returns 32 characters that no other request gets. They need not be
// hard to guess, since they open nothing.
func newRequestID() string {
	var random [16]byte
	binary.LittleEndian.PutUint64(random[:8], rand.Uint64()) //nolint:gosec // see above
	binary.LittleEndian.PutUint64(random[8:], rand.Uint64()) //nolint:gosec // see above
	var text [2 * len(random)]byte
	hex.Encode(text[:], random[:])
	return string(text[:])
}

// validRequestID bounds what a client can write into the logs: neither much, nor
// anything that a tool reading them would take for markup.
func validRequestID(id string) bool {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	return id != "" && len(id) <= maxRequestIDLength && strings.TrimLeft(id, allowed) == ""
}

// recoverPanic answers 500 to a request whose handler panics. If the response has
// begun already it cuts the connection, since the client would otherwise take the
// part that it got for the whole. A handler cuts it on purpose with
// http.ErrAbortHandler, which is no news.
func (s *server) recoverPanic(c *gin.Context) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(http.ErrAbortHandler)
		}
		s.logError(c, "panic", fmt.Sprint(cause), slog.String("stack", string(debug.Stack())))
		if c.Writer.Written() {
			panic(http.ErrAbortHandler)
		}
		abort(c, http.StatusInternalServerError)
	}()
	c.Next()
}

// handleErrors answers 500 to a request whose handler passes an error to c.Error
// and returns, unless the client's own doing is the cause.
func (s *server) handleErrors(c *gin.Context) {
	ctx := c.Request.Context() // The handler's own ends with limitTime.
	c.Next()
	switch {
	case len(c.Errors) == 0 || answered(c):
	case ctx.Err() != nil:
		abort(c, statusClientGone)
	default:
		s.logError(c, "request failed", strings.Join(c.Errors.Errors(), "; "))
		abort(c, http.StatusInternalServerError)
	}
}

// logError logs an error with what leads to the request's other lines.
func (s *server) logError(c *gin.Context, message, cause string, attrs ...slog.Attr) {
	attrs = append(attrs, slog.String("error", cause), slog.String("request_id", requestID(c)))
	if id := traceID(c); id != "" {
		attrs = append(attrs, slog.String("trace_id", id))
	}
	s.log.LogAttrs(c.Request.Context(), slog.LevelError, message, attrs...)
}

func requestID(c *gin.Context) string {
	return c.Writer.Header().Get(requestIDHeader)
}
