package kube

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"slipway/helpers/internal/object"
)

// What ends in a success when the API server answers it with a failure first.
func TestRepeated(t *testing.T) {
	get := func(c *Client, ctx context.Context) error {
		_, err := c.Read(ctx, configMap())
		return err
	}
	apply := func(c *Client, ctx context.Context) error {
		_, err := c.Apply(ctx, configMap(), ApplyOptions{})
		return err
	}
	update := func(c *Client, ctx context.Context) error {
		_, err := c.Update(ctx, configMap())
		return err
	}
	create := func(c *Client, ctx context.Context) error {
		_, err := c.Create(ctx, configMap())
		return err
	}
	remove := func(c *Client, ctx context.Context) error { return c.Delete(ctx, configMap(), DeleteOptions{}) }
	later := func(after string) reply {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", after)
			status(429, "TooManyRequests", "slow down")(w, r)
		}
	}
	lock := status(409, "Conflict", `Operation cannot be fulfilled on configmaps "c": the object has been modified; please apply your changes`)
	conflict := status(409, "Conflict", "Apply failed with 1 conflict: the object has been modified",
		Cause{"FieldManagerConflict", "conflict with \"kubectl\"", ".data.a"})
	for name, test := range map[string]struct {
		do     func(*Client, context.Context) error
		answer reply
		want   string // of the error, "" for a success with the second attempt
		after  time.Duration
	}{
		"connection cut":          {get, cut, "", firstPause},
		"no answer":               {apply, hang, "", callLimit + firstPause},
		"kubectl's own":           {get, text(500, "dial tcp 10.0.0.1:6443: connect: connection refused"), "", firstPause},
		"load balancer's 502":     {get, text(502, "<html>Bad Gateway</html>"), "", firstPause},
		"load balancer's 503":     {apply, text(503, "<html>Service Unavailable</html>"), "", firstPause},
		"etcd":                    {apply, status(500, "InternalError", "etcdserver: leader changed"), "", firstPause},
		"webhook":                 {remove, status(500, "InternalError", "Internal error occurred: failed calling webhook"), "", firstPause},
		"create":                  {create, status(503, "ServiceUnavailable", "apiserver is shutting down"), "", firstPause},
		"timeout":                 {get, status(504, "Timeout", "request did not complete"), "", firstPause},
		"server timeout":          {get, status(500, "ServerTimeout", "try again"), "", firstPause},
		"told to wait":            {apply, later("3"), "", 3 * time.Second},
		"told to wait too long":   {apply, later("3600"), "", 10 * time.Second},
		"expired token":           {get, status(401, "Unauthorized", "Unauthorized"), "", firstPause},
		"lock of an apply":        {apply, lock, "", firstPause},
		"lock of a delete":        {remove, lock, "", firstPause},
		"lock of an update":       {update, lock, "has been modified", 0},
		"field manager":           {apply, conflict, "1 conflict", 0},
		"invalid":                 {apply, status(422, "Invalid", "spec: wrong"), "spec: wrong", 0},
		"forbidden":               {get, status(403, "Forbidden", "no"), "no", 0},
		"redirect":                {get, redirect, "redirects to https://login.example.com", 0},
		"no JSON":                 {get, text(200, "<html>please log in</html>"), "please log in", 0},
		"webhook that says no":    {apply, status(400, "BadRequest", "admission webhook denied the request"), "denied", 0},
		"precondition of another": {remove, status(409, "Conflict", "other"), "other", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := replies(test.answer, okay)
				c := connected(t, s)
				start := time.Now()
				err := test.do(c, t.Context())
				if test.want != "" {
					contains(t, err, test.want)
				} else if err != nil || s.count() != 2 {
					t.Errorf("%v after %d attempts", err, s.count())
				}
				if took := time.Since(start); took != test.after {
					t.Errorf("took %s, want %s", took, test.after)
				}
			})
		})
	}
}

func redirect(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Location", "https://login.example.com")
	w.WriteHeader(http.StatusFound)
}

func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connected(t, replies(status(503, "ServiceUnavailable", "starting")))
		start := time.Now()
		_, err := c.Apply(t.Context(), configMap(), ApplyOptions{})
		var gone *GoneError
		var refused *StatusError
		if !errors.As(err, &gone) || errors.As(err, &refused) {
			t.Errorf("%T %v", err, err)
		}
		contains(t, err, "starting")
		if took := time.Since(start); took != Patience {
			t.Errorf("took %s", took)
		}
	})
}

func TestContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		enough := errors.New("enough")
		for _, answer := range []reply{hang, cut} {
			ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Second, enough)
			defer cancel()
			c := connected(t, replies(answer))
			if err := c.Get(ctx, "/version", nil); err != enough {
				t.Errorf("%v", err)
			}
		}
	})
}

