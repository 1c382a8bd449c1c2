package questions

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// patient are limits for services that answer, on a busy machine, too.
var patient = limits{reply: replyLimit, settle: 50 * time.Millisecond}

// waiting are the limits where a problem is expected: short for the one of services
// that do not answer.
func waiting(problem string) limits {
	if strings.HasSuffix(problem, "no answer within 300ms") {
		return limits{reply: 300 * time.Millisecond, settle: patient.settle}
	}
	return patient
}

// service is one with a path for every kind of answer.
func service() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Host", r.Host)
		fmt.Fprint(w, "Hello World")
	})
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"type": %q, "user": %q, "host": %q, "length": %d, "sent": %s}`,
			r.Header.Get("Content-Type"), r.Header.Get("X-User"), r.Host, r.ContentLength, body)
	})
	mux.HandleFunc("/json", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"id": 1234567890123456789, "price": 1.50, "tags": ["a", {"n": null}], "a/b": {"~": true}}`)
	})
	mux.HandleFunc("/escape", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "\x1b[2J") })
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/broken", http.StatusFound) })
	mux.HandleFunc("/cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("/half", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		if r.URL.RawQuery == "500" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		fmt.Fprint(w, "half")
	})
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/drip", func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/huge", func(w http.ResponseWriter, _ *http.Request) {
		for chunk := make([]byte, 1<<16); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	return mux
}

// one asks one question.
func one(t *testing.T, address string, s Service, l limits, question string) Answer {
	t.Helper()
	answers := parse(t, `{"requests": [`+question+`]}`).askAt(t.Context(), address, s, l)
	if len(answers) != 1 {
		t.Fatalf("%d answers", len(answers))
	}
	return answers[0]
}

// check compares the start of a row, "ok", "FAILED" or "no answer" with what came, and
// the problems or the error of the way.
func check(t *testing.T, a Answer, row, problem string) {
	t.Helper()
	text := strings.Join(strings.Fields(Table([]Answer{a})), " ")
	if !strings.HasPrefix(text, row) {
		t.Errorf("got %q, want %q", text, row)
	}
	found := strings.Join(a.Problems, "; ")
	if a.Way != nil {
		found = strings.TrimPrefix(found+"; "+a.Way.Error(), "; ")
	}
	if (found == "") != (problem == "") || !strings.Contains(found, problem) {
		t.Errorf("%s: got %q, want %q", row, found, problem)
	}
	if strings.ContainsFunc(text+found, func(r rune) bool { return r < ' ' }) {
		t.Errorf("%q %q has control characters", text, found)
	}
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct{ question, row, problem string }{
		{`{"path": "/"}`, "ok GET / 200, 11 bytes, ", ""},
		{`{"path": "/", "method": "HEAD"}`, "ok HEAD / 200, 0 bytes, ", ""},
		{`{"path": "/nowhere"}`, "ok GET /nowhere 404, 19 bytes, ", ""},
		{`{"path": "/", "status": 200, "body": "Hello World", "bodyMatches": "^Hello"}`, "ok GET / 200", ""},
		{`{"path": "/", "status": 404}`, "FAILED GET / 200, 11 bytes, ", "expected status 404, got 200"},
		{`{"path": "/", "status": [404, 200]}`, "ok GET / 200", ""},
		{`{"path": "/", "status": [401, 403]}`, "FAILED GET / 200", "expected status 401 or 403, got 200"},
		{`{"method": "POST", "path": "/echo", "send": {"json": {"a": 12345678901234567890}}, "status": 201,
			"json": {"/type": "application/json", "/sent/a": 12345678901234567890, "/length": 26}}`, "ok POST /echo 201", ""},
		{`{"method": "POST", "path": "/echo", "send": {"body": "[1]", "headers": {"Content-Type": "text/x", "x-user": "ann", "Host": "a.dev"}},
			"json": {"/type": "text/x", "/user": "ann", "/host": "a.dev", "/sent": [1.0]}}`, "ok POST /echo 201", ""},
		{`{"path": "/json", "json": {"/id": 1234567890123456789, "/price": 1.5, "/tags/0": "a", "/tags/1": {"n": null}, "/a~1b/~0": true}}`,
			"ok GET /json 200", ""},
		{`{"path": "/json", "json": {"/id": 1234567890123456788}}`, "FAILED GET /json 200",
			"expected /id in the body to be 1234567890123456788, got 1234567890123456789"},
		{`{"path": "/json", "json": {"/tags/2": 1, "/id/x": 1, "/tags/x": 1}}`, "FAILED GET /json 200",
			"expected /tags/x in the body to be 1, and there is no such field"},
		{`{"path": "/json", "json": {"/price": 1e999999999}}`, "FAILED GET /json 200", "expected /price"},
		{`{"path": "/", "json": {"/a": 1}}`, "FAILED GET / 200", "expected a body in JSON"},
		{`{"path": "/broken"}`, "FAILED GET /broken 502", "expected status below 500, got 502"},
		{`{"path": "/broken", "status": 502}`, "ok GET /broken 502", ""},
		{`{"path": "/moved", "headers": {"Location": "/broken"}}`, "ok GET /moved 302", ""},
		{`{"path": "/", "headers": {"B": "b", "A": "a"}}`, "FAILED GET / 200", `expected header A "a", got ""; expected header B "b", got ""`},
		{`{"path": "/", "body": "Goodbye"}`, "FAILED GET / 200", `expected body "Goodbye", got "Hello World"`},
		{`{"path": "/", "bodyMatches": "bye$"}`, "FAILED GET / 200", `expected a body that matches bye$, got "Hello World"`},
		{`{"path": "/escape", "body": ""}`, "FAILED GET /escape 200", `got "\x1b[2J"`},
		{`{"path": "/cut"}`, "no answer GET /cut the connection broke: EOF", "EOF"},
		{`{"path": "/half"}`, "no answer GET /half the connection broke: unexpected EOF", "unexpected EOF"},
		{`{"path": "/half?500"}`, "FAILED GET /half?500 500, a part of the body",
			"got 500; the body broke off: the connection broke: unexpected EOF"},
		{`{"path": "/slow"}`, "FAILED GET /slow no answer", "no answer within 300ms"},
		{`{"path": "/drip"}`, "FAILED GET /drip 200, a part of the body", "the body broke off: no answer within 300ms"},
		{`{"path": "/huge", "bodyMatches": "x"}`, "FAILED GET /huge 200, at least 1048576 bytes", `\x00"… (1048576 bytes)`},
	} {
		for scheme, server := range servers(service()) {
			row, problem := c.row, c.problem
			if server.TLS != nil && strings.Contains(c.question, "/cut") {
				// The connection stays, and the service itself says that it gave up.
				row, problem = "FAILED GET /cut no answer", "INTERNAL_ERROR; received from peer"
			}
			check(t, one(t, server.Listener.Addr().String(), Service{Scheme: scheme}, waiting(problem), c.question), row, problem)
			server.Close()
		}
	}
}

