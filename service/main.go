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

	log := slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: cfg.logLevel}))
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", cfg.port))
	if err == nil {
		err = newServer(cfg, log).run(context.Background(), listener)
	}
	if err != nil {
		log.Error("failed", "error", err)
		os.Exit(exitFailure)
	}
}
