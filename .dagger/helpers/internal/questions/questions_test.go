package questions

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// What has no requests is asked for GET /.
func TestParseDefault(t *testing.T) {
	for _, text := range []string{`{}`, `{"protocol": "https"}`, `{"drain": true}`} {
		q, err := Parse(text)
		if err != nil || len(q.Requests) != 1 || q.Requests[0].String() != "GET /" {
			t.Errorf("%s: got %+v, %v", text, q.Requests, err)
		}
	}
	if q, err := Parse(`{"protocol": "tcp"}`); err != nil || len(q.Requests) > 0 {
		t.Errorf("tcp: got %+v, %v", q.Requests, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		``:                                 "EOF",
		`[]`:                               "cannot unmarshal",
		`{"requests": []}`:                 "requests is empty: leave it out, and GET / is asked",
		`{"requests": [{"paht": "/"}]}`:    `unknown field "paht"`,
		`{"requests": [{"path": "/"}]} {}`: "something follows",
		`{"requests": [null]}`:             `request 1: path "" does not begin with /`,
		`{"requests": [{"path": "/", "status": 99}]}`:                                       "status 99 is not one of HTTP's",
		`{"requests": [{"path": "/", "status": [200, 600]}]}`:                               "status 600 is not one of HTTP's",
		`{"requests": [{"path": "/", "status": ["200"]}]}`:                                  "neither a number such as 200 nor a list",
		`{"requests": [{"path": "/", "json": {"a": 1}}]}`:                                   `GET /: json: "a" is no JSON Pointer`,
		`{"requests": [{"path": "/", "send": {"headers": {"A b": "c"}}}]}`:                  `"A b" is not a header`,
		`{"requests": [{"path": "/", "send": {"headers": {"A": "c\nB: d"}}}]}`:              `"A" is not a header`,
		`{"requests": [{"path": "/", "send": {"header": {"A": "c"}}}]}`:                     `unknown field "header"`,
		`{"requests": [{"method": "POST", "path": "/", "send": {"body": "a", "json": 1}}]}`: "POST /: send has both body and json",
		`{"protocol": "ftp"}`: `protocol "ftp": give http, https, h2c, grpc or tcp`,
		`{"protocol": "h2c", "drain": true, "requests": [{"path": "/"}]}`: "drain is not asked over h2c",
		`{"protocol": "grpc", "requests": [{"path": "/"}]}`:               "protocol grpc has neither requests nor drain",
		`{"protocol": "tcp", "drain": true}`:                              "protocol tcp has neither requests nor drain",
		`{"requests": [{"path": "/"}, {"path": "x"}]}`:                    `request 2: path "x" does not begin with /`,
		`{"requests": [{"path": "/\n"}]}`:                                 "request 1: it cannot be sent",
		`{"requests": [{"path": "/%zz"}]}`:                                "request 1: it cannot be sent",
		`{"requests": [{"method": "GET /", "path": "/"}]}`:                "request 1: it cannot be sent",
		`{"requests": [{"path": "/", "bodyMatches": "("}]}`:               "GET /: bodyMatches",
		`{"requests": [{"path": "/", "status": "200"}]}`:                  "neither a number",
		`{"requests": [{"path": "/", "headers": {"A": true}}]}`:           "cannot unmarshal",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func TestSplit(t *testing.T) {
	q := parse(t, `{"drain": true, "requests": [{"path": "/"}, {"method": "HEAD", "path": "/"}, {"method": "OPTIONS", "path": "/"},
		{"method": "TRACE", "path": "/"}, {"method": "POST", "path": "/"}, {"method": "PUT", "path": "/"},
		{"method": "DELETE", "path": "/"}, {"method": "PATCH", "path": "/"}, {"method": "get", "path": "/"}]}`)
	// What follows an effect may ask for it.
	dependent := parse(t, `{"drain": true, "requests": [{"path": "/"}, {"method": "POST", "path": "/items"}, {"path": "/items/1"}]}`)
	effects := parse(t, `{"drain": true, "requests": [{"method": "POST", "path": "/items"}]}`)
	for _, c := range []struct {
		part Questions
		want string
	}{
		{q.Repeatable(), "GET HEAD OPTIONS TRACE"},
		{q.Everywhere(), "GET HEAD OPTIONS TRACE"},
		{q.Once(), "POST PUT DELETE PATCH get"},
		{dependent.Repeatable(), "GET GET"},
		{dependent.Everywhere(), "GET"},
		{dependent.Once(), "POST GET"},
		{effects.Everywhere(), ""},
		{effects.Once(), "POST"},
		{q, "GET HEAD OPTIONS TRACE POST PUT DELETE PATCH get"},
	} {
		var methods []string
		for _, r := range c.part.Requests {
			methods = append(methods, r.Method)
		}
		if got := strings.Join(methods, " "); got != c.want || !c.part.Drain {
			t.Errorf("got %q, drain %t, want %q", got, c.part.Drain, c.want)
		}
	}
}

// What the protocol alone asks can be asked again.
func TestProtocolAlone(t *testing.T) {
	q := parse(t, `{"protocol": "grpc"}`)
	if q.Empty() || q.Everywhere().Empty() || !q.Once().Empty() {
		t.Errorf("empty: %t, everywhere: %t, once: %t", q.Empty(), q.Everywhere().Empty(), q.Once().Empty())
	}
	if q = parse(t, `{"requests": [{"path": "/"}]}`); q.Empty() || q.Everywhere().Empty() || !q.Once().Empty() {
		t.Errorf("HTTP: empty: %t, everywhere: %t, once: %t", q.Empty(), q.Everywhere().Empty(), q.Once().Empty())
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"requests": [{"path": "/"}]}`)
	f.Add(`{"requests": [{"method": "POST", "path": "/a?b=%20", "status": 405,
		"headers": {"Allow": "GET, HEAD"}, "body": "no"}], "drain": true}`)
	f.Add(`{"protocol": "tcp"}`)
	f.Add(`{"requests": [{"method": "POST", "path": "/", "send": {"json": {"a": 1.50}, "headers": {"A": "b"}}, "status": [201, 409],
		"json": {"/id": 12345678901234567890, "": null}}]}`)
	f.Add(`{"requests": [{"path": "/", "body": null, "bodyMatches": "^\\{\"a\":[0-9.e-]+"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		q, err := Parse(text)
		if err != nil {
			return
		}
		if len(q.Everywhere().Requests)+len(q.Once().Requests) != len(q.Requests) {
			t.Fatal("a request is in neither half, or in both")
		}
		again, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(string(again))
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		for i := range q.Requests {
			if q.Requests[i].pattern.String() != back.Requests[i].pattern.String() {
				t.Fatalf("%s: another pattern", again)
			}
			q.Requests[i].pattern, back.Requests[i].pattern = nil, nil
		}
		if !reflect.DeepEqual(q, back) {
			t.Fatalf("%+v came back as %+v", q, back)
		}
	})
}

func parse(t *testing.T, text string) Questions {
	t.Helper()
	q, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}
