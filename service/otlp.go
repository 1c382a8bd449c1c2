package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
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
	// Whoever takes OTLP as JSON takes it as protobuf too, at the same address.
	if name, protocol := first("PROTOCOL"); protocol != "" && !strings.HasPrefix(protocol, "http/") {
		errs = append(errs, fmt.Errorf("%s=%q: want http/protobuf", name, protocol))
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

// otlpClient sends spans to a collector as OTLP over HTTP. The client that comes
// with OpenTelemetry links gRPC and would double the program's size.
type otlpClient struct {
	cfg   tracesConfig
	log   *slog.Logger
	http  *http.Client
	pause time.Duration // before the second try; it doubles each time
}

func newOTLPClient(cfg tracesConfig, log *slog.Logger) *otlpClient {
	return &otlpClient{cfg, log, &http.Client{Timeout: 10 * time.Second}, time.Second}
}

// Start does nothing: connections are made when there is something to send.
func (c *otlpClient) Start(context.Context) error { return nil }

// Stop frees the connections; nothing else is kept.
func (c *otlpClient) Stop(context.Context) error {
	c.http.CloseIdleConnections()
	return nil
}

// UploadTraces sends the spans, trying again until ctx is done when the collector
// is busy or away. It logs a failure and returns nil: OpenTelemetry would hand an
// error to a handler that is global to the process.
func (c *otlpClient) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	// On the wire the same as the collector's ExportTraceServiceRequest, whose
	// package is the one that links gRPC.
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	for pause := c.pause; err == nil; pause *= 2 {
		var again bool
		if again, err = c.post(ctx, body); !again {
			break
		}
		select {
		case <-time.After(pause):
			err = nil
		case <-ctx.Done():
		}
	}
	if err != nil {
		c.log.Warn("spans are lost", "error", err)
	}
	return nil
}

// post sends a request once and says whether a failure may pass.
func (c *otlpClient) post(ctx context.Context, body []byte) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.endpoint, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	for key, values := range c.cfg.headers {
		req.Header[key] = values
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	resp, err := c.http.Do(req)
	if err != nil {
		return ctx.Err() == nil, err
	}
	// Read to its end, within reason, so that the connection can be used again.
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	_ = resp.Body.Close()
	if resp.StatusCode/100 == 2 { // 200 by the book; Dagger's answers 201.
		return false, nil
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		again = true
	}
	return again, fmt.Errorf("the collector answers %s", resp.Status)
}
