// Package kube talks to a cluster's API server, and is the only one that does: through
// kubectl proxy, which knows every way to log in, and kubectl port-forward.
package kube

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"slipway/helpers/internal/object"
)

const (
	// Patience is how long an API server that was there may be gone, for example
	// while it is upgraded.
	Patience = 40 * time.Second

	firstPatience   = 10 * time.Second // for an API server that never answered
	callLimit       = 30 * time.Second // for one request
	retryAfterLimit = 10 * time.Second
	manager         = "slipway" // field manager
)

// Target says which cluster, and where in it.
type Target struct {
	Context   string // of the kubeconfig; may be empty where it has one only
	APIServer string // host:port that leads to the API server; empty for the kubeconfig's
	Namespace string // empty for the context's
	Insecure  bool   // credentials may go over a connection that nobody verifies
}

// Client is the API of one cluster. It may be used by several goroutines.
type Client struct {
	plain     http.RoundTripper // for reads, and for writes that are not fenced
	fenced    http.RoundTripper // asks the fence once more when a write's bytes are sent
	flags     []string          // lead kubectl to the cluster
	namespace string
	user      string
	stop      func()

	otherLogin bool // than the kubeconfig's own

	warnings warnings

	answered atomic.Bool                  // the API server accepted the credentials once
	fence    atomic.Pointer[func() error] // nil pointer: writes are free

	mu        sync.RWMutex // guards what discovery learns
	resources map[object.Type]Resource
	preferred map[groupKind]string // API version
	stale     []string
}

// newClient is a client of the API that way leads to.
func newClient(way http.RoundTripper, namespace string) *Client {
	return &Client{plain: way, fenced: way, namespace: namespace, stop: func() {}}
}

// Connect reads the kubeconfig that $KUBECONFIG names, refuses what cannot work before
// anything is contacted, starts kubectl proxy on a socket in $HOME, and learns what
// kinds the cluster serves. It gives an API server 10 s to answer. The proxy lives
// until Close, not until ctx ends, so that cleaning up stays possible after that.
func Connect(ctx context.Context, t Target) (*Client, error) {
	text, err := readKubeconfig(os.Getenv("KUBECONFIG"))
	if err != nil {
		return nil, err
	}
	user, err := readLogin(os.Getenv(credentialEnv), time.Now())
	if err != nil {
		return nil, err
	}
	way, err := choose(text, t, surroundings{
		inContainer: os.Getenv("SLIPWAY_CALL") != "",
		hasProgram:  func(name string) bool { _, err := exec.LookPath(name); return err == nil },
		hasLogin:    user != nil,
		now:         time.Now(),
	})
	if err != nil {
		return nil, err
	}
	forget := func() {}
	if user != nil {
		if forget, err = way.logIn(text, user); err != nil {
			return nil, err
		}
	}
	p, err := startProxy(ctx, way.proxyFlags())
	if err != nil {
		forget()
		return nil, err
	}
	c := newClient(transport(p.dial, nil), cmp.Or(t.Namespace, way.namespace, "default"))
	c.fenced = transport(p.dial, c.askFence)
	c.flags, c.user, c.stop = way.flags, way.user, func() { p.close(); forget() }
	c.otherLogin = user != nil
	if err := c.firstContact(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Client) firstContact(ctx context.Context) error {
	err := c.discover(ctx, firstPatience)
	var gone *GoneError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &gone):
		err = gone.Last
	}
	if c.otherLogin && IsReason(err, "Unauthorized") {
		return errors.New("the API server does not accept what --credential gives: is it of this cluster, and still valid?")
	}
	return unreachable(err)
}

// Close ends kubectl proxy. Each Forward has a Close of its own.
func (c *Client) Close() { c.stop() }

// Namespace is the target's, else the context's, else default.
func (c *Client) Namespace() string { return c.namespace }

// User is the kubeconfig's name for the user.
func (c *Client) User() string { return c.user }

// SetFence has fence asked right before each attempt of each write, and again when its
// bytes are sent, so it must be quick and may be called by several goroutines at once. Its error stops the write,
// which returns it, wrapped. Dry runs, reviews of rights and writes with a context
// from Unfenced are not fenced. nil removes the fence.
func (c *Client) SetFence(fence func() error) {
	if fence == nil {
		c.fence.Store(nil)
		return
	}
	c.fence.Store(&fence)
}

func (c *Client) askFence() error {
	fence := c.fence.Load()
	if fence == nil {
		return nil
	}
	if err := (*fence)(); err != nil {
		return &fenceError{err}
	}
	return nil
}

type unfencedKey struct{}

// Unfenced is a context whose writes are not stopped by the fence: those of the fence's
// own keeper.
func Unfenced(ctx context.Context) context.Context {
	return context.WithValue(ctx, unfencedKey{}, true)
}

// Each calls do for all items, at most limit of them side by side. The errors stand at
// the items' indices.
func Each[T any](items []T, limit int, do func(int, T) error) []error {
	errs := make([]error, len(items))
	slots := make(chan struct{}, max(limit, 1))
	var wg sync.WaitGroup
	for i, item := range items {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = do(i, item)
		})
	}
	wg.Wait()
	return errs
}

// Pause waits, or returns false when ctx has ended.
func Pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
