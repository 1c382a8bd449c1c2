package apart

import (
	"os"
	"strings"
)

// Environ is the environment for what this program starts: without the way to Dagger's own
// telemetry, by which a program puts lines into the log past all that makes them harmless.
func Environ() []string {
	var rest []string
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		switch {
		case name == "TRACEPARENT", name == "TRACESTATE", name == "BAGGAGE":
		case strings.HasPrefix(name, "OTEL_EXPORTER_OTLP_") && strings.HasPrefix(value, "http://127.0.0.1:"):
		case strings.HasPrefix(name, "OTEL_") && strings.HasSuffix(name, "_EXPORTER") && value == "otlp": // which is the default
		default:
			rest = append(rest, variable)
		}
	}
	return rest
}
