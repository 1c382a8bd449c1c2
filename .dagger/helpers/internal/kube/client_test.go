package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/helpers/internal/object"
)

// TestMain also is the kubectl of the tests that start one: a link of that name to the
// test program.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "kubectl" {
		fakeKubectl(os.Args[1:])
		return
	}
	os.Exit(m.Run())
}

func fakeKubectl(args []string) {
	if text := os.Getenv("FAKE_KUBECTL_FAILS"); text != "" {
		fmt.Fprintln(os.Stderr, text)
		os.Exit(1)
	}
	switch args[0] {
	case "proxy":
		for _, arg := range args {
			if socket, ok := strings.CutPrefix(arg, "--unix-socket="); ok {
				listener, err := net.Listen("unix", socket)
				if err == nil {
					err = http.Serve(listener, discovered(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if r.URL.Path == "/end" {
							os.Exit(1)
						}
						_ = json.NewEncoder(w).Encode(map[string]any{"args": args})
					})))
				}
				panic(err)
			}
		}
	case "port-forward":
		for i, arg := range args {
			if port, ok := strings.CutPrefix(arg, ":"); ok {
				fmt.Printf("Forwarding from 127.0.0.1:4000%d -> %s\n", i, port)
			}
		}
		fmt.Fprintln(os.Stderr, `E1125 19:00:00.000001 7 portforward.go:424] "Unhandled Error" err="an error occurred forwarding 40006 -> 81: `+
			`error forwarding port 81 to pod 1a2b, uid : failed to connect to localhost:81: dial tcp4 127.0.0.1:81: connect: connection refused"`)
		fmt.Fprintln(os.Stderr, "error: lost connection to pod")
		if os.Getenv("FAKE_KUBECTL_ENDS") == "" {
			time.Sleep(time.Minute)
		}
	}
}

// inProcess carries requests to a handler without a network, so that a test's time can
// be a bubble's. A handler that panics cuts the connection.
type inProcess struct{ http.Handler }

func (p inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	reader, writer := io.Pipe()
	w := &answer{header: http.Header{}, body: writer, started: make(chan int, 1)}
	context.AfterFunc(req.Context(), func() { writer.CloseWithError(req.Context().Err()) })
	cut := make(chan struct{})
	if req.Body == nil {
		req.Body = http.NoBody
	}
	go func() {
		defer func() {
			if recover() != nil {
				close(cut)
				writer.CloseWithError(io.ErrUnexpectedEOF)
				return
			}
			w.WriteHeader(http.StatusOK)
			writer.Close()
		}()
		p.ServeHTTP(w, req)
	}()
	select {
	case code := <-w.started:
		return &http.Response{StatusCode: code, Header: w.header, Body: reader}, nil
	case <-cut:
		return nil, errors.New("connection reset by peer")
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

type answer struct {
	header  http.Header
	body    io.Writer
	once    sync.Once
	started chan int
}

func (a *answer) Header() http.Header { return a.header }
func (a *answer) Flush()              {}
func (a *answer) WriteHeader(code int) {
	a.once.Do(func() { a.started <- code })
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// discovered answers discovery for a few kinds and leaves the rest to next.
func discovered(next http.Handler) http.Handler {
	kind := func(resource, kind, scope string) string {
		return fmt.Sprintf(`{"resource":%q,"scope":%q,"verbs":["list","watch"],"responseKind":{"kind":%q},
			"subresources":[{"subresource":"status","responseKind":{"kind":%q}}]}`, resource, scope, kind, kind)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api":
			fmt.Fprintf(w, `{"kind":"APIGroupDiscoveryList","items":[{"metadata":{},"versions":[{"version":"v1","resources":[%s,%s]}]}]}`,
				kind("configmaps", "ConfigMap", "Namespaced"), kind("namespaces", "Namespace", "Cluster"))
		case "/apis":
			fmt.Fprintf(w, `{"kind":"APIGroupDiscoveryList","items":[
				{"metadata":{"name":"apps"},"versions":[{"version":"v1","freshness":"Current","resources":[%[1]s]}]},
				{"metadata":{"name":"acme.dev"},"versions":[
					{"version":"v2","resources":[%[2]s]}, {"version":"v1","resources":[%[2]s]}]},
				{"metadata":{"name":"down.dev"},"versions":[{"version":"v1","freshness":"Stale","resources":[]}]}]}`,
				kind("deployments", "Deployment", "Namespaced"), kind("rockets", "Rocket", "Cluster"))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// script answers the n-th request with the n-th answer, and repeats the last.
type script struct {
	answers []func(w http.ResponseWriter, r *http.Request)

	mu   sync.Mutex
	seen []string // method and URL of each request
	body []string
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.seen = append(s.seen, r.Method+" "+r.URL.RequestURI())
	s.body = append(s.body, string(body))
	next := s.answers[min(len(s.seen), len(s.answers))-1]
	s.mu.Unlock()
	next(w, r)
}

func (s *script) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

type reply = func(http.ResponseWriter, *http.Request)

func replies(r ...reply) *script { return &script{answers: r} }

func text(code int, body string) reply {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		fmt.Fprint(w, body)
	}
}

// status is a refusal as the API server words it.
func status(code int, reason, message string, causes ...Cause) reply {
	body, _ := json.Marshal(map[string]any{
		"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message,
		"details": map[string]any{"causes": causes},
	})
	return text(code, string(body))
}

func cut(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

var okay = text(http.StatusOK, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"big":1234567890123456789}`)

func configMap() object.Object {
	return object.Object{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "c"}}
}

// connected is a client that has learned the kinds of discovered.
func connected(t *testing.T, h http.Handler) *Client {
	t.Helper()
	c := newClient(inProcess{discovered(h)}, "shop")
	if err := c.Discover(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

func contains(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, want one with %q", err, want)
	}
}
