// Package questions puts the questions of a service's smoke.yaml to it and
// judges the answers.
package questions

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Questions is the service's smoke.yaml, as JSON.
type Questions struct {
	// Protocol is http, https, h2c, grpc or tcp: what the service speaks. In a cluster
	// the manifests say it where this is "".
	Protocol string    `json:"protocol,omitempty"`
	Requests []Request `json:"requests,omitempty"`
	Drain    bool      `json:"drain,omitempty"`
}

// Request is one question and the answer it must have. What is zero is not
// looked at, but an answer of 500 and above is always wrong unless asked for.
type Request struct {
	Method string `json:"method,omitempty"`
	Path   string `json:"path"`
	Send   Send   `json:"send,omitzero"`

	Status      Statuses          `json:"status,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Body        *string           `json:"body,omitempty"`
	BodyMatches string            `json:"bodyMatches,omitempty"`
	JSON        map[string]any    `json:"json,omitempty"` // by JSON Pointer (RFC 6901)

	pattern *regexp.Regexp // of BodyMatches
	sent    string         // the body that is sent
}

// Send is what a request carries: Body as it is, or JSON, which sets the Content-Type.
type Send struct {
	Headers map[string]string `json:"headers,omitempty"`
	Body    string            `json:"body,omitempty"`
	JSON    any               `json:"json,omitempty"`
}

// Statuses are the statuses an answer may have; in JSON a single one may stand alone.
type Statuses []int

// UnmarshalJSON takes a number or a list of numbers.
func (s *Statuses) UnmarshalJSON(text []byte) error {
	var one int
	if json.Unmarshal(text, &one) == nil {
		*s = Statuses{one}
		if one == 0 {
			*s = nil
		}
		return nil
	}
	var all []int
	if err := json.Unmarshal(text, &all); err != nil {
		return fmt.Errorf("status %s is neither a number such as 200 nor a list such as [401, 403]", text)
	}
	*s = all
	return nil
}

// String is the statuses as a sentence has them, such as "401 or 403".
func (s Statuses) String() string {
	words := make([]string, len(s))
	for i, status := range s {
		words[i] = strconv.Itoa(status)
	}
	return strings.Join(words, " or ")
}

// String is the method and the path, as in "GET /".
func (r Request) String() string { return r.Method + " " + r.Path }

// Parse refuses what it does not understand: a misspelt field would be a
// question that is never asked.
func Parse(text string) (Questions, error) {
	var q Questions
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	dec.UseNumber() // float64 changes an integer of 64 bits
	if err := dec.Decode(&q); err != nil {
		return q, fmt.Errorf("smoke.yaml: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return q, errors.New("smoke.yaml: something follows after the questions")
	}
	switch q.Protocol {
	case "", schemeHTTP, schemeHTTPS, schemeH2C:
		if q.Requests == nil {
			q.Requests = []Request{{Path: "/"}}
		}
		if len(q.Requests) == 0 {
			return q, errors.New("smoke.yaml: requests is empty: leave it out, and GET / is asked")
		}
		if q.Protocol == schemeH2C && q.Drain {
			return q, errors.New("smoke.yaml: drain is not asked over h2c: leave it out")
		}
	case schemeGRPC, schemeTCP:
		if len(q.Requests) > 0 || q.Drain {
			return q, fmt.Errorf("smoke.yaml: protocol %s has neither requests nor drain: leave them out", q.Protocol)
		}
	default:
		return q, fmt.Errorf("smoke.yaml: protocol %q: give http, https, h2c, grpc or tcp", q.Protocol)
	}
	for i := range q.Requests {
		if err := q.Requests[i].complete(); err != nil {
			return q, fmt.Errorf("smoke.yaml: request %d: %w", i+1, err)
		}
	}
	return q, nil
}

// headerName is a token of RFC 9110.
var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// complete checks a request, and sets what follows from its fields.
func (r *Request) complete() error {
	r.Method = cmp.Or(r.Method, http.MethodGet)
	if !strings.HasPrefix(r.Path, "/") {
		return fmt.Errorf("path %q does not begin with /", r.Path)
	}
	if _, err := http.NewRequest(r.Method, "http://service"+r.Path, nil); err != nil {
		return fmt.Errorf("it cannot be sent: %w", err)
	}
	for name, value := range r.Send.Headers {
		if !headerName.MatchString(name) || strings.ContainsFunc(value, unicode.IsControl) {
			return fmt.Errorf("%s: send.headers: %q is not a header", r, name)
		}
	}
	if r.sent = r.Send.Body; r.Send.JSON != nil {
		if r.Send.Body != "" {
			return fmt.Errorf("%s: send has both body and json: give one", r)
		}
		text, err := json.Marshal(r.Send.JSON)
		if err != nil {
			return fmt.Errorf("%s: send.json: %w", r, err)
		}
		r.sent = string(text)
	}
	for _, status := range r.Status {
		if status < 100 || status > 599 {
			return fmt.Errorf("%s: status %d is not one of HTTP's, 100 to 599", r, status)
		}
	}
	for pointer := range r.JSON {
		if pointer != "" && pointer[0] != '/' {
			return fmt.Errorf("%s: json: %q is no JSON Pointer: it begins with /, as in /items/0/name", r, pointer)
		}
	}
	var err error
	if r.pattern, err = regexp.Compile(r.BodyMatches); err != nil {
		return fmt.Errorf("%s: bodyMatches: %w", r, err)
	}
	return nil
}

// safe are the methods that change nothing in a service. PUT and DELETE are not
// among them: that a second one does no more than the first is the service's promise
// only.
var safe = []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace}

// Repeatable are the questions that may be put again.
func (q Questions) Repeatable() Questions {
	q.Requests = slices.DeleteFunc(slices.Clone(q.Requests), Request.effect)
	return q
}

// Everywhere are the questions up to the first with an effect: they may be put again, and
// to every pod.
func (q Questions) Everywhere() Questions {
	q.Requests = q.Requests[:q.firstEffect()]
	return q
}

// Once are the others. They are for one pod, one time in a deploy, and in their order: an
// answer may follow from an effect before it.
func (q Questions) Once() Questions {
	if q.alone() {
		return Questions{}
	}
	q.Requests = q.Requests[q.firstEffect():]
	return q
}

// Empty says that there is nothing to ask.
func (q Questions) Empty() bool { return len(q.Requests) == 0 && !q.alone() }

// alone says that the protocol itself is the question.
func (q Questions) alone() bool { return q.Protocol == schemeGRPC || q.Protocol == schemeTCP }

func (q Questions) firstEffect() int {
	if i := slices.IndexFunc(q.Requests, Request.effect); i >= 0 {
		return i
	}
	return len(q.Requests)
}

func (r Request) effect() bool { return !slices.Contains(safe, r.Method) }
