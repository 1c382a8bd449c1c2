package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// tracesConfig says where traces go. OpenTelemetry's specification gives the
// names and the meaning of the environment variables it is read from.
type tracesConfig struct {
	endpoint string // URL of the collector's /v1/traces, "" to send none
	headers  http.Header
}

// parseTraces reads the configuration from the environment. It returns every
// error it finds.
func parseTraces(getenv func(string) string) (tracesConfig, error) {
	// The variable for traces alone goes before the one for all signals.
	first := func(suffix string) (name, value string) {
		for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_" + suffix, "OTEL_EXPORTER_OTLP_" + suffix} {
			if value := getenv(name); value != "" {
				return name, value
			}
		}
		return "", ""
	}
	name, endpoint := first("ENDPOINT")
	if endpoint == "" || strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") || getenv("OTEL_TRACES_EXPORTER") == "none" {
		return tracesConfig{}, nil
	}

	var errs []error
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		errs = append(errs, fmt.Errorf("%s=%q: want a URL such as http://collector:4318", name, endpoint))
		u = new(url.URL)
	}
	if name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
		u = u.JoinPath("v1/traces")
	}
	// Whoever takes OTLP over HTTP takes it as JSON too, at the same address.
	if name, protocol := first("PROTOCOL"); protocol != "" && !strings.HasPrefix(protocol, "http/") {
		errs = append(errs, fmt.Errorf("%s=%q: want http/json", name, protocol))
	}
	headers := make(http.Header)
	name, list := first("HEADERS")
	for pair := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if key = strings.TrimSpace(key); !ok || key == "" || err != nil {
			// The value is left out: it may be a password.
			errs = append(errs, fmt.Errorf("%s: want key=value,key=value", name))
			break
		}
		headers.Set(key, value)
	}
	return tracesConfig{u.String(), headers}, errors.Join(errs...)
}

// otlpExporter sends spans to a collector as OTLP/JSON over HTTP. The exporter
// that comes with OpenTelemetry links gRPC and would double the program's size.
type otlpExporter struct {
	cfg    tracesConfig
	log    *slog.Logger
	client *http.Client
	pause  time.Duration // before the second try; it doubles each time
}

var _ sdktrace.SpanExporter = (*otlpExporter)(nil)

func newOTLPExporter(cfg tracesConfig, log *slog.Logger) *otlpExporter {
	return &otlpExporter{cfg, log, &http.Client{Timeout: 10 * time.Second}, time.Second}
}

// ExportSpans sends the spans, trying again until ctx is done when the collector
// is busy or away. It logs a failure and returns nil: OpenTelemetry would hand an
// error to a handler that is global to the process.
func (e *otlpExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	body, err := json.Marshal(otlpRequest(spans))
	for pause := e.pause; err == nil; pause *= 2 {
		var again bool
		if again, err = e.post(ctx, body); !again {
			break
		}
		select {
		case <-time.After(pause):
			err = nil
		case <-ctx.Done():
		}
	}
	if err != nil {
		e.log.Warn("spans are lost", "spans", len(spans), "error", err)
	}
	return nil
}

// post sends a request once and says whether a failure may pass.
func (e *otlpExporter) post(ctx context.Context, body []byte) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.cfg.endpoint, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	for key, values := range e.cfg.headers {
		req.Header[key] = values
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := e.client.Do(req)
	if err != nil {
		return ctx.Err() == nil, err
	}
	// Read to its end, within reason, so that the connection can be used again.
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	_ = resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return false, nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		again = true
	}
	return again, fmt.Errorf("the collector answers %s", resp.Status)
}

// Shutdown frees the connections; nothing else is kept.
func (e *otlpExporter) Shutdown(context.Context) error {
	e.client.CloseIdleConnections()
	return nil
}