func TestFirstContact(t *testing.T) {
	for name, test := range map[string]struct {
		answer reply
		want   string
		after  time.Duration
	}{
		"credentials": {status(401, "Unauthorized", "Unauthorized"), "get a new kubeconfig", 0},
		"rights":      {status(403, "Forbidden", "cannot get path /api"), "may not even list API kinds: cannot get path /api", 0},
		"certificate": {text(500, "tls: failed to verify: x509: certificate signed by unknown authority"), "the kubeconfig trusts", 0},
		"address": {text(500, "dial tcp 10.0.0.1:6443: connect: connection refused"), "connection refused: is the cluster running",
			firstPatience},
		"silence": {hang, "no answer within 10s: is the cluster running", firstPatience},
		"no API":  {text(200, `{"hello":"world"}`), "is the kubeconfig's server an API server?", 0},
		"starts":  {status(503, "ServiceUnavailable", "etcd not ready"), "etcd not ready", firstPatience},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newClient(inProcess{replies(test.answer)}, "shop")
				start := time.Now()
				err := c.firstContact(t.Context())
				contains(t, err, "the API server cannot be used: ")
				contains(t, err, test.want)
				if took := time.Since(start); took.Round(time.Second) != test.after {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

func TestFence(t *testing.T) {
	lost := errors.New("the lease is too old")
	synctest.Test(t, func(t *testing.T) {
		s := replies(cut, okay)
		c := connected(t, s)
		asked := 0
		c.SetFence(func() error {
			if asked++; asked > 1 {
				return lost
			}
			return nil
		})
		if _, err := c.Apply(t.Context(), configMap(), ApplyOptions{}); !errors.Is(err, lost) || s.count() != 1 {
			t.Errorf("a repetition is not stopped: %v, %d requests", err, s.count())
		}
		ctx := t.Context()
		for name, do := range map[string]func() error{
			"read":       func() error { _, err := c.Read(ctx, configMap()); return err },
			"dry run":    func() error { _, err := c.Apply(ctx, configMap(), ApplyOptions{DryRun: true}); return err },
			"review":     func() error { _, err := c.Missing(ctx, []Right{{Verb: "get", Resource: "pods"}}); return err },
			"unfenced":   func() error { _, err := c.Update(Unfenced(ctx), configMap()); return err },
			"unfenced 2": func() error { return c.Delete(Unfenced(ctx), configMap(), DeleteOptions{}) },
		} {
			if err := do(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		before := s.count()
		for name, do := range map[string]func() error{
			"create": func() error { _, err := c.Create(ctx, configMap()); return err },
			"update": func() error { _, err := c.Update(ctx, configMap()); return err },
			"patch":  func() error { _, err := c.MergePatch(ctx, configMap(), object.Object{}); return err },
			"json":   func() error { _, err := c.JSONPatch(ctx, configMap(), nil); return err },
			"delete": func() error { return c.Delete(ctx, configMap(), DeleteOptions{}) },
		} {
			if err := do(); !errors.Is(err, lost) || s.count() != before {
				t.Errorf("%s: %v", name, err)
			}
		}
		c.SetFence(nil)
		if _, err := c.Update(ctx, configMap()); err != nil {
			t.Error(err)
		}
	})
}

// The fence is asked again when the bytes of a write are sent, after a slow connect.
func TestFenceOfBytes(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var requests atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		okay(w, r)
	}))
	server.Listener = listener
	server.Start()
	defer server.Close()
	c := connected(t, http.NotFoundHandler())
	dial := func(context.Context) (net.Conn, error) { return net.Dial("unix", socket) }
	c.plain, c.fenced = transport(dial, nil), transport(dial, c.askFence)
	if _, err := c.Update(t.Context(), configMap()); err != nil || requests.Load() != 1 {
		t.Fatalf("%v, %d requests", err, requests.Load())
	}
	lost := errors.New("the lease is too old")
	var asked atomic.Int32
	c.SetFence(func() error {
		if asked.Add(1) > 1 {
			return lost
		}
		return nil
	})
	if _, err := c.Update(t.Context(), configMap()); !errors.Is(err, lost) || requests.Load() != 1 {
		t.Errorf("%v, %d requests", err, requests.Load())
	}
	if _, err := c.Read(t.Context(), configMap()); err != nil {
		t.Error(err)
	}
}

func TestAnswers(t *testing.T) {
	c := connected(t, replies(okay))
	live, err := c.Read(t.Context(), configMap())
	if n, _ := live.Int("big"); n != 1234567890123456789 || err != nil {
		t.Errorf("%v, %v", live["big"], err)
	}
	var got string
	if err := c.Get(t.Context(), "/version", &got); err != nil || !strings.HasPrefix(got, "{") {
		t.Errorf("%q, %v", got, err)
	}
	huge := func(w http.ResponseWriter, _ *http.Request) {
		block := make([]byte, 1<<20)
		for range 65 {
			_, _ = w.Write(block)
		}
	}
	contains(t, connected(t, replies(huge)).Get(t.Context(), "/version", &got), "larger than 64 MiB")
}

func TestEach(t *testing.T) {
	var now, most atomic.Int32
	errs := Each([]int{0, 1, 2, 3, 4, 5}, 2, func(i, item int) error {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		time.Sleep(time.Millisecond)
		if item == 4 {
			return errors.New("four")
		}
		return nil
	})
	if most.Load() > 2 || errs[4] == nil || errors.Join(errs...).Error() != "four" {
		t.Errorf("%d at once, %v", most.Load(), errs)
	}
}
