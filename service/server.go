package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	// A client that sends its headers more slowly only holds a connection open.
	readHeaderTimeout = 5 * time.Second
	// Long enough for the largest body that limitBody lets in, at 1 Mbit/s.
	readTimeout = 10 * time.Second
	// What a handler gets past the request timeout, for a client that reads slowly.
	// Both together are shorter than the default shutdown timeout, so that such a
	// client does not make a shutdown fail.
	writeMargin = 5 * time.Second
	// Longer than the 60 s for which load balancers commonly keep a connection
	// idle: the side that sends requests should be the one that closes it.
	idleTimeout = 75 * time.Second
	// Room for large cookies and tokens; net/http adds 4 KiB.
	maxHeaderBytes = 16 << 10
)

// server is the web service and its state.
type server struct {
	cfg      config
	log      *slog.Logger
	identity identity
	started  time.Time
	router   *gin.Engine
	metrics  *metrics
	tracing  tracing
	page     []byte
	assets   map[string]asset
	// shared holds headers' values that are never changed, so that all responses
	// can have the same ones.
	shared struct{ nosniff, vary []string }

	conns, metricsConns *connections

	active atomic.Int64 // requests being answered
	// draining is set once the server has been told to stop, and stays set.
	draining atomic.Bool
}

func newServer(cfg config, log *slog.Logger) *server {
	cfg.identity = cfg.identity.orHost()
	s := &server{
		cfg:      cfg,
		log:      log,
		identity: cfg.identity,
		started:  time.Now(),
		tracing:  newTracing(cfg, log),
		conns:    newConnections(cfg.maxConnections, int64(cfg.maxRequestMemory)<<20),
		// Enough for several that scrape, and little memory if it is somebody else.
		metricsConns: newConnections(32, 2<<20),
	}
	s.shared.nosniff, s.shared.vary = []string{"nosniff"}, []string{"Accept"}
	s.page, s.assets = loadPage(s.identity)
	s.metrics = newMetrics(s)
	s.router = s.routes()
	return s
}

// run serves on the listener, and metrics on theirs if it is not nil, until ctx is
// done or the process is told to stop. It then reports not ready, keeps serving
// for the drain delay, and returns when the requests in flight have finished or
// the shutdown timeout is over. Metrics are served to the end.
func (s *server) run(ctx context.Context, listener, metrics net.Listener) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	defer func() {
		if err := s.tracing.stop(context.WithoutCancel(ctx)); err != nil {
			s.log.Warn("spans are lost", "error", err)
		}
	}()

	failed := make(chan error, 2)
	srv := s.httpServer(s.router, s.conns)
	defer closeQuietly(srv)
	go func() { failed <- srv.Serve(boundedListener{listener, s.conns}) }()
	if metrics != nil {
		metricsServer := s.httpServer(s.metrics.handler(), s.metricsConns)
		defer closeQuietly(metricsServer)
		go func() { failed <- metricsServer.Serve(boundedListener{metrics, s.metricsConns}) }()
		s.log.Info("serving metrics", "address", metrics.Addr().String())
	}
	s.log.Info("started", "address", listener.Addr().String(), "version", version, "revision", revision)

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	stop() // From here on a second signal ends the process at once.

	s.draining.Store(true)
	s.log.Info("draining", "cause", context.Cause(ctx).Error(), "delay", s.cfg.drainDelay.String())
	time.Sleep(s.cfg.drainDelay)

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.shutdownTimeout)
	defer cancel()
	err := srv.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("requests still in flight after %g seconds", s.cfg.shutdownTimeout.Seconds())
		return errors.Join(err, srv.Close())
	}
	if err != nil {
		return err
	}
	s.log.Info("stopped")
	return nil
}

// closeQuietly ends what run leaves: nothing after an orderly stop, and after a
// failure there is already an error to report.
func closeQuietly(srv *http.Server) { _ = srv.Close() }

func (s *server) httpServer(handler http.Handler, conns *connections) *http.Server {
	srv := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      s.writeTimeout(),
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		// Otherwise net/http answers "OPTIONS *" itself, past our middleware.
		DisableGeneralOptionsHandler: true,
	}
	conns.observe(srv)
	return srv
}

// writeTimeout is 0, which is none, if the request timeout is.
func (s *server) writeTimeout() time.Duration {
	if s.cfg.requestTimeout == 0 {
		return 0
	}
	return s.cfg.requestTimeout + writeMargin
}
