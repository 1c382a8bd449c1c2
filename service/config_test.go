package main

import (
	"errors"
	"flag"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestParseConfig(t *testing.T) {
	t.Parallel()
	defaults := config{port: 8080, logLevel: slog.LevelInfo, drainDelay: 5 * time.Second, shutdownTimeout: 20 * time.Second}
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
			map[string]string{"PORT": "9000", "LOG_LEVEL": "debug", "DRAIN_DELAY": "1.5s", "SHUTDOWN_TIMEOUT": "2m"},
			config{9000, slog.LevelDebug, 1500 * time.Millisecond, 2 * time.Minute}},
		{"flags",
			[]string{"--port", "0", "--log-level=warn", "--drain-delay=3s", "--shutdown-timeout=0s"}, nil,
			config{0, slog.LevelWarn, 3 * time.Second, 0}},
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
			if err != nil || got != tt.want {
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
		{"argument", []string{"serve", "now"}, nil, []string{`unexpected argument "serve"`}},
		{"all at once", []string{"--log-level=loud", "--drain-delay=soon", "--colour", "red"}, map[string]string{"PORT": "http"},
			[]string{"flag provided but not defined: -colour", `PORT="http"`, `--log-level="loud"`, `--drain-delay="soon"`}},
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
