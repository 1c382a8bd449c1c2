package sanitize

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestWriter(t *testing.T) {
	key := "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nab\n-----END KEY-----\n"
	long := strings.Repeat("s3cr3t", 200)
	for name, c := range map[string]struct {
		values     []string
		text, want string
	}{
		"a table":           {nil, "NAME\tREADY\nhello\t1/1\n", "NAME\tREADY\nhello\t1/1\n"},
		"escapes":           {nil, "a\x1b[2Jb\r\n50%\r60%\n", "a\\x1b[2Jb\n50%\\x0d60%\n"},
		"CI commands":       {nil, "::error::a\nb ##[add-path]c\n", ": :error::a\nb # #[add-path]c\n"},
		"no newline":        {nil, "a", "a\n"},
		"as it is":          {[]string{"hunter2"}, "with hunter2.\n", "with ***.\n"},
		"base64":            {[]string{"hunter2??>>"}, "aHVudGVyMj8/Pj4= aHVudGVyMj8_Pj4\n", "*** ***\n"},
		"quoted":            {[]string{"a<b>\"c\"d"}, `a\u003cb\u003e\"c\"d a<b>\"c\"d` + "\n", "*** ***\n"},
		"quoted in ASCII":   {[]string{"pässword"}, "p\\u00e4ssword\n", "***\n"},
		"in a URL":          {[]string{"a b/c d/"}, "a+b%2Fc+d%2F a%20b%2Fc%20d%2F\n", "*** ***\n"},
		"short":             {[]string{"short", "     \n", "a     "}, "a short     word c2hvcnQ=\n", "a short     word c2hvcnQ=\n"},
		"trimmed":           {[]string{"hunter2\n"}, "hunter2 aHVudGVyMg==\n", "*** ***\n"},
		"lines":             {[]string{key}, "MIIEvQIBADANBgkq\nab\n", "***\nab\n"},
		"short lines":       {[]string{"user-a\npass-b"}, "user-a\nis pass-b\n", "***\nis ***\n"},
		"twice":             {[]string{"hunter2"}, "hunter2hunter2\n", "***\n"},
		"escaped by Line":   {[]string{"pass\x1bword\n##[x]"}, Line("pass\x1bword\n##[x]") + "\n", "***\n"},
		"cut by Line":       {[]string{long}, "  | " + Line(long) + "\n", "  | ***… (724 more characters)\n"},
		"put together":      {[]string{`pass\x1bword`}, "pass\x1bword\n", "***\n"},
		"its own asterisks": {[]string{"hunter2", "a***bc"}, "ahunter2bc\n", "***\n"},
		"long line":         {nil, strings.Repeat("ä", 5000) + "\nb\n", strings.Repeat("ä", 4076) + "… (1848 more bytes)\nb\n"},
		"endless line": {[]string{long}, strings.Repeat("a", maxPending-50) + long + "\nb\n",
			strings.Repeat("a", maxOutputLine-40) + "… (9338 more bytes)\nb\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			w := NewWriter(&out)
			w.Mask(c.values...)
			fmt.Fprint(w, c.text)
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			if err := w.Flush(); err != nil { // has nothing to do
				t.Fatal(err)
			}
			if out.String() != c.want {
				t.Errorf("got  %.300q\nwant %.300q", out.String(), c.want)
			}
		})
	}
}

// A pod may print a secret at the end of a line that is too long to be kept.
func TestWriterCutsNoValueInHalf(t *testing.T) {
	filler, value := strings.Repeat("hunter2", maxPending/7), strings.Repeat("s3cr3t", 200)
	var out strings.Builder
	w := NewWriter(&out)
	w.Mask("hunter2", value)
	fmt.Fprintln(w, filler[:maxPending-60]+" "+value)
	if got := out.String(); strings.Contains(got, "s3cr3t") || len(got) > 100 {
		t.Errorf("got %.300q", got)
	}
}

func TestWriterLimit(t *testing.T) {
	var out strings.Builder
	w := NewWriter(&out)
	w.Limit(10)
	fmt.Fprint(w, "12345\n1234567\n1\n")
	fmt.Fprint(w, "1\n")
	if want := "12345\n… output cut\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestWriterConcurrently(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				w.Mask("hunter2")
				fmt.Fprintln(w, "with hunter2")
			}
		})
	}
	wg.Wait()
	if want := strings.Repeat("with ***\n", 800); out.String() != want {
		t.Errorf("lines are mixed or missing: %d bytes, want %d", out.Len(), len(want))
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestWriterErrors(t *testing.T) {
	w := NewWriter(broken{})
	if n, err := w.Write([]byte("a")); n != 1 || err != nil {
		t.Errorf("an unfinished line: %d, %v", n, err)
	}
	if err := w.Flush(); err == nil {
		t.Error("Flush hides the error")
	}
	if n, err := w.Write([]byte("a\n")); n != 0 || err == nil {
		t.Errorf("a line: %d, %v", n, err)
	}
}

// The value is written among other text, in pieces that the fuzzer chooses, as it is, in
// base64 and as a line. It must not come out, and what comes out must be harmless.
func FuzzWriter(f *testing.F) {
	f.Add("hunter2", "user ", " ok\n", []byte{3, 1, 9})
	f.Add("a***bc", "a", "hunter2", []byte{1})
	f.Add("::error::x", "::", "\r\n\xff", []byte{0, 2, 255})
	f.Add("##[vso", "#", "[x]\ufe0f", []byte{})
	f.Add("… (12 more", strings.Repeat("x", 9000), "a\x1bb", []byte{200})
	f.Fuzz(func(t *testing.T, value, before, after string, sizes []byte) {
		if len(strings.TrimSpace(value)) < leastMasked || strings.ContainsAny(value, "\n") {
			return // not masked, or masked line by line
		}
		encoded := base64.StdEncoding.EncodeToString([]byte(value))
		var out strings.Builder
		w := NewWriter(&out)
		w.Mask(value)
		text := before + value + after + encoded + before + Line(value) + after + value + "\n"
		for i := 0; len(text) > 0; i++ {
			n := len(text)
			if i < len(sizes) {
				n = min(n, int(sizes[i]))
			}
			if _, err := w.Write([]byte(text[:n])); err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				if err := w.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			text = text[n:]
		}
		for _, hidden := range []string{value, encoded, Line(value)} {
			if len(strings.TrimSpace(hidden)) >= leastMasked && strings.Contains(out.String(), hidden) {
				t.Errorf("%q is in %q", hidden, out.String())
			}
		}
		for line := range strings.Lines(out.String()) {
			harmless(t, strings.TrimSuffix(line, "\n"), maxOutputLine)
		}
	})
}
