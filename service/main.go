// Command service is a small web service that is easy to operate: it reports its
// health and readiness, logs JSON, and drains before it stops.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
)

// The build stamps these with -ldflags "-X main.version=… -X main.revision=…";
// nothing else sets them.
var (
	version  = "dev"
	revision = "unknown"
)

const (
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	cfg, err := parseConfig(os.Args[1:], os.Getenv)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(usage())
		return
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "invalid configuration (--help lists the settings):\n%v\n", err)
		os.Exit(exitUsage)
	}

	out := newBatchWriter(os.Stdout)
	log := newLogger(out, cfg.logLevel)
	err = serve(cfg, log)
	if err != nil {
		log.Error("failed", "error", err)
	}
	_ = out.Flush() // There is nobody to tell that the log is lost.
	if err != nil {
		os.Exit(exitFailure)
	}
}

// serve listens and runs the server until it is told to stop.
func serve(cfg config, log *slog.Logger) error {
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", cfg.port))
	if err != nil {
		return err
	}
	var metrics net.Listener
	if cfg.metricsPort != 0 {
		if metrics, err = net.Listen("tcp", fmt.Sprintf(":%d", cfg.metricsPort)); err != nil {
			return err
		}
	}
	return newServer(cfg, log).run(context.Background(), listener, metrics)
}
