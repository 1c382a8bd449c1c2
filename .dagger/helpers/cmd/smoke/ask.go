package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"slipway/helpers/internal/questions"
	"slipway/helpers/internal/sanitize"
)

const (
	replyLimit = 10 * time.Second // for one answer
	exitLimit  = 60 * time.Second // from SIGTERM to the end of the process

	// drainPause lets the service read the first half of a request before SIGTERM
	// is sent, and begin its shutdown before the second half arrives.
	drainPause = 500 * time.Millisecond
)

// nameProtocol is the way out where the service speaks another protocol than it is asked in.
const nameProtocol = "say which in smoke.yaml, with protocol: https, h2c, grpc or tcp"

// ask puts the questions to the service, writes one line for each to w and
// returns every wrong answer, the service's last log lines before them.
func ask(w io.Writer, of subject, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	q, err := questions.Parse(string(text))
	if err != nil {
		return err
	}
	service, control := of.service, of.control
	if err := of.started(); err != nil {
		return failure(control, []string{err.Error()})
	}

	answers, err := answersOf(service, q)
	if err != nil {
		return err
	}
	missing := max(len(q.Requests), 1) - len(answers) // past one that was not answered in time
	if q.Drain {
		answer, problems := drain(service, control, q)
		answers = append(answers, questions.Answer{Question: "SIGTERM", Answer: answer, Problems: problems})
	}
	if _, err := io.WriteString(w, questions.Table(answers)); err != nil {
		return err
	}
	var wrong []string
	for _, a := range answers {
		for _, p := range a.Problems {
			wrong = append(wrong, a.Question+": "+p)
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	if missing > 0 {
		wrong = append(wrong, fmt.Sprintf("%d more of the questions were not asked after that", missing))
	}
	s, err := look(http.MethodGet, control)
	switch {
	case err == nil && s.Exit != "" && !q.Drain:
		wrong = append(wrong, "the service has ended: "+s.Exit)
	case strings.Contains(wrong[0], "the connection broke") && len(q.Requests) > 0:
		wrong = append(wrong, "if the service speaks another protocol, "+nameProtocol)
	}
	return failure(control, wrong)
}

// answersOf asks the service at a URL. Nothing stands between it and this program, so
// that a connection that fails is its own fault.
func answersOf(service string, q questions.Questions) ([]questions.Answer, error) {
	u, err := url.Parse(service)
	if err != nil {
		return nil, err
	}
	answers := q.AskAt(context.Background(), u.Host, questions.Service{Scheme: u.Scheme})
	for i, a := range answers {
		if a.Way != nil {
			answers[i] = questions.Answer{Question: a.Question, Answer: "no answer", Problems: []string{a.Way.Error()}}
		}
		for j, problem := range answers[i].Problems {
			answers[i].Problems[j] = strings.ReplaceAll(problem, questions.NameThePort, nameProtocol)
		}
	}
	return answers, nil
}

// others are where the service listens: not this program itself, on its control address.
func (s state) others(control string) []netip.AddrPort {
	u, err := url.Parse(control)
	return slices.DeleteFunc(s.Listens, func(l netip.AddrPort) bool { return err == nil && fmt.Sprint(l.Port()) == u.Port() })
}

// drain sends half of a request, has the service told to stop, sends the other
// half and expects the answer as well as a clean exit.
func drain(service, control string, q questions.Questions) (string, []string) {
	u, err := url.Parse(service)
	if err != nil {
		return "not sent", []string{err.Error()}
	}
	path := "/"
	if again := q.Repeatable().Requests; len(again) > 0 {
		path = again[0].Path
	}
	conn, err := net.DialTimeout("tcp", u.Host, replyLimit)
	if err != nil {
		return "not sent", []string{err.Error()}
	}
	if q.Protocol == "https" {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // The certificate is the service's own.
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
	return s, json.NewDecoder(io.LimitReader(resp.Body, 4*logBytes)).Decode(&s)
}

func failure(control string, wrong []string) error {
	text := "\nthe service wrote nothing"
	if s, err := look(http.MethodGet, control); err == nil && len(s.Log) > 0 {
		text = "\nthe service's last log lines:\n" + strings.Join(sanitize.Quote(s.Log), "\n")
	}
	return errors.New(text + "\n\n" + strings.Join(wrong, "\n"))
}
