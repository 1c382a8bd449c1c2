package main

import "testing"

func TestFirstLines(t *testing.T) {
	for _, test := range []struct {
		text string
		room int
		want string
	}{
		{"", 0, ""},
		{"a\nb\nc\n", 3, "a\nb\nc\n"},
		{"a\nb\nc\n", 2, "a\n… 2 more lines: dagger call diff shows all of them\n"},
		{"a\nb\nc\n", 1, ""},
		{"a\nb\nc\n", -5, ""},
	} {
		if got := firstLines(test.text, test.room); got != test.want {
			t.Errorf("%q in %d: %q", test.text, test.room, got)
		}
	}
}
