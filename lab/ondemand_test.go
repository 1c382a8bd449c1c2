package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func onDemand(t *testing.T, build func(context.Context) error) *httptest.Server {
	t.Helper()
	d := newDemand(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "manifest") }))
	d.add("team/app:1", build)
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	return server
}

func ask(t *testing.T, method, url string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestImageIsBuiltOnceHoweverManyAsk(t *testing.T) {
	var builds atomic.Int32
	server := onDemand(t, func(context.Context) error {
		builds.Add(1)
		time.Sleep(200 * time.Millisecond)
		return nil
	})
	for _, other := range []string{"/v2/", "/v2/team/app/manifests/2", "/v2/team/app/blobs/sha256:1"} {
		ask(t, http.MethodGet, server.URL+other)
	}
	ask(t, http.MethodPut, server.URL+"/v2/team/app/manifests/1")
	if n := builds.Load(); n != 0 {
		t.Fatalf("built %d times for requests that need no image", n)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		method := []string{http.MethodHead, http.MethodGet}[i%2]
		wg.Go(func() {
			resp, _ := ask(t, method, server.URL+"/v2/team/app/manifests/1")
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", method, resp.Status)
			}
		})
	}
	wg.Wait()
	ask(t, http.MethodGet, server.URL+"/v2/team/app/manifests/1")
	if n := builds.Load(); n != 1 {
		t.Errorf("built %d times", n)
	}
}

func TestFailedImageTellsWhyAndIsTriedAgain(t *testing.T) {
	var builds atomic.Int32
	server := onDemand(t, func(context.Context) error {
		if builds.Add(1) < 3 {
			return errors.New("Kubernetes failed after 3 s: no luck\n    last line\nwhole log: /cache/logs/kubernetes.log")
		}
		return nil
	})
	url := server.URL + "/v2/team/app/manifests/1"
	resp, _ := ask(t, http.MethodHead, url)
	// All that an engine shows of the answer to a HEAD.
	for _, want := range []string{"500", "no luck", "/cache/logs/kubernetes.log"} {
		if !strings.Contains(resp.Status, want) {
			t.Errorf("%q is missing from the status %q", want, resp.Status)
		}
	}
	resp, body := ask(t, http.MethodGet, url)
	if resp.StatusCode != http.StatusInternalServerError || !strings.Contains(body, "last line") {
		t.Errorf("%s: %s", resp.Status, body)
	}
	if resp, _ := ask(t, http.MethodHead, url); resp.StatusCode != http.StatusOK {
		t.Errorf("the third attempt succeeded, the answer is %s", resp.Status)
	}
}

func TestBuildGoesOnWhenItsFirstRequestIsGivenUp(t *testing.T) {
	release := make(chan struct{})
	var builds atomic.Int32
	server := onDemand(t, func(ctx context.Context) error {
		builds.Add(1)
		<-release
		return ctx.Err()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, server.URL+"/v2/team/app/manifests/1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := http.DefaultClient.Do(req); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the request ended before the build: %v", err)
	}
	close(release)
	if resp, _ := ask(t, http.MethodHead, server.URL+"/v2/team/app/manifests/1"); resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
	if n := builds.Load(); n != 1 {
		t.Errorf("built %d times", n)
	}
}
