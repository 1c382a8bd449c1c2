package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	manager = "slipway" // field manager

	// callLimit is for one request. patience is how long an API server that was
	// there may be gone, as while it is upgraded.
	callLimit = 30 * time.Second
	patience  = 40 * time.Second
)

// cluster is the API of the cluster the kubeconfig leads to.
type cluster struct {
	kubectl   kubectl
	namespace string // the release's
	release   string
	proxy     http.RoundTripper
	close     func()
	resources map[typeMeta]resource
	limit     time.Duration // of each wait: for the lease, for pods, for what is to go

	ownNamespace bool // the namespace was not there before the release
}

type resource struct {
	name       string // plural, as in URLs
	namespaced bool
	listable   bool
}

// statusError is the API server's refusal.
type statusError struct {
	Code    int
	Reason  string
	Message string
	Details struct {
		Causes []struct{ Reason, Message, Field string }
	}
}

func (e *statusError) Error() string { return cmp.Or(e.Message, http.StatusText(e.Code)) }

func isReason(err error, reasons ...string) bool {
	var s *statusError
	if errors.As(err, &s) {
		for _, r := range reasons {
			if s.Reason == r {
				return true
			}
		}
	}
	return false
}

// isImmutable says whether an object cannot be changed, only made anew.
func isImmutable(err error) bool {
	return isReason(err, "Invalid") && strings.Contains(err.Error(), "field is immutable")
}

func notFound(err error) bool { return isReason(err, "NotFound") }

// connect checks the kubeconfig, starts the way to the API server and learns
// what kinds it knows.
func connect(ctx context.Context, req request) (*cluster, error) {
	k, err := choose(req)
	if err != nil {
		return nil, err
	}
	stop, err := k.proxy(ctx)
	if err != nil {
		return nil, err
	}
	var dialer net.Dialer
	c := &cluster{
		kubectl:   k,
		namespace: cmp.Or(req.Namespace, k.namespace, "default"),
		release:   req.Release,
		limit:     time.Duration(req.Timeout) * time.Second,
		close:     stop,
		proxy: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", proxySocket)
		}},
		resources: map[typeMeta]resource{},
	}
	if err := c.discover(ctx); err != nil {
		stop()
		return nil, fmt.Errorf("the API server cannot be used: %w", reachCause(err))
	}
	return c, nil
}

// discover also is the first contact, so it does not try again.
func (c *cluster) discover(ctx context.Context) error {
	type kinds struct {
		Items []struct {
			Metadata struct{ Name string }
			Versions []struct {
				Version   string
				Resources []struct {
					Resource     string
					Scope        string
					Verbs        []string
					ResponseKind struct{ Kind string }
				}
			}
		}
	}
	for _, path := range []string{"/api", "/apis"} {
		var list kinds
		header := http.Header{"Accept": {"application/json;v=v2;g=apidiscovery.k8s.io;as=APIGroupDiscoveryList"}}
		if err := c.once(ctx, http.MethodGet, path, header, nil, &list); err != nil {
			return err
		}
		for _, group := range list.Items {
			for _, v := range group.Versions {
				version := v.Version
				if group.Metadata.Name != "" {
					version = group.Metadata.Name + "/" + version
				}
				for _, r := range v.Resources {
					c.resources[typeMeta{version, r.ResponseKind.Kind}] = resource{r.Resource, r.Scope == "Namespaced", slices.Contains(r.Verbs, "list")}
				}
			}
		}
	}
	if len(c.resources) == 0 {
		return errors.New("it does not answer discovery requests as Kubernetes 1.30 and newer do")
	}
	return nil
}

// reachCause says what the first failed request means.
func reachCause(err error) error {
	text := err.Error()
	hint := ""
	switch {
	case isReason(err, "Unauthorized"):
		hint = "it does not accept the kubeconfig's credentials: get a new kubeconfig"
	case isReason(err, "Forbidden"):
		hint = "the kubeconfig's user may not even list API kinds: " + text
	case strings.Contains(text, "connection refused"), strings.Contains(text, "no such host"),
		strings.Contains(text, "i/o timeout"), strings.Contains(text, "no route to host"):
		hint = "nothing answers there: " + text + ": is the cluster running, and does the kubeconfig name its current address?"
	case strings.Contains(text, "x509: "):
		hint = "its certificate is not the one the kubeconfig trusts: " + text
	default:
		return err
	}
	return errors.New(hint)
}

// where is the URL path of an object, or of its collection when it has no name.
func (c *cluster) where(o object) (string, error) {
	r, ok := c.resources[o.typeMeta()]
	if !ok {
		return "", fmt.Errorf("the cluster knows no kind %s in %s: is its CustomResourceDefinition installed?", o.kind(), o.version())
	}
	path := "/api/" + o.version()
	if o.group() != "" {
		path = "/apis/" + o.version()
	}
	if r.namespaced {
		path += "/namespaces/" + cmp.Or(o.namespace(), c.namespace)
	}
	path += "/" + r.name
	if o.name() != "" {
		path += "/" + url.PathEscape(o.name())
	}
	return path, nil
}

