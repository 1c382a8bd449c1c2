package main

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
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
	s.router.GET("/cut", func(c *gin.Context) {
		c.String(http.StatusOK, "the first half")
		panic(http.ErrAbortHandler)
	})
	for _, target := range []string{"/healthz", "/version?token=secret", "/%ff", "/panic", "/cut"} {
		req := httptest.NewRequest(http.MethodGet, target, nil)
		req.Header.Set("User-Agent", "\xff")
		req.Header.Set("Traceparent", someParent)
		func() {
			defer func() { _ = recover() }() // As net/http does.
			s.router.ServeHTTP(httptest.NewRecorder(), req)
		}()
	}
	if err := s.tracing.stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	if len(got) == 0 {
		t.Fatalf("the collector got nothing: %v", logs.entries("spans are lost"))
	}
	head, body, _ := strings.Cut(<-got, "\n")
	if head != "POST /v1/traces application/x-protobuf a key" {
		t.Errorf("the collector got %s", head)
	}
	if strings.Contains(body, "secret") {
		t.Error("the query got into the trace")
	}
	var traces tracepb.TracesData
	if err := proto.Unmarshal([]byte(body), &traces); err != nil {
		t.Fatal(err)
	}
	resource := traces.GetResourceSpans()[0]
	values := make(map[string]string)
	for _, a := range resource.GetResource().GetAttributes() {
		values[a.GetKey()] = a.GetValue().GetStringValue()
	}
	if values["service.name"] != "service" || values["k8s.pod.name"] != "hello-1" || values["telemetry.sdk.language"] != "go" {
		t.Errorf("the resource is %v", values)
	}
	type summary struct {
		name   string
		status tracepb.Status_StatusCode
	}
	var names []summary
	for _, span := range resource.GetScopeSpans()[0].GetSpans() {
		names = append(names, summary{span.GetName(), span.GetStatus().GetCode()})
		trace, parent := hex.EncodeToString(span.GetTraceId()), hex.EncodeToString(span.GetParentSpanId())
		if trace != someTrace || parent != "00f067aa0ba902b7" || span.GetKind() != tracepb.Span_SPAN_KIND_SERVER {
			t.Errorf("span %s: trace %s, parent %s, kind %s", span.GetName(), trace, parent, span.GetKind())
		}
	}
	if want := []summary{
		{"GET /version", tracepb.Status_STATUS_CODE_UNSET},
		{"GET", tracepb.Status_STATUS_CODE_UNSET},
		{"GET /panic", tracepb.Status_STATUS_CODE_ERROR},
		{"GET /cut", tracepb.Status_STATUS_CODE_ERROR},
	}; !slices.Equal(names, want) {
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
		{"protobuf", map[string]string{"ENDPOINT": "http://c", "PROTOCOL": "http/protobuf"}, "http://c/v1/traces"},
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

func TestUploadRetries(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		statuses []int
		lost     bool
	}{
		{"busy, then not", []int{503, 429, 200}, false},
		{"created", []int{201}, false},
		{"refused", []int{400}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var tries atomic.Int32
			url, _ := collector(t, func() int { return tt.statuses[tries.Add(1)-1] })
			_, logs := newTestServer(t, config{})
			c := newOTLPClient(traced(t, url).traces, newLogger(logs, 0))
			c.pause = time.Millisecond
			if err := c.UploadTraces(t.Context(), nil); err != nil {
				t.Error(err)
			}
			if lost := len(logs.entries("spans are lost")) > 0; lost != tt.lost || int(tries.Load()) != len(tt.statuses) {
				t.Errorf("lost %t after %d tries, want %t after %d", lost, tries.Load(), tt.lost, len(tt.statuses))
			}
			if err := c.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
