package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// config is everything that may differ between two runs of the same binary.
type config struct {
	port, metricsPort uint16
	logLevel          slog.Level
	drainDelay        time.Duration
	shutdownTimeout   time.Duration
	requestTimeout    time.Duration // 0 for none
	maxRequests       int           // 0 for any number
	maxConnections    int           // 0 for any number
	maxRequestMemory  int           // in MiB, 0 for any number
	trustedProxies    []string      // networks in CIDR notation
	identity          identity
	traces            tracesConfig
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
		{"port", "8080", "TCP port to listen on; 0 picks a free one", parsePort(&cfg.port)},
		{"metrics-port", "9090", "TCP port for Prometheus, apart from the users' one; 0 for none", parsePort(&cfg.metricsPort)},
		{"log-level", "info", "debug, info, warn or error", cfg.parseLogLevel},
		// Load balancers need a moment to notice that we are not ready, and net/http
		// drops a request whose headers are still arriving when the delay ends. The
		// default is as long as headers may take, so none that has begun is lost.
		{"drain-delay", readHeaderTimeout.String(), "how long to keep serving, not ready, once told to stop", parseDuration(&cfg.drainDelay)},
		{"shutdown-timeout", "20s", "how long requests in flight may then take to finish", parseDuration(&cfg.shutdownTimeout)},
		{"request-timeout", "10s", "how long a handler may take before its client gets 503; 0s for any time", parseDuration(&cfg.requestTimeout)},
		{"max-requests", "256", "requests answered at once, the others get 503; 0 for any number", parseCount(&cfg.maxRequests)},
		// About 20 KiB each while idle, and up to 48 in the kernel: together with the
		// requests' memory less than what a container of 64 MiB leaves free.
		{"max-connections", "512", "connections kept open, past that the longest idle is closed; 0 for any number", parseCount(&cfg.maxConnections)},
		{"max-request-memory", "10", "MiB that requests may take until they are answered, past that the largest is cut; 0 for any number",
			parseCount(&cfg.maxRequestMemory)},
		{"trusted-proxies", "", "networks such as 10.0.0.0/8,fd00::/8 whose X-Forwarded-For is believed", cfg.parseTrustedProxies},
		{"pod-name", "", "name to answer with, by default the host's", parseName(&cfg.identity.Pod)},
		{"node-name", "", "machine that runs the pod", parseName(&cfg.identity.Node)},
		{"pod-namespace", "", "namespace of the pod", parseName(&cfg.identity.Namespace)},
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

	// Parse stops at what it does not know; what follows may be wrong as well.
	var errs []error
	for rest := args; len(rest) > 0; {
		err := flags.Parse(rest)
		if errors.Is(err, flag.ErrHelp) {
			return config{}, err
		}
		rest = flags.Args()
		isValue := len(rest) > 0 && !strings.HasPrefix(rest[0], "-")
		switch {
		case err != nil:
			errs = append(errs, err)
			// Parse took the flag that is wrong, but neither its value nor what is no flag at all.
			if isValue || strings.HasPrefix(err.Error(), "bad flag syntax") {
				rest = rest[1:]
			}
		case len(rest) > 0:
			errs = append(errs, fmt.Errorf("unexpected argument %q", rest[0]))
			rest = rest[1:]
		}
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
	if cfg.port != 0 && cfg.port == cfg.metricsPort {
		errs = append(errs, fmt.Errorf("--port and --metrics-port are both %d: want two ports", cfg.port))
	}
	var err error
	if cfg.traces, err = parseTraces(getenv); err != nil {
		errs = append(errs, err)
	}
	return cfg, errors.Join(errs...)
}

func usage() string {
	var b strings.Builder
	b.WriteString("Usage: service [flags]\n\nA flag overrides its environment variable, which overrides the default.\n")
	for _, s := range new(config).settings() {
		fallback := s.fallback
		if fallback == "" {
			fallback = "none"
		}
		fmt.Fprintf(&b, "\n  --%s, %s (default %s)\n      %s\n", s.name, s.env(), fallback, s.usage)
	}
	b.WriteString(`
Traces go to the OpenTelemetry collector that these variables name; without one
of the first two there are none:

  OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
  OTEL_EXPORTER_OTLP_HEADERS, OTEL_EXPORTER_OTLP_TRACES_HEADERS
  OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_BSP_*
  OTEL_SDK_DISABLED=true, OTEL_TRACES_EXPORTER=none turn them off again

Exit status: 0 after an orderly stop, 1 for a failure, 2 for a wrong setting.
`)
	return b.String()
}

func parsePort(into *uint16) func(string) error {
	return func(value string) error {
		port, err := strconv.ParseUint(value, 10, 16)
		if err != nil {
			return errors.New("want a number from 0 to 65535")
		}
		*into = uint16(port)
		return nil
	}
}

func parseCount(into *int) func(string) error {
	return func(value string) error {
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil {
			return errors.New("want a number, 0 for any")
		}
		*into = int(n)
		return nil
	}
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

func (cfg *config) parseTrustedProxies(value string) error {
	if value == "" {
		return nil
	}
	for network := range strings.SplitSeq(value, ",") {
		prefix, err := netip.ParsePrefix(strings.TrimSpace(network))
		if err != nil {
			return errors.New("want networks such as 10.0.0.0/8,fd00::/8")
		}
		cfg.trustedProxies = append(cfg.trustedProxies, prefix.String())
	}
	return nil
}

// parseName takes what Kubernetes takes for a name, which is also safe to show.
func parseName(into *string) func(string) error {
	return func(value string) error {
		const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
		if len(value) > 253 || strings.Trim(value, allowed) != "" {
			return errors.New("want at most 253 letters, digits, dots and dashes")
		}
		*into = value
		return nil
	}
}