// The types below are the messages of OTLP in JSON, as far as they are needed:
// ids are hexadecimal, and 64-bit numbers are strings.
type (
	otlpTraces struct {
		ResourceSpans []otlpResourceSpans `json:"resourceSpans"`
	}
	otlpResourceSpans struct {
		Resource   otlpResource     `json:"resource"`
		ScopeSpans []otlpScopeSpans `json:"scopeSpans"`
	}
	otlpResource struct {
		Attributes []otlpAttribute `json:"attributes"`
	}
	otlpScopeSpans struct {
		Scope otlpScope  `json:"scope"`
		Spans []otlpSpan `json:"spans"`
	}
	otlpScope struct {
		Name string `json:"name"`
	}
	otlpSpan struct {
		TraceID           string          `json:"traceId"`
		SpanID            string          `json:"spanId"`
		ParentSpanID      string          `json:"parentSpanId,omitempty"`
		TraceState        string          `json:"traceState,omitempty"`
		Flags             uint32          `json:"flags"`
		Name              string          `json:"name"`
		Kind              int             `json:"kind"`
		StartTimeUnixNano string          `json:"startTimeUnixNano"`
		EndTimeUnixNano   string          `json:"endTimeUnixNano"`
		Attributes        []otlpAttribute `json:"attributes"`
		Events            []otlpEvent     `json:"events,omitempty"`
		Status            otlpStatus      `json:"status"`
	}
	otlpEvent struct {
		TimeUnixNano string          `json:"timeUnixNano"`
		Name         string          `json:"name"`
		Attributes   []otlpAttribute `json:"attributes"`
	}
	otlpStatus struct {
		Message string `json:"message,omitempty"`
		Code    int    `json:"code,omitempty"`
	}
	otlpAttribute struct {
		Key   string         `json:"key"`
		Value map[string]any `json:"value"`
	}
)

// otlpRequest groups the spans by what made them. All are of one resource, since
// a process has one.
func otlpRequest(spans []sdktrace.ReadOnlySpan) otlpTraces {
	if len(spans) == 0 {
		return otlpTraces{}
	}
	var scopes []otlpScopeSpans
	at := make(map[string]int) // index in scopes
	for _, span := range spans {
		name := span.InstrumentationScope().Name
		if _, ok := at[name]; !ok {
			at[name] = len(scopes)
			scopes = append(scopes, otlpScopeSpans{Scope: otlpScope{name}})
		}
		scope := &scopes[at[name]]
		scope.Spans = append(scope.Spans, newOTLPSpan(span))
	}
	resource := otlpResource{otlpAttributes(spans[0].Resource().Attributes())}
	return otlpTraces{[]otlpResourceSpans{{resource, scopes}}}
}

func newOTLPSpan(span sdktrace.ReadOnlySpan) otlpSpan {
	nanos := func(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }
	id := span.SpanContext()
	out := otlpSpan{
		TraceID:           id.TraceID().String(),
		SpanID:            id.SpanID().String(),
		TraceState:        id.TraceState().String(),
		Flags:             uint32(id.TraceFlags()),
		Name:              span.Name(),
		Kind:              int(span.SpanKind()),
		StartTimeUnixNano: nanos(span.StartTime()),
		EndTimeUnixNano:   nanos(span.EndTime()),
		Attributes:        otlpAttributes(span.Attributes()),
	}
	if span.Parent().HasSpanID() {
		out.ParentSpanID = span.Parent().SpanID().String()
	}
	for _, event := range span.Events() {
		out.Events = append(out.Events, otlpEvent{nanos(event.Time), event.Name, otlpAttributes(event.Attributes)})
	}
	out.Status.Message = span.Status().Description
	switch span.Status().Code {
	case codes.Ok:
		out.Status.Code = 1
	case codes.Error: // In Go's API errors come before successes.
		out.Status.Code = 2
	}
	return out
}

func otlpAttributes(attrs []attribute.KeyValue) []otlpAttribute {
	out := make([]otlpAttribute, 0, len(attrs))
	for _, a := range attrs {
		value := map[string]any{"stringValue": a.Value.String()}
		switch a.Value.Type() {
		case attribute.BOOL:
			value = map[string]any{"boolValue": a.Value.AsBool()}
		case attribute.INT64:
			value = map[string]any{"intValue": strconv.FormatInt(a.Value.AsInt64(), 10)}
		case attribute.FLOAT64:
			value = map[string]any{"doubleValue": a.Value.AsFloat64()}
		}
		out = append(out, otlpAttribute{string(a.Key), value})
	}
	return out
}
