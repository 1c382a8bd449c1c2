package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"
)

const (
	startLimit = 60 * time.Second // for the service to accept its first connection
	replyLimit = 10 * time.Second // for one answer
	exitLimit  = 60 * time.Second // from SIGTERM to the end of the process
	bodyLimit  = 1 << 20          // bytes of an answer that are compared

	// drainPause lets the service read the first half of a request before SIGTERM
	// is sent, and begin its shutdown before the second half arrives.
	drainPause = 500 * time.Millisecond
)

// questions is the service's smoke.yaml, as JSON.
type questions struct {
	Requests []request `json:"requests"`
	Drain    bool      `json:"drain"`
}

// request is one question and the answer it must have. What is zero is not
// looked at, but an answer of 500 and above is always wrong unless asked for.
type request struct {
	Method      string            `json:"method"`
	Path        string            `json:"path"`
	Status      int               `json:"status"`
	Headers     map[string]string `json:"headers"`
	Body        *string           `json:"body"`
	BodyMatches string            `json:"bodyMatches"`

	pattern *regexp.Regexp // of BodyMatches
}

func (q request) String() string { return q.Method + " " + q.Path }

// read refuses what it does not understand: a misspelt field would be a
// question that is never asked.
func read(file string) (questions, error) {
	var q questions
	f, err := os.Open(file)
	if err != nil {
		return q, err
	}
	defer f.Close()
	dec := json.NewDecoder(f)
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
		if r.pattern, err = regexp.Compile(r.BodyMatches); err != nil {
			return q, fmt.Errorf("smoke.yaml: %s: bodyMatches: %w", r, err)
		}
	}
	return q, nil
}

// ask puts the questions to the service, writes one line for each to w and
// returns every wrong answer, the service's last log lines before them.
func ask(w io.Writer, service, control, file string) error {
	q, err := read(file)
	if err != nil {
		return err
	}
	if err := started(service, control); err != nil {
		return failure(control, []string{err.Error()})
	}

	var wrong []string
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, answer string, problems []string) {
		verdict := "ok"
		if len(problems) > 0 {
			verdict = "FAILED"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", verdict, name, answer)
		for _, p := range problems {
			wrong = append(wrong, name+": "+p)
		}
	}
	for _, r := range q.Requests {
		answer, problems := r.put(service)
		row(r.String(), answer, problems)
	}
	if q.Drain {
		answer, problems := drain(service, control, q.Requests[0].Path)
		row("SIGTERM", answer, problems)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(wrong) > 0 {
		return failure(control, wrong)
	}
	return nil
}

// started waits until the service accepts a connection.
func started(service, control string) error {
	u, err := url.Parse(service)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(startLimit); ; time.Sleep(50 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", u.Host, time.Second)
		if err == nil {
			return conn.Close()
		}
		if s, stateErr := look(http.MethodGet, control); stateErr == nil && s.Exit != "" {
			return fmt.Errorf("the service ended before it listened on port %s: %s", u.Port(), s.Exit)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the service did not listen on port %s within %s (is it another port? see --port)", u.Port(), startLimit)
		}
	}
}

// put asks one question and returns the answer in short and what is wrong with it.
func (q request) put(service string) (string, []string) {
	req, err := http.NewRequest(q.Method, service+q.Path, nil)
	if err != nil {
		return "not sent", []string{err.Error()}
	}
	client := http.Client{
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

// drain sends half a request, has the service told to stop, sends the other
// half and expects the answer as well as a clean exit.
func drain(service, control, path string) (string, []string) {
	u, err := url.Parse(service)
	if err != nil {
		return "not sent", []string{err.Error()}
	}
	conn, err := net.DialTimeout("tcp", u.Host, replyLimit)
	if err != nil {
		return "not sent", []string{err.Error()}
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(replyLimit))
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n", path, u.Host)
	time.Sleep(drainPause)
	if _, err := look(http.MethodPost, control); err != nil {
		return "not sent", []string{err.Error()}
	}
	time.Sleep(drainPause)
	fmt.Fprint(conn, "Connection: close\r\n\r\n")

	var problems []string
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		problems = append(problems, "the request in flight got no answer: "+err.Error())
	} else if resp.Body.Close(); resp.StatusCode >= 500 {
		problems = append(problems, "the request in flight was answered with "+resp.Status)
	}
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		s, err := look(http.MethodGet, control)
		switch {
		case err != nil:
			return "unknown", append(problems, err.Error())
		case s.Exit == "exit status 0":
			return fmt.Sprintf("in-flight request answered, exit 0 after %.1f s", time.Since(start).Seconds()+drainPause.Seconds()), problems
		case s.Exit != "":
			return s.Exit, append(problems, "expected exit status 0, got "+s.Exit)
		case time.Since(start) > exitLimit:
			return "still running", append(problems, fmt.Sprintf("the service still ran %s after SIGTERM", exitLimit))
		}
	}
}

// look reads the state of the service; with POST it is first told to stop.
func look(method, control string) (state, error) {
	var s state
	req, err := http.NewRequest(method, control, nil)
	if err != nil {
		return s, err
	}
	resp, err := (&http.Client{Timeout: replyLimit}).Do(req)
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	return s, json.NewDecoder(resp.Body).Decode(&s)
}

func failure(control string, wrong []string) error {
	text := "\nthe service wrote nothing"
	if s, err := look(http.MethodGet, control); err == nil && len(s.Log) > 0 {
		text = "\nthe service's last log lines:\n  " + strings.Join(s.Log, "\n  ")
	}
	return errors.New(text + "\n\n" + strings.Join(wrong, "\n"))
}

// excerpt quotes the start of a body, for one line of a terminal.
func excerpt(body []byte) string {
	if len(body) > 200 {
		return fmt.Sprintf("%q… (%d bytes)", body[:200], len(body))
	}
	return fmt.Sprintf("%q", body)
}
