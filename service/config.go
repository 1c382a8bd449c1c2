package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// config is everything that may differ between two runs of the same binary.
type config struct {
	port            uint16
	logLevel        slog.Level
	drainDelay      time.Duration
	shutdownTimeout time.Duration
}

// setting is one entry of the configuration: a flag, and the environment
// variable of the same name in capitals.
type setting struct {
	name, fallback, usage string
	parse                 func(value string) error
}

func (s setting) env() string {
	return strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
}

// settings lists what can be configured; parsing a setting stores it in cfg.
func (cfg *config) settings() []setting {
	return []setting{
		{"port", "8080", "TCP port to listen on; 0 picks a free one", cfg.parsePort},
		{"log-level", "info", "debug, info, warn or error", cfg.parseLogLevel},
		// Load balancers need a moment to notice that we are not ready, and net/http
		// drops a request whose headers are still arriving when the delay ends. The
		// default is as long as headers may take, so none that has begun is lost.
		{"drain-delay", readHeaderTimeout.String(), "how long to keep serving, not ready, once told to stop", parseDuration(&cfg.drainDelay)},
		{"shutdown-timeout", "20s", "how long requests in flight may then take to finish", parseDuration(&cfg.shutdownTimeout)},
	}
}

// parseConfig reads each setting from its flag, else from the environment, else
// takes its default. It returns every error it finds, not only the first, or
// flag.ErrHelp if the arguments ask for help.
func parseConfig(args []string, getenv func(string) string) (config, error) {
	var cfg config
	settings := cfg.settings()

	// The flags are plain strings because the flag package stops at the first
	// value that it cannot parse.
	flags := flag.NewFlagSet("service", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	for _, s := range settings {
		flags.String(s.name, s.fallback, s.usage)
	}

	var errs []error
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return config{}, err
	case err != nil:
		errs = append(errs, err)
	case flags.NArg() > 0:
		errs = append(errs, fmt.Errorf("unexpected argument %q", flags.Arg(0)))
	}

	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for _, s := range settings {
		source, value := "--"+s.name, flags.Lookup(s.name).Value.String()
		if env := getenv(s.env()); env != "" && !given[s.name] {
			source, value = s.env(), env
		}
		if err := s.parse(value); err != nil {
			errs = append(errs, fmt.Errorf("%s=%q: %w", source, value, err))
		}
	}
	return cfg, errors.Join(errs...)
}

func usage() string {
	var b strings.Builder
	b.WriteString("Usage: service [flags]\n\nA flag overrides its environment variable, which overrides the default.\n")
	for _, s := range new(config).settings() {
		fmt.Fprintf(&b, "\n  --%s, %s (default %s)\n      %s\n", s.name, s.env(), s.fallback, s.usage)
	}
	return b.String()
}

func (cfg *config) parsePort(value string) error {
	port, err := strconv.ParseUint(value, 10, 16)
	if err != nil {
		return errors.New("want a number from 0 to 65535")
	}
	cfg.port = uint16(port)
	return nil
}

func (cfg *config) parseLogLevel(value string) error {
	switch value {
	case "debug", "info", "warn", "error":
		return cfg.logLevel.UnmarshalText([]byte(value))
	default:
		return errors.New("want debug, info, warn or error")
	}
}

func parseDuration(into *time.Duration) func(string) error {
	return func(value string) error {
		d, err := time.ParseDuration(value)
		if err != nil || d < 0 {
			return errors.New("want a duration such as 0s, 1.5s or 2m")
		}
		*into = d
		return nil
	}
}
