package needs

import (
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	n, questions, err := Parse([]byte(`
needs:
  env: {DATABASE_URL: "postgres://app:app@db:5432/app", EMPTY: ""}
  args: [serve]
  port: 9000
  start: 90s
  secrets: [API_KEY]
  before: [[migrate, up]]
  services:
    db: {image: "postgres:18", env: {POSTGRES_PASSWORD: app}, port: 5432, ready: [pg_isready]}
  files: [./templates/, docs/openapi.yaml]
requests: [{path: /, status: 200, json: {/id: 1234567890123456789}}]
`))
	if err != nil {
		t.Fatal(err)
	}
	want := Needs{
		Env:      map[string]string{"DATABASE_URL": "postgres://app:app@db:5432/app", "EMPTY": ""},
		Args:     []string{"serve"},
		Port:     9000,
		Start:    "90s",
		Secrets:  []string{"API_KEY"},
		Before:   [][]string{{"migrate", "up"}},
		Services: map[string]Service{"db": {Image: "postgres:18", Env: map[string]string{"POSTGRES_PASSWORD": "app"}, Port: 5432, Ready: []string{"pg_isready"}}},
		Files:    []string{"templates", "docs/openapi.yaml"},
	}
	if !reflect.DeepEqual(n, want) {
		t.Errorf("got %+v", n)
	}
	if n.StartLimit() != 90*time.Second || (Needs{}).StartLimit() != time.Minute {
		t.Error(n.StartLimit(), Needs{}.StartLimit())
	}
	if got := string(questions); got != `{"requests":[{"json":{"/id":1234567890123456789},"path":"/","status":200}]}` {
		t.Errorf("questions: %s", got)
	}
	if _, questions, err = Parse([]byte("requests: [{path: '/##[x]###'}]")); err != nil || string(questions) != `{"requests":[{"path":"/#\u0023[x]#\u0023#"}]}` {
		t.Errorf("commands: %s, %v", questions, err)
	}
	if n, questions, err = Parse([]byte("requests: []\n")); err != nil || !reflect.DeepEqual(n, Needs{}) || string(questions) != `{"requests":[]}` {
		t.Errorf("without needs: %+v, %s, %v", n, questions, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"[]":                         "it is not a mapping",
		"requests: [":                "yaml",
		"requests: []\nrequests: []": "already set in map",
		"needs: {envs: {A: b}}":      `needs: json: unknown field "envs"`,
		"needs: {env: {A: 1}}":       `env: a number stands where text is wanted: put it in quotes, as in PORT: "8080"`,
		"requests: [{path: /, send: {json: {x: 1, y: 2}}}]":             "requests: send: json: YAML takes a name for true: put y, n, yes, no, on and off in quotes",
		"needs: {env: {NO: a}}":                                         "YAML takes a name for false",
		"needs: {start: soon}":                                          `start: "soon" is not how long the program may take until it listens: give 1s to 30m, such as 3m`,
		"needs: {start: 31m}":                                           `start: "31m" is not`,
		"needs: {start: 90}":                                            `start: a number stands where text is wanted`,
		"needs: {args: [--debug, yes]}":                                 `args: a bool stands where text is wanted: put it in quotes`,
		`needs: {env: {"A=B": c}}`:                                      `env: "A=B" is not the name`,
		`needs: {env: {"": c}}`:                                         `env: "" is not the name`,
		"needs: {secrets: [A-B]}":                                       `secrets: "A-B" is not the name`,
		"needs: {env: {A: b}, secrets: [A]}":                            `secrets: "A" is not the name of an environment variable, or is one of env too`,
		"needs: {port: 65536}":                                          "needs: port 65536 is not a TCP port",
		"needs: {port: http}":                                           "cannot unmarshal string",
		"needs: {before: [[]]}":                                         "before: run 1 has no arguments",
		"needs: {services: {db: {port: 1}}}":                            "services: db: it has no image",
		"needs: {services: {db: {image: a}}}":                           "services: db: port 0 is not a TCP port",
		"needs: {services: {db: {image: a, port: 65536}}}":              "port 65536 is not",
		"needs: {services: {d_b: {image: a, port: 1}}}":                 `services: "d_b" is not the name of a host`,
		"needs: {services: {service: {image: a, port: 1}}}":             "services: service: the name is taken",
		`needs: {services: {db: {image: a, port: 1, env: {"a b": c}}}}`: `services: db: env: "a b" is not the name`,
		`needs: {env: {A: "\e[2J"}}`:                                    `env: "\x1b[2J" has a control character`,
		`needs: {env: {A: "##[add-mask]x"}}`:                            `env: "# #[add-mask]x" has a control character, or a command`,
		`needs: {args: ["\u202e"]}`:                                     `args: "\u202e" has`,
		`needs: {before: [["##VSO[x]"]]}`:                               `before: "# #VSO[x]" has`,
		`needs: {services: {db: {image: "\e", port: 1}}}`:               `services: db: image: "\x1b" has`,
		`needs: {services: {"\e": {image: a, port: 1}}}`:                `services: "\x1b" is not the name`,
		`needs: {services: {db: {image: a, port: 1, ready: ["\e"]}}}`:   `services: db: ready: "\x1b" has`,
		"needs: {files: [../secret]}":                                   `files: "../secret" is not a path below`,
		"needs: {files: [/etc/passwd]}":                                 `files: "/etc/passwd" is not a path below`,
		"needs: {files: [a/../..]}":                                     `files: "a/../.." is not a path below`,
		"needs: {files: ['']}":                                          `files: "" is not a path below`,
	} {
		if _, _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func TestValues(t *testing.T) {
	n := Needs{Secrets: []string{"A", "B"}}
	got, err := n.Values("# comment\n\nexport A=\"x=1 \"\r\nB = 'y'\nOTHER=z\n")
	if err != nil || !maps.Equal(got, map[string]string{"A": "x=1 ", "B": "y"}) {
		t.Errorf("got %q, %v", got, err)
	}
	for lines, want := range map[string]string{
		"A=1":             "it has no value for B",
		"":                "it has no value for A, B",
		"A=1\nhunter2\n":  "line 2 is not NAME=value",
		"A=1\nhunter 2=3": "line 2 is not NAME=value",
		"A='\nB=\"":       "",
		"A=\nB=":          "",
	} {
		_, err := n.Values(lines)
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter")) {
			t.Errorf("%q: got %v, want %q", lines, err, want)
		}
	}
	if got, err := (Needs{}).Values(""); err != nil || len(got) != 0 {
		t.Errorf("none: %v, %v", got, err)
	}
}