// served is an object of an earlier release in a version that the cluster still
// has, nil if its kind is gone, and all objects of the kind with it.
func (c *cluster) served(o object) object {
	if _, ok := c.resources[o.typeMeta()]; ok {
		return o
	}
	o = o.clone()
	for other := range c.resources {
		if other.kind == o.kind() && other.group() == o.group() {
			o["apiVersion"] = other.version
			return o
		}
	}
	return nil
}

func (c *cluster) get(ctx context.Context, path string, out any) error {
	return c.do(ctx, http.MethodGet, path, nil, nil, out)
}

// read is the live object, nil when there is none.
func (c *cluster) read(ctx context.Context, o object) (object, error) {
	path, err := c.where(o)
	if err != nil {
		return nil, err
	}
	var live object
	if err := c.get(ctx, path, &live); notFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return live, nil
}

// apply is server-side apply; unknown and duplicate fields are refused.
func (c *cluster) apply(ctx context.Context, o object, force bool) error {
	return c.patch(ctx, o, force, url.Values{}, nil)
}

// dryRun returns what apply would make of the object, and stores nothing.
func (c *cluster) dryRun(ctx context.Context, o object, force bool) (merged object, err error) {
	err = c.patch(ctx, o, force, url.Values{"dryRun": {"All"}}, &merged)
	return merged, err
}

func (c *cluster) patch(ctx context.Context, o object, force bool, query url.Values, out any) error {
	path, err := c.where(o)
	if err != nil {
		return err
	}
	if o, err = c.keepReplicas(ctx, o); err != nil {
		return err
	}
	query.Set("fieldManager", manager)
	query.Set("fieldValidation", "Strict")
	query.Set("force", fmt.Sprint(force))
	header := http.Header{"Content-Type": {"application/apply-patch+yaml"}}
	return c.do(ctx, http.MethodPatch, path+"?"+query.Encode(), header, o, out)
}

// keepReplicas has a workload keep its number of pods when the manifest leaves that
// to an autoscaler and an earlier one did not: Kubernetes would go to its default,
// one, until the autoscaler has looked.
func (c *cluster) keepReplicas(ctx context.Context, o object) (object, error) {
	scales := o.group() == "apps" && (o.kind() == "Deployment" || o.kind() == "StatefulSet")
	if !scales || o.at("spec", "replicas") != nil {
		return o, nil
	}
	live, err := c.read(ctx, o)
	if err != nil || !live.hasOurReplicas() {
		return o, err
	}
	o = o.clone()
	o.set(live.at("spec", "replicas"), "spec", "replicas")
	return o, nil
}

// delete has what depends on the object removed before it.
func (c *cluster) delete(ctx context.Context, o object) error {
	path, err := c.where(o)
	if err != nil {
		return err
	}
	if err := c.do(ctx, http.MethodDelete, path+"?propagationPolicy=Foreground", nil, nil, nil); err != nil && !notFound(err) {
		return fmt.Errorf("delete %s: %w", o, err)
	}
	return nil
}

// do repeats a request until the API server answers it, so that its restart or
// a lost connection is no failure of the release. Everything asked here is safe to repeat.
func (c *cluster) do(ctx context.Context, method, path string, header http.Header, in, out any) error {
	for start := time.Now(); ; {
		err := c.once(ctx, method, path, header, in, out)
		var s *statusError
		gone := err != nil && (!errors.As(err, &s) || s.Code == http.StatusTooManyRequests || s.Code == http.StatusBadGateway ||
			s.Code == http.StatusServiceUnavailable || s.Code == http.StatusGatewayTimeout)
		if !gone || ctx.Err() != nil {
			return err
		}
		if time.Since(start) > patience {
			return &goneError{err}
		}
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// goneError is that the API server stopped answering for longer than patience. It
// hides what it wraps: a load balancer's 503 is no refusal of the manifests.
type goneError struct{ error }

func (c *cluster) once(ctx context.Context, method, path string, header http.Header, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, proxyURL+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := (&http.Client{Transport: c.proxy}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		refusal := &statusError{}
		if json.Unmarshal(text, refusal) != nil {
			refusal.Message = strings.TrimSpace(string(text))
			if resp.StatusCode == http.StatusInternalServerError { // kubectl's own, not the API server's
				return errors.New(refusal.Message)
			}
		}
		refusal.Code = resp.StatusCode
		return refusal
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *string:
		*out = string(text)
		return nil
	default:
		return json.Unmarshal(text, out)
	}
}
