package main

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// flushTimeout is what is left of Kubernetes' 30 s when the drain delay and the
// shutdown timeout have passed, with a margin.
const flushTimeout = 3 * time.Second

// maxUserAgent is in bytes; browsers send some 150.
const maxUserAgent = 256

// tracing makes spans of requests. Its zero value makes none.
type tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer // nil to make none
}

// newTracing returns the zero value if the configuration names no collector.
func newTracing(cfg config, log *slog.Logger) tracing {
	if cfg.traces.endpoint == "" {
		return tracing{}
	}
	attrs := []attribute.KeyValue{
		attribute.String("service.name", "service"),
		attribute.String("service.version", version),
	}
	for key, value := range map[string]string{
		"k8s.pod.name":       cfg.identity.Pod,
		"k8s.node.name":      cfg.identity.Node,
		"k8s.namespace.name": cfg.identity.Namespace,
	} {
		if value != "" {
			attrs = append(attrs, attribute.String(key, value))
		}
	}
	// The environment comes last, so that OTEL_SERVICE_NAME overrides our name.
	res, err := resource.New(context.Background(),
		resource.WithTelemetrySDK(), resource.WithAttributes(attrs...), resource.WithFromEnv())
	if err != nil {
		log.Warn("part of the traces' resource is missing", "error", err)
	}
	exporter, _ := otlptrace.New(context.Background(), newOTLPClient(cfg.traces, log)) // Our Start returns no error.
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(res),
	)
	return tracing{provider, provider.Tracer("example.com/hello/service")}
}

// stop sends the spans that wait to be sent, for as long as flushTimeout.
func (t tracing) stop(ctx context.Context) error {
	if t.provider == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	return t.provider.Shutdown(ctx)
}

// trace continues the trace that a valid traceparent header names, so that logs
// carry its id, and records the request as a span if there is a collector. Probes
// are no part of any trace.
func (s *server) trace(c *gin.Context) {
	ctx := c.Request.Context()
	if len(c.Request.Header["Traceparent"]) == 1 {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(c.Request.Header))
		c.Request = c.Request.WithContext(ctx)
	}
	route := c.FullPath()
	if s.tracing.tracer == nil || isProbe(route) {
		return
	}
	name := knownMethod(c.Request.Method)
	if route != "" {
		name += " " + route
	}
	ctx, span := s.tracing.tracer.Start(ctx, name,
		trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(
			attribute.String("http.request.method", knownMethod(c.Request.Method)),
			attribute.String("http.route", route),
			attribute.String("url.path", spanText(c.Request.URL.Path, maxLoggedPath)),
			attribute.String("url.scheme", "http"),
			attribute.String("client.address", s.clientIP(c)),
			attribute.String("user_agent.original", spanText(c.Request.UserAgent(), maxUserAgent)),
		))
	c.Request = c.Request.WithContext(ctx)
	whole := false
	// Deferred, because recoverPanic panics itself to cut a connection.
	defer func() {
		status := outcome(c, whole)
		span.SetAttributes(attribute.Int("http.response.status_code", status))
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}()
	c.Next()
	whole = true
}

// spanText is what a client sent, as far as a span keeps it. Thousands of spans wait
// for a collector that is away, so each holds limit bytes and not what they were cut from.
// It is UTF-8: protobuf takes nothing else, and one such request would cost all the
// spans that are sent with it.
func spanText(s string, limit int) string {
	return strings.ToValidUTF8(strings.Clone(s[:min(len(s), limit)]), "\uFFFD")
}

// traceID is the id of the trace that the request is part of, or "".
func traceID(c *gin.Context) string {
	if span := trace.SpanContextFromContext(c.Request.Context()); span.HasTraceID() {
		return span.TraceID().String()
	}
	return ""
}
