package sanitize

import (
	"slices"
	"testing"

	"slipway/helpers/internal/object"
)

func secret(t *testing.T, text string) object.Object {
	t.Helper()
	var o object.Object
	if err := object.Decode([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestSecret(t *testing.T) {
	for name, c := range map[string]struct{ secret, text, want string }{
		"a number": {
			`{"stringData": {"password": 73519284}}`,
			".stringData.password: expected string, got &value.valueUnstructured{Value:73519284}",
			".stringData.password: expected string, got &value.valueUnstructured{Value:***}",
		},
		"a number made a float": {
			`{"stringData": {"password": 73519284}}`, "cannot convert 7.3519284e+07, 73519284.000000", "cannot convert ***, ***",
		},
		"a boolean":     {`{"stringData": {"a": true}}`, "unexpected true here", "unexpected *** here"},
		"one character": {`{"stringData": {"a": "7"}}`, "got 7", "got ***"},
		"data":          {`{"data": {"a": "aHVudGVyMg=="}}`, "aHVudGVyMg== is hunter2", "*** is ***"},
		"invalid data":  {`{"data": {"a": "hunter2!"}}`, "illegal base64 in hunter2!", "illegal base64 in ***"},
		"no string":     {`{"data": {"a": {"b": ["hunter2"]}}}`, `map[b:[hunter2]]`, `map[b:[***]]`},
		"quoted":        {`{"stringData": {"a": "pass\"<word>"}}`, `"pass\"<word>" "pass\"\u003cword\u003e"`, `"***" "***"`},
		"in a URL":      {`{"stringData": {"a": "pass word/"}}`, "pass+word%2F pass%20word%2F", "*** ***"},
		"longest first": {`{"stringData": {"a": "abc", "b": "abcdef"}}`, "abcdefg", "***g"},
		"overlapping":   {`{"stringData": {"a": "abcdef", "b": "defghi"}}`, "-abcdefghi-", "-***-"},
		"cut by YAML": {
			`{"stringData": {"a": "hunter2hunter2"}}`,
			"cannot unmarshal !!str `hunter2...` into",
			"cannot unmarshal !!str `***...` into",
		},
		"a line of it":     {`{"stringData": {"a": "user=admin\npassword=hunter2\n"}}`, "line 2: password=hunter2", "line 2: ***"},
		"with white space": {`{"stringData": {"a": "hunter2\n"}}`, "hunter2, ", "***, "},
		"only white space": {`{"stringData": {"a": " ", "b": ""}}`, "all is kept", "all is kept"},
		"nothing":          {`{"data": null}`, "all is kept", "all is kept"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Secret(c.text, secret(t, c.secret)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestValues(t *testing.T) {
	got := Values(secret(t, `{"data": {"a": "aHVudGVyMg==", "b": "?"}, "stringData": {"c": "x", "d": 12, "e": false, "f": "hunter2"}}`))
	if want := []string{"12", "12.000000", "?", "false", "hunter2", "x"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Values(object.Object{"data": object.Object{"a": nil}}); len(got) != 0 {
		t.Errorf("got %q, want none", got)
	}
}
