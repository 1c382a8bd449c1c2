package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// scrape returns what Prometheus would get.
func scrape(t *testing.T, s *server) string {
	t.Helper()
	rec := httptest.NewRecorder()
	s.metrics.handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if rec.Code != 200 {
		t.Fatalf("got %d", rec.Code)
	}
	return rec.Body.String()
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, config{})
	for _, request := range []string{"GET /", "GET /", "POST /", "GET /nowhere", "GET /assets/page.css"} {
		method, target, _ := strings.Cut(request, " ")
		s.router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, target, nil))
	}
	got := scrape(t, s)
	for _, want := range []string{
		`http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/"} 2`,
		`http_server_request_duration_seconds_count{http_request_method="POST",http_response_status_code="405",http_route="unmatched"} 1`,
		`http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="404",http_route="unmatched"} 1`,
		`http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/assets/:file"} 1`,
		"http_server_active_requests 0",
		"http_server_open_connections 0",
		"http_server_evicted_connections_total 0",
		`build_info{goversion="go`,
		"go_goroutines ",
		"process_resident_memory_bytes ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// What a client chooses must not become a time series.
func TestMetricsDoNotGrow(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, config{})
	series := func() int { return strings.Count(scrape(t, s), "http_server_request_duration_seconds_count") }
	ask := func(i int) {
		for _, target := range []string{"/%d", "/assets/%d", "/?q=%d"} {
			s.router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, fmt.Sprintf(target, i), nil))
		}
		s.router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(fmt.Sprintf("M%d", i), "/", nil))
	}
	ask(0)
	before := series()
	for i := range 100 {
		ask(i)
	}
	if after := series(); after != before {
		t.Errorf("%d time series became %d", before, after)
	}
}

func TestMetricsCountWhatIsActive(t *testing.T) {
	t.Parallel()
	s, _ := newTestServer(t, config{})
	s.active.Store(3)
	if got := scrape(t, s); !strings.Contains(got, "http_server_active_requests 3\n") {
		t.Error("the metrics do not show 3 active requests")
	}
}
