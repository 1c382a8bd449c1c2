package kube

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway/helpers/internal/object"
)

// StatusError is an answer of the API server other than success. Reason is
// Kubernetes' own word, such as NotFound; it is empty where something on the way to
// the API server answered, such as kubectl proxy or a load balancer.
type StatusError struct {
	Code    int // of HTTP
	Reason  string
	Message string
	Details struct {
		Causes            []Cause
		RetryAfterSeconds int
	}
}

// Cause is one thing that the API server has against an object.
type Cause struct{ Reason, Message, Field string }

// Error is one line.
func (e *StatusError) Error() string {
	return cmp.Or(oneLine.Replace(e.Message), http.StatusText(e.Code), "HTTP status "+strconv.Itoa(e.Code))
}

// Other white space stays: it may be part of a value that is to be masked.
var oneLine = strings.NewReplacer("\r\n", " ", "\n", " ")

// IsReason says whether err is the API server's answer with one of the reasons.
func IsReason(err error, reasons ...string) bool {
	var s *StatusError
	return errors.As(err, &s) && s.Reason != "" && slices.Contains(reasons, s.Reason)
}

// NotFound says whether err is the API server's answer that there is no such object.
func NotFound(err error) bool { return IsReason(err, "NotFound") }

// GoneError reports that the API server answered nothing but failures for longer than
// Patience. It has no Unwrap on purpose: a load balancer's 503 must not be taken for a
// refusal of an object.
type GoneError struct{ Last error }

func (e *GoneError) Error() string {
	return fmt.Sprintf("the cluster went away: its API server gave no usable answer for %s, the last failure: %v", Patience, e.Last)
}

// UnknownKindError reports that the cluster serves no such kind in this version.
type UnknownKindError struct {
	Type object.Type

	stale bool // the group's server is down, so the kind may be back in a moment
}

func (e *UnknownKindError) Error() string {
	if e.stale {
		return fmt.Sprintf("the cluster does not answer for kind %s now, because the server behind its API group %s is down: "+
			"kubectl get apiservices shows why", e.Type.Kind, e.Type.Group())
	}
	return fmt.Sprintf("the cluster knows no kind %s in %s: is its CustomResourceDefinition installed?", e.Type.Kind, e.Type.Version)
}

// fenceError reports that the fence stopped a write.
type fenceError struct{ error }

func (e *fenceError) Error() string {
	return "nothing more is written to the cluster: " + e.error.Error()
}
func (e *fenceError) Unwrap() error { return e.error }

// finalError is a failure that a further attempt would meet again.
type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

// silentError reports that one attempt got no answer in its time.
type silentError struct{ limit time.Duration }

func (e *silentError) Error() string { return fmt.Sprintf("no answer within %s", e.limit) }

// refusal makes an error of an answer that is no success.
func refusal(resp *http.Response, body []byte) *StatusError {
	var status struct {
		StatusError
		Kind string
	}
	s := &status.StatusError
	if json.Unmarshal(body, &status) != nil || status.Kind != "Status" {
		*s = StatusError{Message: short(string(body))}
	}
	s.Code = resp.StatusCode
	if to := resp.Header.Get("Location"); to != "" && s.Code < 400 {
		s.Message = fmt.Sprintf("redirects to %s, which is not followed: give a kubeconfig with the API server's own address", to)
	}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		s.Details.RetryAfterSeconds = seconds
	}
	return s
}

// retryAfter is how long the API server asks to be left alone.
func retryAfter(err error) time.Duration {
	var s *StatusError
	if !errors.As(err, &s) || s.Details.RetryAfterSeconds <= 0 {
		return 0
	}
	return min(time.Duration(s.Details.RetryAfterSeconds)*time.Second, retryAfterLimit)
}

// isLock says whether err is an optimistic lock: another client wrote in the same
// moment. A conflict between field managers has the same reason and is no lock.
func isLock(err error) bool {
	var s *StatusError
	if !errors.As(err, &s) || s.Reason != "Conflict" || !strings.Contains(s.Message, "the object has been modified") {
		return false
	}
	return !slices.ContainsFunc(s.Details.Causes, func(c Cause) bool { return c.Reason == "FieldManagerConflict" })
}

// isOtherUID says whether a delete met an object of the same name that is not the one
// that was meant.
func isOtherUID(err error) bool {
	return IsReason(err, "Conflict") && strings.Contains(err.Error(), "UID in precondition")
}

// isPathGone says whether the API server serves no such path, because the object's
// kind is gone. A 404 of something on the way does not count.
func isPathGone(err error) bool {
	var s *StatusError
	return errors.As(err, &s) && s.Code == http.StatusNotFound && s.Reason == "" && s.Message == "404 page not found"
}

// isExecuted says whether a request that failed may have been carried out.
func isExecuted(err error) bool {
	var s *StatusError
	return !errors.As(err, &s) || s.Code != http.StatusTooManyRequests && s.Code != http.StatusUnauthorized
}

// unreachable says what the first failed request means.
func unreachable(err error) error {
	text := err.Error()
	var silent *silentError
	switch {
	case IsReason(err, "Unauthorized"):
		text = "it does not accept the kubeconfig's credentials: get a new kubeconfig"
	case IsReason(err, "Forbidden") && strings.Contains(text, "system:anonymous"):
		text = "it does not know whose the kubeconfig's credentials are: get a new kubeconfig, or give --credential"
	case IsReason(err, "Forbidden"):
		text = "the kubeconfig's user may not even list API kinds: " + text
	case isUntrusted(err):
		text = "its certificate is not the one the kubeconfig trusts: " + text
	case errors.As(err, &silent), strings.Contains(text, "connection refused"), strings.Contains(text, "no such host"),
		strings.Contains(text, "i/o timeout"), strings.Contains(text, "no route to host"):
		text = "nothing answers there: " + text + ": is the cluster running, and does the kubeconfig name its current address?"
	case strings.HasSuffix(text, "EOF"), strings.Contains(text, "connection reset"): // So a way ends that leads nowhere.
		text = "the connection is closed at once (" + text + "): is the cluster running, and does --api-server, or else the kubeconfig, " +
			"name its current address and port?"
	}
	return errors.New("the API server cannot be used: " + text)
}

func isUntrusted(err error) bool { return strings.Contains(err.Error(), "x509: ") }

// short is the beginning of a text that is no Kubernetes status, such as an HTML page,
// in one line.
func short(text string) string {
	const limit = 300
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > limit {
		text = string(runes[:limit]) + "…"
	}
	return text
}
