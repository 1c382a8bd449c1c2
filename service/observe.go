package main

import (
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// maxLoggedPath is in bytes; a path may be as long as all headers.
const maxLoggedPath = 1024

// observe measures each request once, for the metrics and for its line in the
// access log. The line leaves out the query, which may hold secrets. Probes that
// succeed are logged at debug level only: they say little and come often.
func (s *server) observe(c *gin.Context) {
	start := time.Now()
	s.active.Add(1)
	whole := false
	// Deferred, because recoverPanic panics itself to cut a connection.
	defer func() {
		s.active.Add(-1)
		elapsed := time.Since(start)
		status, route := outcome(c, whole), c.FullPath()
		s.metrics.observe(c.Request.Method, route, status, elapsed)

		level := slog.LevelInfo
		switch {
		case status >= http.StatusInternalServerError:
			level = slog.LevelWarn
		case isProbe(route):
			level = slog.LevelDebug
		}
		ctx := c.Request.Context()
		if !s.log.Enabled(ctx, level) {
			return
		}
		sent := max(c.Writer.Size(), 0) // gin says -1 for "nothing written".
		if c.Request.Method == http.MethodHead {
			sent = 0
		}
		// A record made by hand, as Logger would look up the line of code each time.
		r := slog.NewRecord(start.Add(elapsed), level, "request", 0)
		r.AddAttrs(
			slog.String("method", knownMethod(c.Request.Method)), // Any other is as long as a client likes.
			slog.String("path", loggedPath(c)),
			slog.Int("status", status),
			slog.Int("bytes", sent),
			slog.Float64("duration_seconds", elapsed.Seconds()),
			slog.String("request_id", requestID(c)),
			slog.String("remote", s.clientIP(c)),
		)
		if id := traceID(c); id != "" {
			r.AddAttrs(slog.String("trace_id", id))
		}
		_ = s.log.Handler().Handle(ctx, r) // As Logger does: there is nobody to tell.
	}()
	c.Next()
	whole = true
}

// outcome is the status that a request counts with. One whose connection was cut
// failed, whatever its answer began with.
func outcome(c *gin.Context, whole bool) int {
	if !whole {
		return http.StatusInternalServerError
	}
	return c.Writer.Status()
}

func isProbe(route string) bool {
	return route == healthzPath || route == readyzPath
}

func loggedPath(c *gin.Context) string {
	path := c.Request.URL.Path
	return path[:min(len(path), maxLoggedPath)]
}

// clientIP is the address of the peer, or what a trusted proxy says it is. gin
// parses the address to compare it, which is needless when no proxy is trusted.
func (s *server) clientIP(c *gin.Context) string {
	if len(s.cfg.trustedProxies) > 0 {
		return c.ClientIP()
	}
	host, _, err := net.SplitHostPort(c.Request.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}
