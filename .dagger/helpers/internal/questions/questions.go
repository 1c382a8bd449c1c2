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
	"strings"
)

// Questions is the service's smoke.yaml, as JSON.
type Questions struct {
	Requests []Request `json:"requests"`
	Drain    bool      `json:"drain"`
}

// Request is one question and the answer it must have. What is zero is not
// looked at, but an answer of 500 and above is always wrong unless asked for.
type Request struct {
	Method      string            `json:"method"`
	Path        string            `json:"path"`
	Status      int               `json:"status"`
	Headers     map[string]string `json:"headers"`
	Body        *string           `json:"body"`
	BodyMatches string            `json:"bodyMatches"`

	pattern *regexp.Regexp // of BodyMatches
}

// String is the method and the path, as in "GET /".
func (r Request) String() string { return r.Method + " " + r.Path }

// Parse refuses what it does not understand: a misspelt field would be a
// question that is never asked.
func Parse(text string) (Questions, error) {
	var q Questions
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&q); err != nil {
		return q, fmt.Errorf("smoke.yaml: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return q, errors.New("smoke.yaml: something follows after the questions")
	}
	if len(q.Requests) == 0 {
		return q, errors.New("smoke.yaml: it has no requests")
	}
	for i := range q.Requests {
		r := &q.Requests[i]
		r.Method = cmp.Or(r.Method, http.MethodGet)
		if !strings.HasPrefix(r.Path, "/") {
			return q, fmt.Errorf("smoke.yaml: request %d: path %q does not begin with /", i+1, r.Path)
		}
		if _, err := http.NewRequest(r.Method, "http://service"+r.Path, nil); err != nil {
			return q, fmt.Errorf("smoke.yaml: request %d cannot be sent: %w", i+1, err)
		}
		var err error
		if r.pattern, err = regexp.Compile(r.BodyMatches); err != nil {
			return q, fmt.Errorf("smoke.yaml: %s: bodyMatches: %w", r, err)
		}
	}
	return q, nil
}

// safe are the methods that change nothing in a service. PUT and DELETE are not
// among them: that a second one does no more than the first is the service's promise
// only.
var safe = []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace}

// Repeatable are the questions that may be put again, and to every pod.
func (q Questions) Repeatable() Questions { return q.only(true) }

// Once are the questions with an effect: they are for one pod, one time in a deploy.
func (q Questions) Once() Questions { return q.only(false) }

func (q Questions) only(repeatable bool) Questions {
	q.Requests = slices.DeleteFunc(slices.Clone(q.Requests), func(r Request) bool {
		return slices.Contains(safe, r.Method) != repeatable
	})
	return q
}
