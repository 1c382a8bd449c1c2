package apart

import (
	"slices"
	"strings"
	"testing"
)

func TestEnviron(t *testing.T) {
	for name, stays := range map[string]bool{
		"TRACEPARENT=00-06b880197c1d7cb46ad5aca0b3c660c9-e39137345fb60d31-01": false,
		"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://127.0.0.1:40041/v1/logs":     false,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:40041":                  false,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318":                   true, // as a smoke.yaml says
		"OTEL_TRACES_EXPORTER=otlp":                                           false,
		"OTEL_TRACES_EXPORTER=none":                                           true,
		"OTEL_SERVICE_NAME=shop":                                              true,
	} {
		key, value, _ := strings.Cut(name, "=")
		t.Run(name, func(t *testing.T) {
			t.Setenv(key, value)
			if slices.Contains(Environ(), name) != stays {
				t.Errorf("stays: %t", !stays)
			}
		})
	}
}
