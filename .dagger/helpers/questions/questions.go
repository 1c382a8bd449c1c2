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
	"strings"
	"time"
)

const (
	replyLimit = 10 * time.Second // for one answer
	bodyLimit  = 1 << 20          // bytes of an answer that are compared
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

func (q Request) String() string { return q.Method + " " + q.Path }

// Parse refuses what it does not understand: a misspelt field would be a
// question that is never asked.
func Parse(text string) (Questions, error) {
	var q Questions
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&q); err != nil {
		return q, fmt.Errorf("smoke.yaml: %w", err)
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
		var err error
		if r.pattern, err = regexp.Compile(r.BodyMatches); err != nil {
			return q, fmt.Errorf("smoke.yaml: %s: bodyMatches: %w", r, err)
		}
	}
	return q, nil
}

// Ask puts all questions to the service at base, writes a row for each to table
// and returns what is wrong, each with its question.
func (q Questions) Ask(table io.Writer, transport http.RoundTripper, base string) []string {
	var wrong []string
	for _, r := range q.Requests {
		answer, problems := r.put(transport, base)
		wrong = append(wrong, Row(table, r.String(), answer, problems)...)
	}
	return wrong
}

// Row writes one row of tab-separated cells, verdict, question and answer, and
// returns the problems, each with its question.
func Row(table io.Writer, question, answer string, problems []string) []string {
	verdict := "ok"
	if len(problems) > 0 {
		verdict = "FAILED"
	}
	fmt.Fprintf(table, "%s\t%s\t%s\n", verdict, question, answer)
	wrong := make([]string, len(problems))
	for i, p := range problems {
		wrong[i] = question + ": " + p
	}
	return wrong
}

// put asks one question of the service at base, a URL without path, through
// transport, nil for the usual one. It returns the answer in short and what is
// wrong with it.
func (q Request) put(transport http.RoundTripper, base string) (string, []string) {
	req, err := http.NewRequest(q.Method, base+q.Path, nil)
	if err != nil {
		return "not sent", []string{err.Error()}
	}
	client := http.Client{
		Transport:     transport,
		Timeout:       replyLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	start := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return "no answer", []string{err.Error()}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyLimit))
	if err != nil {
		return resp.Status, []string{"the body broke off: " + err.Error()}
	}

	var problems []string
	expect := func(ok bool, what string, want, got any) {
		if !ok {
			problems = append(problems, fmt.Sprintf("expected %s %v, got %v", what, want, got))
		}
	}
	if q.Status != 0 {
		expect(resp.StatusCode == q.Status, "status", q.Status, resp.StatusCode)
	} else {
		expect(resp.StatusCode < 500, "status", "below 500", resp.StatusCode)
	}
	for name, want := range q.Headers {
		got := strings.Join(resp.Header.Values(name), ", ")
		expect(got == want, "header "+name, fmt.Sprintf("%q", want), fmt.Sprintf("%q", got))
	}
	if q.Body != nil {
		expect(string(body) == *q.Body, "body", fmt.Sprintf("%q", *q.Body), excerpt(body))
	}
	expect(q.pattern.Match(body), "a body that matches", q.BodyMatches, excerpt(body))
	return fmt.Sprintf("%d, %d bytes, %.1f ms", resp.StatusCode, len(body), float64(time.Since(start).Microseconds())/1000), problems
}

// excerpt quotes the start of a body, for one line of a terminal.
func excerpt(body []byte) string {
	if len(body) > 200 {
		return fmt.Sprintf("%q… (%d bytes)", body[:200], len(body))
	}
	return fmt.Sprintf("%q", body)
}
