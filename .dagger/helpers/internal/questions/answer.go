package questions

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Answer is what came of one question.
type Answer struct {
	Question string   // such as "GET /"
	Answer   string   // in short; "" if Way is not nil
	Problems []string // what is wrong with the answer, none if it is as it should be

	// Way says that the connection failed or broke before a whole answer came. It says
	// nothing of the service.
	Way error

	// Closed says that nothing at all came over a connection that was open. Where the way
	// is known to be whole, it was the service that closed it.
	Closed bool
}

// Table has one line for each answer: verdict, question and what came.
func Table(answers []Answer) string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, a := range answers {
		verdict, came := "ok", a.Answer
		switch {
		case a.Way != nil:
			verdict, came = "no answer", a.Way.Error()
		case len(a.Problems) > 0:
			verdict = "FAILED"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", verdict, a.Question, came)
	}
	_ = table.Flush() // into memory
	return text.String()
}

// noAnswer is the Answer to a question that ended with err.
func noAnswer(question string, err error) Answer {
	if way, ok := err.(wayError); ok {
		return Answer{Question: question, Way: way.error, Closed: way.closed}
	}
	return Answer{Question: question, Answer: "no answer", Problems: []string{err.Error()}}
}

// tlsSigns are in the pages with which Go, nginx and Apache answer on a TLS port
// that is spoken to without TLS.
var tlsSigns = []string{"HTTP request to an HTTPS server", "HTTP request was sent to HTTPS port", "plain HTTP to an SSL-enabled"}

// judgeHead is what is wrong with an answer's status and headers.
func (r Request) judgeHead(resp *http.Response) []string {
	var problems []string
	if len(r.Status) > 0 && !slices.Contains(r.Status, resp.StatusCode) {
		problems = append(problems, unlike("status", r.Status, resp.StatusCode))
	}
	if len(r.Status) == 0 && resp.StatusCode >= 500 {
		problems = append(problems, unlike("status", "below 500", resp.StatusCode))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		want, got := r.Headers[name], strings.Join(resp.Header.Values(name), ", ")
		if got != want {
			problems = append(problems, unlike("header "+name, fmt.Sprintf("%q", want), excerpt([]byte(got))))
		}
	}
	return problems
}

// judgeBody is what is wrong with the body of an answer.
func (r Request) judgeBody(resp *http.Response, body []byte) []string {
	var problems []string
	if r.Body != nil && string(body) != *r.Body {
		problems = append(problems, unlike("body", fmt.Sprintf("%q", *r.Body), excerpt(body)))
	}
	if r.pattern != nil && !r.pattern.Match(body) {
		problems = append(problems, unlike("a body that matches", r.BodyMatches, excerpt(body)))
	}
	problems = append(problems, r.judgeJSON(body)...)
	if resp.StatusCode == http.StatusBadRequest && !slices.Contains(r.Status, http.StatusBadRequest) && resp.TLS == nil {
		if slices.ContainsFunc(tlsSigns, func(sign string) bool { return strings.Contains(string(body), sign) }) {
			problems = append(problems, "the port speaks TLS; "+NameThePort)
		}
	}
	return problems
}

func unlike(what string, want, got any) string {
	return fmt.Sprintf("expected %s %v, got %v", what, want, got)
}

// short is a whole answer in a few words.
func short(resp *http.Response, body []byte, took time.Duration) string {
	size := fmt.Sprintf("%d bytes", len(body))
	if len(body) == bodyLimit {
		size = "at least " + size
	}
	return fmt.Sprintf("%d, %s, %s", resp.StatusCode, size, milliseconds(took))
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

// excerpt quotes the start of a body, for one line of a terminal.
func excerpt(body []byte) string {
	if len(body) > 200 {
		return fmt.Sprintf("%q… (%d bytes)", body[:200], len(body))
	}
	return fmt.Sprintf("%q", body)
}
