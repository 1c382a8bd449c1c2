package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	someTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	someParent = "00-" + someTrace + "-00f067aa0ba902b7-01"
)

func TestTraceparent(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		sent   []string
		logged any
	}{
		{"valid", []string{someParent}, someTrace},
		{"not sampled", []string{"00-" + someTrace + "-00f067aa0ba902b7-00"}, someTrace},
		{"later version with more", []string{"01-" + someTrace + "-00f067aa0ba902b7-01-more"}, someTrace},
		{"none", nil, nil},
		{"empty", []string{""}, nil},
		{"two", []string{someParent, someParent}, nil},
		{"version ff", []string{"ff-" + someTrace + "-00f067aa0ba902b7-01"}, nil},
		{"zero trace", []string{"00-00000000000000000000000000000000-00f067aa0ba902b7-01"}, nil},
		{"zero parent", []string{"00-" + someTrace + "-0000000000000000-01"}, nil},
		{"capitals", []string{strings.ToUpper(someParent)}, nil},
		{"too short", []string{someParent[:40]}, nil},
		{"too long", []string{someParent + "0"}, nil},
		{"not hexadecimal", []string{strings.Replace(someParent, "4bf9", "zzzz", 1)}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, logs := newTestServer(t, config{})
			req := httptest.NewRequest(http.MethodGet, "/", nil)
			req.Header["Traceparent"] = tt.sent
			rec := httptest.NewRecorder()
			s.router.ServeHTTP(rec, req)
			if rec.Code != 200 {
				t.Errorf("got %d", rec.Code)
			}
			if got := logs.entry("request")["trace_id"]; got != tt.logged {
				t.Errorf("logged %v, want %v", got, tt.logged)
			}
		})
	}
}

// collector is a stand-in for an OpenTelemetry collector. It answers what status
// says, and hands over what it got.
func collector(t *testing.T, status func() int) (url string, got chan string) {
	t.Helper()
	got = make(chan string, 10)
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		code := status()
		w.WriteHeader(code)
		if code == http.StatusOK {
			got <- r.Method + " " + r.URL.Path + " " + r.Header.Get("Content-Type") + " " + r.Header.Get("Api-Key") + "\n" + string(body)
		}
	}))
	t.Cleanup(ts.Close)
	return ts.URL, got
}

func always(status int) func() int { return func() int { return status } }

