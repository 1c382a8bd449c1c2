package main

import (
	"errors"
	"flag"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseConfig(t *testing.T) {
	t.Parallel()
	defaults := config{
		port: 8080, metricsPort: 9090, logLevel: slog.LevelInfo,
		drainDelay: 5 * time.Second, shutdownTimeout: 20 * time.Second, requestTimeout: 10 * time.Second,
		maxRequests: 256, maxConnections: 512, maxRequestMemory: 10,
	}
	with := func(change func(*config)) config {
		cfg := defaults
		change(&cfg)
		return cfg
	}
	tests := []struct {
		name string
		args []string
		env  map[string]string
		want config
	}{
		{"defaults", nil, nil, defaults},
		{"environment", nil,
			map[string]string{
				"PORT": "9000", "METRICS_PORT": "9001", "LOG_LEVEL": "debug",
				"DRAIN_DELAY": "1.5s", "SHUTDOWN_TIMEOUT": "2m", "REQUEST_TIMEOUT": "3s",
				"MAX_REQUESTS": "7", "MAX_CONNECTIONS": "8", "MAX_REQUEST_MEMORY": "9", "TRUSTED_PROXIES": "10.0.0.0/8, fd00::/8",
				"POD_NAME": "hello-1", "NODE_NAME": "node-a", "POD_NAMESPACE": "default",
			},
			config{
				9000, 9001, slog.LevelDebug, 1500 * time.Millisecond, 2 * time.Minute, 3 * time.Second,
				7, 8, 9, []string{"10.0.0.0/8", "fd00::/8"}, identity{"hello-1", "node-a", "default"}, tracesConfig{},
			}},
		{"flags",
			[]string{
				"--port", "0", "--metrics-port=0", "--log-level=warn",
				"--drain-delay=3s", "--shutdown-timeout=0s", "--request-timeout=0s",
				"--max-requests=0", "--max-connections=0", "--max-request-memory=0", "--trusted-proxies=", "--pod-name=p",
			}, nil,
			config{logLevel: slog.LevelWarn, drainDelay: 3 * time.Second, identity: identity{Pod: "p"}}},
		{"flag before environment", []string{"--port=1"}, map[string]string{"PORT": "2"},
			with(func(c *config) { c.port = 1 })},
		{"flag equal to the default before environment", []string{"--port=8080"}, map[string]string{"PORT": "2"}, defaults},
		{"overridden environment is not read", []string{"--log-level=error"}, map[string]string{"LOG_LEVEL": "loud"},
			with(func(c *config) { c.logLevel = slog.LevelError })},
		{"empty environment is unset", nil, map[string]string{"PORT": ""}, defaults},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseConfig(tt.args, func(name string) string { return tt.env[name] })
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("parseConfig = %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

func TestParseConfigErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args []string
		env  map[string]string
		want []string // The start of each line of the error.
	}{
		{"port too large", []string{"--port=65536"}, nil, []string{`--port="65536"`}},
		{"port negative", []string{"--port=-1"}, nil, []string{`--port="-1"`}},
		{"level that only slog knows", []string{"--log-level=info+2"}, nil, []string{`--log-level="info+2"`}},
		{"duration without unit", nil, map[string]string{"SHUTDOWN_TIMEOUT": "20"}, []string{`SHUTDOWN_TIMEOUT="20"`}},
		{"duration negative", nil, map[string]string{"DRAIN_DELAY": "-1s"}, []string{`DRAIN_DELAY="-1s"`}},
		{"count negative", []string{"--max-requests=-1"}, nil, []string{`--max-requests="-1"`}},
		{"no network", []string{"--trusted-proxies=10.0.0.0/8,proxy"}, nil, []string{`--trusted-proxies="10.0.0.0/8,proxy"`}},
		{"pod name with markup", nil, map[string]string{"POD_NAME": "<b>"}, []string{`POD_NAME="<b>"`}},
		{"pod name too long", nil, map[string]string{"POD_NAME": strings.Repeat("a", 254)}, []string{`POD_NAME="aaa`}},
		{"one port for both", []string{"--port=9090"}, nil, []string{"--port and --metrics-port are both 9090"}},
		{"traces", nil,
			map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_HEADERS": "secret"},
			[]string{`OTEL_EXPORTER_OTLP_ENDPOINT="collector:4318"`, `OTEL_EXPORTER_OTLP_PROTOCOL="grpc"`, "OTEL_EXPORTER_OTLP_HEADERS: want"}},
		{"argument", []string{"serve", "now"}, nil, []string{`unexpected argument "serve"`, `unexpected argument "now"`}},
		{"three dashes", []string{"---port=80", "now"}, nil, []string{"bad flag syntax: ---port=80", `unexpected argument "now"`}},
		{"no name", []string{"-=x", "--=80"}, nil, []string{"bad flag syntax: -=x", "bad flag syntax: --=80"}},
		{"flag without its value", []string{"--port"}, nil, []string{"flag needs an argument: -port"}},
		{"all at once", []string{"--log-level=loud", "--colour", "red", "serve", "--drain-delay=soon"}, map[string]string{"PORT": "http"},
			[]string{"flag provided but not defined: -colour", `unexpected argument "serve"`, `PORT="http"`, `--log-level="loud"`, `--drain-delay="soon"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := parseConfig(tt.args, func(name string) string { return tt.env[name] })
			if err == nil {
				t.Fatal("parseConfig returned no error")
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(tt.want) {
				t.Fatalf("got %d errors, want %d:\n%v", len(lines), len(tt.want), err)
			}
			for i, want := range tt.want {
				if !strings.HasPrefix(lines[i], want) {
					t.Errorf("error %d is %q, want it to start with %q", i, lines[i], want)
				}
			}
		})
	}
}

func TestParseConfigHelp(t *testing.T) {
	t.Parallel()
	_, err := parseConfig([]string{"--port=x", "--help"}, func(string) string { return "" })
	if !errors.Is(err, flag.ErrHelp) {
		t.Errorf("error is %v, want flag.ErrHelp", err)
	}
}
