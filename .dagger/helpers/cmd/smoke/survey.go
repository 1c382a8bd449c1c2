package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"

	"slipway/helpers/internal/questions"
)

// bodyShown is how long a body may be, in bytes, to be a part of the survey.
const bodyShown = 100

// surveyed is what a running service answers, and whether it stops as it should.
type surveyed struct {
	Answers []answered
	Drains  bool // a request in flight is answered after SIGTERM, and the exit status is 0
}

// answered is what came of GET on a path. Body is "" if it was long, no plain text, or not
// the same when it was asked for again, or of another pod, as the host's name shows.
type answered struct {
	Path        string
	Status      int
	ContentType string
	Body        string
}

// survey asks a service for each path and writes what it says as JSON; at the end the
// service is told to stop. What gets no answer is left out.
func survey(w io.Writer, of subject, paths []string) error {
	service, control := of.service, of.control
	if err := of.started(); err != nil {
		return failure(control, []string{err.Error()})
	}
	var s surveyed
	pod, err := look(http.MethodGet, control)
	if err != nil {
		return err
	}
	for _, path := range paths {
		a, err := get(service, path)
		if err != nil {
			continue
		}
		if again, err := get(service, path); err != nil || again.Body != a.Body || pod.Host != "" && strings.Contains(a.Body, pod.Host) {
			a.Body = ""
		}
		s.Answers = append(s.Answers, a)
	}
	_, problems := drain(service, control, questions.Questions{})
	s.Drains = len(problems) == 0
	return s.write(w)
}

// write writes JSON that is the same to who reads it, and no command to a CI system where
// Dagger prints it.
func (s surveyed) write(w io.Writer) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = w.Write(append(bytes.ReplaceAll(text, []byte("##"), []byte(`#\u0023`)), '\n'))
	return err
}

func get(service, path string) (answered, error) {
	ctx, cancel := context.WithTimeout(context.Background(), replyLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, service+path, nil)
	if err != nil {
		return answered{}, err
	}
	resp, err := (&http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: 5 * time.Second}).RoundTrip(req) // follows no redirect
	if err != nil {
		return answered{}, err
	}
	defer resp.Body.Close()
	a := answered{Path: path, Status: resp.StatusCode, ContentType: resp.Header.Get("Content-Type")}
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyShown+1))
	if text := string(body); err == nil && len(body) <= bodyShown && isText(text) {
		a.Body = text
	}
	return a, nil
}

func isText(s string) bool {
	for _, r := range s {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