// traced returns the configuration that the environment gives for a collector.
func traced(t *testing.T, url string) config {
	t.Helper()
	cfg, err := parseConfig(nil, func(name string) string {
		return map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": url,
			"OTEL_EXPORTER_OTLP_HEADERS":  "api-key=a%20key",
			"POD_NAME":                    "hello-1",
		}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestSpans(t *testing.T) {
	t.Parallel()
	url, got := collector(t, always(http.StatusOK))
	s, logs := newTestServer(t, traced(t, url))
	s.router.GET("/panic", func(*gin.Context) { panic("out of cheese") })
	for _, target := range []string{"/healthz", "/version?token=secret", "/nowhere", "/panic"} {
		req := httptest.NewRequest(http.MethodGet, target, nil)
		req.Header.Set("Traceparent", someParent)
		s.router.ServeHTTP(httptest.NewRecorder(), req)
	}
	if err := s.tracing.stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	head, body, _ := strings.Cut(<-got, "\n")
	if head != "POST /v1/traces application/json a key" {
		t.Errorf("the collector got %s", head)
	}
	if strings.Contains(body, "secret") {
		t.Error("the query got into the trace")
	}
	var traces otlpTraces
	if err := json.Unmarshal([]byte(body), &traces); err != nil {
		t.Fatal(err)
	}
	resource := traces.ResourceSpans[0]
	values := make(map[string]any)
	for _, a := range resource.Resource.Attributes {
		values[a.Key] = a.Value["stringValue"]
	}
	if values["service.name"] != "service" || values["k8s.pod.name"] != "hello-1" || values["telemetry.sdk.language"] != "go" {
		t.Errorf("the resource is %v", values)
	}
	type summary struct {
		name   string
		status int
	}
	var names []summary
	for _, span := range resource.ScopeSpans[0].Spans {
		names = append(names, summary{span.Name, span.Status.Code})
		if span.TraceID != someTrace || span.ParentSpanID != "00f067aa0ba902b7" || span.Kind != 2 {
			t.Errorf("span %s: trace %s, parent %s, kind %d", span.Name, span.TraceID, span.ParentSpanID, span.Kind)
		}
		if span.EndTimeUnixNano < span.StartTimeUnixNano || len(span.StartTimeUnixNano) != 19 {
			t.Errorf("span %s lasts from %s to %s", span.Name, span.StartTimeUnixNano, span.EndTimeUnixNano)
		}
	}
	if want := []summary{{"GET /version", 0}, {"GET", 0}, {"GET /panic", 2}}; !reflect.DeepEqual(names, want) {
		t.Errorf("the spans are %v, want %v", names, want)
	}
	if entry := logs.entry("panic"); entry["trace_id"] != someTrace {
		t.Errorf("the panic is logged with trace %v", entry["trace_id"])
	}
}

// Without a traceparent the request begins a trace, which its log line names.
func TestNewTrace(t *testing.T) {
	t.Parallel()
	url, _ := collector(t, always(http.StatusOK))
	s, logs := newTestServer(t, traced(t, url))
	s.router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	if id, _ := logs.entry("request")["trace_id"].(string); len(id) != 32 {
		t.Errorf("logged trace %q", id)
	}
}

func TestParseTraces(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		env  map[string]string
		want string
	}{
		{"nothing", nil, ""},
		{"for all signals", map[string]string{"ENDPOINT": "http://c:4318"}, "http://c:4318/v1/traces"},
		{"for all signals, below a path", map[string]string{"ENDPOINT": "https://c/otlp/"}, "https://c/otlp/v1/traces"},
		{"for traces", map[string]string{"TRACES_ENDPOINT": "http://c:4318/x", "ENDPOINT": "http://d"}, "http://c:4318/x"},
		{"protobuf, which has the same address", map[string]string{"ENDPOINT": "http://c", "PROTOCOL": "http/protobuf"}, "http://c/v1/traces"},
		{"disabled", map[string]string{"ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "True"}, ""},
		{"no exporter", map[string]string{"ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, ""},
		{"not read without an endpoint", map[string]string{"PROTOCOL": "grpc"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseTraces(func(name string) string {
				return tt.env[strings.TrimPrefix(name, "OTEL_EXPORTER_OTLP_")]
			})
			if err != nil || got.endpoint != tt.want {
				t.Errorf("got %q, %v; want %q", got.endpoint, err, tt.want)
			}
		})
	}
}

func TestExporterRetries(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		statuses []int
		lost     bool
	}{
		{"busy, then not", []int{503, 429, 200}, false},
		{"refused", []int{400}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var tries atomic.Int32
			url, _ := collector(t, func() int { return tt.statuses[tries.Add(1)-1] })
			_, logs := newTestServer(t, config{})
			e := newOTLPExporter(traced(t, url).traces, newLogger(logs, 0))
			e.pause = time.Millisecond
			if err := e.ExportSpans(t.Context(), nil); err != nil {
				t.Error(err)
			}
			if lost := len(logs.entries("spans are lost")) > 0; lost != tt.lost || int(tries.Load()) != len(tt.statuses) {
				t.Errorf("lost %t after %d tries, want %t after %d", lost, tries.Load(), tt.lost, len(tt.statuses))
			}
			if err := e.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOTLPSpan(t *testing.T) {
	t.Parallel()
	var spans []sdktrace.ReadOnlySpan
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporterFunc(func(s []sdktrace.ReadOnlySpan) { spans = s })))
	_, span := provider.Tracer("test").Start(t.Context(), "name", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.Bool("b", true), attribute.Int64("i", 1<<62), attribute.Float64("f", 0.5),
		attribute.StringSlice("l", []string{"x", "y"}), attribute.String("s", "\xff")))
	span.AddEvent("event", trace.WithAttributes(attribute.String("k", "v")))
	span.End()

	body, err := json.Marshal(otlpRequest(spans))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"key":"b","value":{"boolValue":true}}`,
		`{"key":"i","value":{"intValue":"4611686018427387904"}}`,
		`{"key":"f","value":{"doubleValue":0.5}}`,
		`{"key":"l","value":{"stringValue":"[\"x\",\"y\"]"}}`,
		`"name":"event","attributes":[{"key":"k","value":{"stringValue":"v"}}]`,
		`"kind":3`, `"scope":{"name":"test"}`, `"flags":1`,
	} {
		if !strings.Contains(string(body), want) {
			t.Errorf("the request lacks %s:\n%s", want, body)
		}
	}
}

// exporterFunc is a function that takes the spans it is to export.
type exporterFunc func([]sdktrace.ReadOnlySpan)

func (f exporterFunc) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	f(spans)
	return nil
}

func (exporterFunc) Shutdown(context.Context) error { return nil }
