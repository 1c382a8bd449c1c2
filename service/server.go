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
	// Shorter than the default shutdown timeout, so that a client that reads
	// slowly does not make a shutdown fail.
	writeTimeout = 15 * time.Second
	// Longer than the 60 s for which load balancers commonly keep a connection
	// idle: the side that sends requests should be the one that closes it.
	idleTimeout = 75 * time.Second
	// Room for large cookies and tokens; the default of 1 MiB is per connection.
	maxHeaderBytes = 32 << 10
)

// server is the web service and its state.
type server struct {
	cfg    config
	log    *slog.Logger
	router *gin.Engine
	// draining is set once the server has been told to stop, and stays set.
	draining atomic.Bool
}

func newServer(cfg config, log *slog.Logger) *server {
	s := &server{cfg: cfg, log: log}
	s.router = s.routes()
	return s
}

// run serves on the listener until ctx is done or the process is told to stop.
// It then reports not ready, keeps serving for the drain delay, and returns when
// the requests in flight have finished or the shutdown timeout is over.
func (s *server) run(ctx context.Context, listener net.Listener) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()

	srv := s.httpServer()
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(listener) }()
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

func (s *server) httpServer() *http.Server {
	return &http.Server{
		Handler:           s.router,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		// Otherwise net/http answers "OPTIONS *" itself, past our middleware.
		DisableGeneralOptionsHandler: true,
	}
}