// servers are the handler's, with and without TLS.
func servers(handler http.Handler) map[string]*httptest.Server {
	plain, secure := httptest.NewUnstartedServer(handler), httptest.NewUnstartedServer(handler)
	plain.Config.ErrorLog, secure.Config.ErrorLog = quiet, quiet
	secure.EnableHTTP2 = true
	plain.Start()
	secure.StartTLS()
	return map[string]*httptest.Server{schemeHTTP: plain, schemeHTTPS: secure}
}

var quiet = log.New(io.Discard, "", 0)

func TestTable(t *testing.T) {
	got := Table([]Answer{
		{Question: "GET /", Answer: "200, 11 bytes, 2.1 ms"},
		{Question: "GET /version", Answer: "404, 9 bytes, 0.7 ms", Problems: []string{"expected status 200, got 404"}},
		{Question: "POST /", Way: errors.New("EOF")},
	})
	want := `ok         GET /         200, 11 bytes, 2.1 ms
FAILED     GET /version  404, 9 bytes, 0.7 ms
no answer  POST /        EOF
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestHost(t *testing.T) {
	server := httptest.NewServer(service())
	defer server.Close()
	address := server.Listener.Addr().String()
	question := func(host string) string { return `{"path": "/", "headers": {"X-Host": "` + host + `"}}` }
	check(t, one(t, address, Service{Scheme: schemeHTTP}, patient, question(address)), "ok", "")
	check(t, one(t, address, Service{Scheme: schemeHTTP, Host: "shop.example"}, patient, question("shop.example")), "ok", "")
}

// A proxy would be asked for every address but those of loopback, and net/http reads
// the environment only once, so that no variable set here would show it.
func TestNoProxy(t *testing.T) {
	if new(line).transport().Proxy != nil {
		t.Error("a proxy is asked")
	}
}

// A question with an effect goes to the service at most once, whatever becomes of it.
func TestOnce(t *testing.T) {
	var posts atomic.Int32
	mux := http.NewServeMux()
	mux.HandleFunc("/cut", func(http.ResponseWriter, *http.Request) { posts.Add(1); panic(http.ErrAbortHandler) })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, _ *http.Request) {
		posts.Add(1)
		w.Header().Set("Location", "/moved")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	for scheme, server := range servers(mux) {
		for path, row := range map[string]string{"/cut": "", "/moved": "ok POST /moved 307"} {
			posts.Store(0)
			a := one(t, server.Listener.Addr().String(), Service{Scheme: scheme}, patient, `{"method": "POST", "path": "`+path+`"}`)
			if got := posts.Load(); got != 1 {
				t.Errorf("%s %s: %d POST arrived", scheme, path, got)
			}
			if row != "" {
				check(t, a, row, "")
			}
		}
		server.Close()
	}
}

// Each question has a connection of its own, which is closed when it is answered.
func TestConnectionsAreClosed(t *testing.T) {
	var opened, closed atomic.Int32
	server := httptest.NewUnstartedServer(service())
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			opened.Add(1)
		case http.StateClosed:
			closed.Add(1)
		}
	}
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	q := parse(t, `{"requests": [{"path": "/"}, {"path": "/huge"}, {"path": "/nowhere"}]}`)
	q.AskAt(t.Context(), server.Listener.Addr().String(), Service{Scheme: schemeHTTPS})
	for range 100 {
		if closed.Load() == 3 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if opened.Load() != 3 || closed.Load() != 3 {
		t.Errorf("%d opened, %d closed, want 3", opened.Load(), closed.Load())
	}
}
