package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"time"

	"slipway/helpers/internal/sanitize"
)

const (
	// maxOutput is what is kept of one test program's output, in bytes, and maxTest what
	// is kept of one of its tests.
	maxOutput = 1 << 20
	maxTest   = 256 << 10
	// maxLine is what is kept of a line while its end has not come.
	maxLine = 16 << 10
)

// marker stands before what package testing prints with -test.v=test2json, so that what
// a test itself prints is not taken for it.
const marker = 0x16

// event is a line of package testing: a test begins, goes on, or ends.
var event = regexp.MustCompile(`^(?:=== (RUN|CONT|NAME|PAUSE)\s+(.*)|--- (PASS|FAIL|SKIP|BENCH): (.*) \((\S+)\))$`)

// tested is a test, a subtest, or, without a name, the rest of a program.
type tested struct {
	name   string
	within *tested // nil for the program
	subs   []*tested
	status string // PASS, FAIL, SKIP; "" while it runs
	took   string // as package testing says it
	began  time.Time
	ended  time.Time
	out    kept
}

// output understands what a test program prints, and keeps what of it is worth showing.
// What passes is forgotten.
type output struct {
	program  tested
	tests    map[string]*tested
	current  *tested
	pending  []byte
	size     int // bytes that are kept of all tests
	harmless *sanitize.Writer
	done     func(*tested) // is told of each test that ends
}

func newOutput(secrets []string, done func(*tested)) *output {
	o := &output{tests: map[string]*tested{}, done: done}
	o.current = &o.program
	o.harmless = sanitize.NewWriter(keeper{o})
	o.harmless.Mask(secrets...)
	return o
}

// Write takes text in pieces of any size. It never fails.
func (o *output) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		line, after, complete := bytes.Cut(rest, []byte("\n"))
		o.pending = append(o.pending, line[:min(len(line), maxLine-len(o.pending))]...)
		if complete {
			o.line(string(o.pending))
			o.pending = o.pending[:0]
		}
		rest = after
	}
	return len(p), nil
}

// end takes what is left, once the program has ended.
func (o *output) end() {
	if len(o.pending) > 0 {
		o.line(string(o.pending))
		o.pending = nil
	}
	for _, t := range o.tests {
		if t.status == "" {
			t.ended = time.Now()
			o.done(t)
		}
	}
}

func (o *output) line(line string) {
	// A test may have printed a line without its end before package testing's own.
	text, framed, found := strings.Cut(line, string(rune(marker)))
	if !found {
		o.text(line)
		return
	}
	if text != "" {
		o.text(text)
	}
	m := event.FindStringSubmatch(framed)
	switch {
	case framed == "PASS" || framed == "FAIL":
		o.current = &o.program
	case m == nil:
		o.text(framed)
	case m[3] != "":
		o.ends(o.tests[m[4]], m[3], m[5])
	case m[1] == "RUN":
		o.current = o.begins(m[2])
	case m[1] != "PAUSE":
		if t := o.tests[m[2]]; t != nil {
			o.current = t
		}
	}
}

// begins notes a new test. Of several of one name, as -test.count makes them, the last counts.
func (o *output) begins(name string) *tested {
	within := &o.program
	for at := strings.LastIndexByte(name, '/'); at > 0; at = strings.LastIndexByte(name[:at], '/') {
		if t := o.tests[name[:at]]; t != nil {
			within = t
			break
		}
	}
	t := &tested{name: name, within: within, began: time.Now()}
	within.subs = append(within.subs, t)
	o.tests[name] = t
	return t
}

func (o *output) ends(t *tested, status, took string) {
	if t == nil {
		return
	}
	o.current = t // What it had still to say follows.
	t.status, t.took, t.ended = status, took, time.Now()
	if status == "PASS" {
		o.size -= t.out.size()
		t.out = kept{}
	}
	o.done(t)
}

func (o *output) text(line string) {
	_, _ = o.harmless.Write([]byte(line + "\n"))
}

// keeper is where the harmless lines arrive.
type keeper struct{ o *output }

func (k keeper) Write(line []byte) (int, error) {
	t := k.o.current
	if t.status == "PASS" {
		t = &k.o.program
	}
	before := t.out.size()
	t.out.add(line, min(maxTest, maxOutput-k.o.size+before))
	k.o.size += t.out.size() - before
	return len(line), nil
}

// kept is the beginning and the end of a text.
type kept struct {
	head, tail []byte
	cut        bool
}

const cutLine = "… output cut\n"

func (k *kept) size() int { return len(k.head) + len(k.tail) }

// add appends a line; room is how long the whole may be.
func (k *kept) add(line []byte, room int) {
	if len(k.tail) == 0 && len(k.head)+len(line) <= room/2 {
		k.head = append(k.head, line...)
		return
	}
	k.tail = append(k.tail, line...)
	for len(k.tail) > 0 && k.size() > room {
		_, rest, _ := bytes.Cut(k.tail, []byte("\n"))
		k.tail, k.cut = rest, true
	}
}

func (k *kept) String() string {
	if k.cut {
		return string(k.head) + cutLine + string(k.tail)
	}
	return string(k.head) + string(k.tail)
}

// unended says whether a test was still running when the program ended.
func (o *output) unended() bool {
	for _, t := range o.tests {
		if t.status == "" {
			return true
		}
	}
	return false
}

// failures is what is to be read where a program failed: the tests that failed or did not
// end, as go test shows them, and what the program printed beside them.
func (o *output) failures() string {
	var b strings.Builder
	var write func(tests []*tested, indent string)
	write = func(tests []*tested, indent string) {
		for _, t := range tests {
			switch t.status {
			case "FAIL":
				fmt.Fprintf(&b, "%s--- FAIL: %s (%s)\n", indent, sanitize.Line(t.name), t.took)
			case "":
				fmt.Fprintf(&b, "%s--- FAIL: %s (did not end)\n", indent, sanitize.Line(t.name))
			default:
				continue
			}
			for line := range strings.Lines(t.out.String()) {
				b.WriteString(indent + line)
			}
			write(t.subs, indent+"    ")
		}
	}
	write(o.program.subs, "")
	for line := range strings.Lines(o.program.out.String()) {
		if line != "PASS\n" && line != "FAIL\n" {
			b.WriteString(line)
		}
	}
	return b.String()
}
