package main

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"slipway/helpers/internal/sanitize"
)

const (
	// sendEvery is how long spans wait for others to be sent with.
	sendEvery = 500 * time.Millisecond
	// maxSpans is how many passed subtests of one package are told of.
	maxSpans = 1000
	// sendLimit is how long one message may take: nothing of a test depends on it.
	sendLimit = 5 * time.Second
)

// spans tells Dagger which tests there are, by the way that it gives every container: its
// own views, of a terminal or a browser, then show each of them. The attributes are
// OpenTelemetry's for tests, and Dagger's for where a failure is shown. What tests print
// is in none of them.
type spans struct {
	endpoint      string // "" where nobody wants to know
	trace, parent []byte
	mask          func(string) string

	mu      sync.Mutex
	waiting []span
	sent    time.Time
}

// newSpans takes the way from the environment.
func newSpans(mask func(string) string) *spans {
	s := &spans{endpoint: os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), mask: mask}
	if s.trace, s.parent = parseTraceparent(os.Getenv("TRACEPARENT")); s.trace == nil {
		s.endpoint = ""
	}
	return s
}

// suite is the span of a package.
type suite struct {
	to    *spans
	pkg   string
	span  span
	ids   map[*tested][]byte
	count int
}

func (s *spans) suite(pkg string) *suite {
	u := &suite{to: s, pkg: s.mask(pkg), ids: map[*tested][]byte{}}
	u.span = span{
		trace: s.trace, id: newID(), parent: s.parent, name: u.pkg, began: time.Now(),
		texts: map[string]string{"test.suite.name": u.pkg},
	}
	s.add(u.span)
	s.send(false)
	return u
}

func newID() []byte {
	id := make([]byte, 8)
	_, _ = rand.Read(id) // never fails
	return id
}

// id is the span of a test, which its subtests name before it ends.
func (u *suite) id(t *tested) []byte {
	if t.within == nil {
		return u.span.id
	}
	if u.ids[t] == nil {
		u.ids[t] = newID()
	}
	return u.ids[t]
}

// test tells of a test that ended.
func (u *suite) test(t *tested) {
	if u.count++; t.status == "PASS" && t.within.name != "" && u.count > maxSpans {
		return
	}
	name, short := u.to.mask(t.name), u.to.mask(strings.TrimPrefix(t.name, t.within.name+"/"))
	status := map[string]string{"PASS": "pass", "SKIP": "skipped"}[t.status]
	if status == "" {
		status = "fail"
	}
	u.to.add(span{
		trace: u.to.trace, id: u.id(t), parent: u.id(t.within), name: short,
		began: t.began, ended: t.ended, failed: status == "fail",
		texts: map[string]string{"test.case.name": name, "test.suite.name": u.pkg, "test.case.result.status": status},
		flags: []string{"dagger.io/ui.boundary"},
	})
	u.to.send(false)
}

func (u *suite) end(passed bool) {
	u.span.ended, u.span.failed = time.Now(), !passed
	u.span.texts["test.suite.run.status"] = map[bool]string{true: "success", false: "failure"}[passed]
	u.to.add(u.span)
	u.to.send(true)
}

func (s *spans) add(one span) {
	if s.endpoint == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, one)
}

// send sends what waits, if it is time or must be now. Nothing is done about a failure: it
// is a view that is missing, not a test.
func (s *spans) send(now bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 || !now && time.Since(s.sent) < sendEvery {
		return
	}
	body := exportRequest("slipway unit", s.waiting)
	s.waiting, s.sent = nil, time.Now()
	resp, err := (&http.Client{Timeout: sendLimit}).Post(s.endpoint, "application/x-protobuf", bytes.NewReader(body))
	if err == nil {
		_ = resp.Body.Close()
	}
}

// masking makes a name harmless, without secrets.
func masking(secrets []string) func(string) string {
	return func(name string) string {
		var b bytes.Buffer
		w := sanitize.NewWriter(&b)
		w.Mask(secrets...)
		_, _ = w.Write([]byte(sanitize.Line(name)))
		_ = w.Flush()
		return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	}
}
