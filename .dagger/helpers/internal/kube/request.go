package kube

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"slipway/helpers/internal/object"
)

const (
	base = "http://localhost" // the only kind of host that kubectl proxy serves

	answerLimit  = 64 << 20 // bytes of a successful answer
	refusalLimit = 1 << 20  // bytes of another
	firstPause   = 250 * time.Millisecond
	longestPause = 2 * time.Second
)

// request is one thing asked of the API server.
type request struct {
	method, path string // path with a leading slash, and with its query if query is nil
	query        url.Values
	accept       string // media type; JSON if empty
	contentType  string // JSON if empty
	body         any
	harmless     bool             // stores nothing, although it is no GET
	patience     time.Duration    // Patience if zero
	repeat       func(error) bool // further errors that a later attempt may not meet; may be nil
	once         func(error) bool // errors that are returned at once although others would be repeated; may be nil
	failed       func(error)      // sees each error that leads to another attempt; may be nil
}

// send carries out a request and decodes its answer into out, nil for none. It repeats
// the request for as long as the API server is the one to blame and patience lasts, so
// that its restart or a lost connection is no failure of what is asked.
func (c *Client) send(ctx context.Context, r request, out any) error {
	patience := cmp.Or(r.patience, Patience)
	start := time.Now()
	for wait := firstPause; ; wait = min(2*wait, longestPause) {
		err := c.try(ctx, min(callLimit, patience), r, out)
		switch {
		case err == nil:
			c.answered.Store(true)
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case r.once != nil && r.once(err), !c.mayHeal(err) && (r.repeat == nil || !r.repeat(err)):
			return err
		}
		left := patience - time.Since(start)
		if left <= 0 {
			return &GoneError{err}
		}
		if r.failed != nil {
			r.failed(err)
		}
		Pause(ctx, min(max(wait, retryAfter(err)), left))
	}
}

// mayHeal says whether an error is the API server's or the way's, and not the request's.
func (c *Client) mayHeal(err error) bool {
	var s *StatusError
	var stopped *fenceError
	var final *finalError
	switch {
	case errors.As(err, &stopped), errors.As(err, &final):
		return false
	case !errors.As(err, &s):
		return true // no answer
	case IsReason(err, "ServerTimeout", "Timeout"):
		return true
	case s.Code == http.StatusUnauthorized:
		return c.answered.Load() // a token that has expired, and is made again
	case strings.Contains(s.Message, "unable to convert unstructured object"):
		return false // The object is of a wrong form, and stays so.
	}
	switch s.Code {
	case http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// try is one attempt, for which there is a limit.
func (c *Client) try(ctx context.Context, limit time.Duration, r request, out any) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	resp, err := c.roundTrip(limited, r)
	if err == nil {
		defer resp.Body.Close()
		err = read(resp, out)
	}
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return &silentError{limit}
	}
	return err
}

// roundTrip sends a request. An answer that is no success is an error; the body of a
// successful one is the caller's to close. Redirects are no success and not followed.
func (c *Client) roundTrip(ctx context.Context, r request) (*http.Response, error) {
	var body io.Reader
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			return nil, &finalError{err}
		}
		body = bytes.NewReader(text)
	}
	target := base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, &finalError{err}
	}
	req.Header.Set("User-Agent", manager)
	setHeader(req.Header, "Accept", r.accept)
	if r.body != nil {
		setHeader(req.Header, "Content-Type", r.contentType)
	}

	way := c.plain
	if r.method != http.MethodGet && !r.harmless && ctx.Value(unfencedKey{}) == nil {
		way = c.fenced
		if err := c.askFence(); err != nil {
			return nil, err
		}
	}
	resp, err := way.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if r.method != http.MethodGet {
		c.warnings.add(resp.Header)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, refusalLimit))
	return nil, refusal(resp, text)
}

func setHeader(header http.Header, name, value string) {
	if value == "" {
		value = "application/json"
	}
	header.Set(name, value)
}

// read decodes the body of a successful answer: as it is into a *string, as JSON into
// anything else.
func read(resp *http.Response, out any) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit+1))
	if err != nil {
		return err
	}
	if len(text) > answerLimit {
		return &finalError{fmt.Errorf("the API server's answer is larger than %d MiB, which is more than Slipway reads", answerLimit>>20)}
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *string:
		*out = string(text)
		return nil
	}
	if err := object.Decode(text, out); err != nil {
		return &finalError{fmt.Errorf("the API server's answer is not the JSON of a Kubernetes object (%w): %s", err, short(string(text)))}
	}
	return nil
}
