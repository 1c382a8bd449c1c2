package questions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	replyLimit = 10 * time.Second // for one question, from the dial to the end of the answer
	bodyLimit  = 1 << 20          // bytes of an answer that are read

	// settleTime is how long a connection must stay open where nothing is said on it:
	// a port-forward accepts it before it knows whether the pod does.
	settleTime = 500 * time.Millisecond
)

// limits are how long a question may take; the tests have shorter ones.
type limits struct{ reply, settle time.Duration }

// AskAt puts the questions to the service at address, a host and port, and returns an
// Answer for each, in their order, up to the first that takes too long: a service that
// hangs would hang on each. Each goes once, over a connection of its own, and redirects
// are not followed. To a service that speaks gRPC or is only connected to, there is one
// question of the package's own instead, whatever the requests are. The protocol of the
// questions, where they have one, goes before the service's.
func (q Questions) AskAt(ctx context.Context, address string, s Service) []Answer {
	return q.askAt(ctx, address, s, limits{replyLimit, settleTime})
}

func (q Questions) askAt(ctx context.Context, address string, s Service, l limits) []Answer {
	s.Scheme = cmp.Or(q.Protocol, s.Scheme)
	switch s.Scheme {
	case schemeGRPC:
		return []Answer{askHealth(ctx, address, s, l)}
	case schemeTCP:
		return []Answer{connect(ctx, address, l)}
	}
	var answers []Answer
	for _, r := range q.Requests {
		start := time.Now()
		answers = append(answers, r.askAt(ctx, address, s, l))
		if time.Since(start) >= l.reply {
			break
		}
	}
	return answers
}

// askAt asks one question over HTTP.
func (r Request) askAt(ctx context.Context, address string, s Service, l limits) Answer {
	ctx, cancel := l.within(ctx)
	defer cancel()
	line := line{tls: s.Scheme == schemeHTTPS, host: s.Host}
	line.protocols.SetHTTP1(s.Scheme != schemeH2C)
	line.protocols.SetHTTP2(s.Scheme == schemeHTTPS)
	line.protocols.SetUnencryptedHTTP2(s.Scheme == schemeH2C)

	start := time.Now()
	header := http.Header{}
	if r.Send.JSON != nil {
		header.Set("Content-Type", "application/json")
	}
	for name, value := range r.Send.Headers {
		if header.Set(name, value); http.CanonicalHeaderKey(name) == "Host" {
			line.host = value
		}
	}
	resp, err := line.send(ctx, r.Method, address, r.Path, header, strings.NewReader(r.sent))
	if err != nil {
		return noAnswer(r.String(), err)
	}
	defer resp.Body.Close()
	problems := r.judgeHead(resp)
	body, err := line.read(ctx, resp)
	if err == nil {
		problems = append(problems, r.judgeBody(resp, body)...)
		return Answer{Question: r.String(), Answer: short(resp, body, time.Since(start)), Problems: problems}
	}
	if _, way := err.(wayError); way && len(problems) == 0 {
		return noAnswer(r.String(), err)
	}
	// A wrong head is the service's, however the rest was lost.
	problems = append(problems, "the body broke off: "+err.Error())
	return Answer{Question: r.String(), Answer: fmt.Sprintf("%d, a part of the body", resp.StatusCode), Problems: problems}
}

// connect asks nothing. It opens a connection and waits whether it stays.
func connect(ctx context.Context, address string, l limits) Answer {
	const question = "connect"
	ctx, cancel := l.within(ctx)
	defer cancel()
	var line line
	start := time.Now()
	conn, err := line.dial(ctx, "tcp", address)
	if err != nil {
		return noAnswer(question, line.explain(ctx, err))
	}
	defer conn.Close()
	answer := Answer{Question: question, Answer: "connected, " + milliseconds(time.Since(start))}
	_ = conn.SetDeadline(time.Now().Add(l.settle))
	if _, err := conn.Conn.Read(make([]byte, 1)); err != nil {
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			return noAnswer(question, wayError{error: fmt.Errorf("the connection was closed at once: %w", err)})
		}
	}
	return answer
}

// read is the start of a body, at most bodyLimit of it.
func (l *line) read(ctx context.Context, resp *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyLimit))
	if err != nil {
		return nil, l.explain(ctx, err)
	}
	return body, nil
}
