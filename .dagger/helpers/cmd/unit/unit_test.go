package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// recordings keeps a shell script for each build path, as if go test had made it.
func recordings(t *testing.T, scripts map[string]string, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	for pkg, script := range scripts {
		program := filepath.Join(t.TempDir(), "program")
		if err := os.WriteFile(program, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := keep(recording(dir, pkg), program, call{Dir: t.TempDir(), Args: args}); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func report(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

var seconds = regexp.MustCompile(`\d+\.\d{3}s`)

func TestReplay(t *testing.T) {
	tests := []struct {
		name    string
		scripts map[string]string
		report  string
		want    string
		failed  bool
		run     string
		noTest  string // the error
	}{
		{
			name: "as go test prints it, in its order",
			scripts: map[string]string{
				"a.test": "sleep 0.2; echo PASS; echo 'coverage: 91.5% of statements'",
				"b":      "echo 'coverage: of no interest'; echo PASS; echo 'coverage: [no statements]'",
				"c.test": "echo 'testing: warning: no tests to run'; echo PASS",
			},
			report: "ok  \ta\t0.001s\n?   \tnone\t[no test files]\nok  \tb\t0.001s\n\tbare\t\tcoverage: 0.0% of statements\nok  \tc\t0.001s\n",
			want: "ok  \ta\tT\tcoverage: 91.5% of statements\n?   \tnone\t[no test files]\nok  \tb\tT\tcoverage: [no statements]\n" +
				"\tbare\t\tcoverage: 0.0% of statements\nok  \tc\tT [no tests to run]\n",
		},
		{
			name:    "a failure with both outputs, and the rest all the same",
			scripts: map[string]string{"a.test": "echo out; echo err >&2; printf half; exit 1", "b.test": "echo PASS"},
			report:  "ok  \ta\t0.001s\nok  \tb\t0.001s\n",
			want:    "out\nerr\nhalf\nFAIL\ta\tT\nok  \tb\tT\n",
			failed:  true,
		},
		{
			name:    "a failure without a word",
			scripts: map[string]string{"a.test": "exit 3", "b.test": "echo begun; kill -9 $$"},
			report:  "ok  \ta\t0.001s\nok  \tb\t0.001s\n",
			want:    "exit status 3\nFAIL\ta\tT\nbegun\nsignal: killed\nFAIL\tb\tT\n",
			failed:  true,
		},
		{
			name:    "the .test of one package is not another package",
			scripts: map[string]string{"a.test": "echo 'coverage: 1%'", "a.test.test": "echo 'coverage: 2%'"},
			report:  "ok  \ta\t0.001s\nok  \ta.test\t0.001s\n",
			want:    "ok  \ta\tT\tcoverage: 1%\nok  \ta.test\tT\tcoverage: 2%\n",
		},
		{
			name:    "what a terminal or a CI system would obey",
			scripts: map[string]string{"a.test": `printf 'a\033[2J\n::set-output name=x::y\n##vso[task.complete]\n' >&2; exit 1`},
			report:  "ok  \ta\t0.001s\n",
			want:    "a\\x1b[2J\n: :set-output name=x::y\n# #vso[task.complete]\nFAIL\ta\tT\n",
			failed:  true,
		},
		{
			name: "failed tests with what they said, and no other",
			scripts: map[string]string{"a.test": `printf '\026=== RUN   TestA\nof a\n\026=== RUN   TestA/one\nof one\n\026=== RUN   TestA/two\nof two, half\026--- PASS: TestA/one (0.10s)\n'
				printf '\026--- FAIL: TestA/two (0.20s)\n    a_test.go:3: late, let-me-in\n\026=== NAME  TestA\nmore of a\n\026--- FAIL: TestA (0.30s)\n'
				printf '\026=== RUN   TestB\nof b\n\026=== PAUSE TestB\n\026=== RUN   TestC\n\026=== CONT  TestB\nagain b\n\026--- PASS: TestB (0.00s)\n'
				printf '\026--- SKIP: TestC (0.00s)\n    no network\n\026FAIL\ncoverage: 5.0%% of statements\n'; exit 1`},
			report: "ok  \ta\t0.001s\n",
			want: "--- FAIL: TestA (0.30s)\nof a\nmore of a\n    --- FAIL: TestA/two (0.20s)\n    of two, half\n        a_test.go:3: late, ***\n" +
				"coverage: 5.0% of statements\nFAIL\ta\tT\n",
			failed: true,
		},
		{
			name:    "a test in which the program ends",
			scripts: map[string]string{"a.test": `printf '\026=== RUN   TestA\npanic: gone\n'; exit 2`},
			report:  "ok  \ta\t0.001s\n",
			want:    "--- FAIL: TestA (did not end)\npanic: gone\nexit status 2\nFAIL\ta\tT\n",
			failed:  true,
		},
		{
			name:    "what a test prints is not taken for package testing",
			scripts: map[string]string{"a.test": `printf '\026=== RUN   TestA\n--- PASS: TestA (0.00s)\n=== RUN   TestB\n\026--- FAIL: TestA (0.00s)\n\026FAIL\n'; exit 1`},
			report:  "ok  \ta\t0.001s\n",
			want:    "--- FAIL: TestA (0.00s)\n--- PASS: TestA (0.00s)\n=== RUN   TestB\nFAIL\ta\tT\n",
			failed:  true,
		},
		{
			name:    "a name that no test has",
			scripts: map[string]string{"a.test": "echo 'testing: warning: no tests to run'; echo PASS"},
			report:  "ok  \ta\t0.001s\n",
			run:     "TestTypo",
			want:    "ok  \ta\tT [no tests to run]\n",
			noTest:  "no test has a name that --run TestTypo matches",
		},
		{
			name:    "a package without statements or tests",
			scripts: map[string]string{"a.test": "echo PASS"},
			report:  "\tm\t\tok  \ta\t0.001s\n\tempty\t\t",
			want:    "\tm\nok  \ta\tT\n\tempty\n",
		},
		{name: "no package", report: "", want: ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			r := replayer{dir: recordings(t, tt.scripts), run: tt.run, secrets: []string{"let-me-in"}, spans: new(spans)}
			r.spans.mask = masking(r.secrets)
			err := r.replay(&out, report(t, tt.report))
			if got := seconds.ReplaceAllString(out.String(), "T"); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if tt.noTest != "" && (err == nil || err.Error() != tt.noTest) {
				t.Errorf("got error %v, want %s", err, tt.noTest)
			} else if tt.noTest == "" && (tt.failed != errors.Is(err, errFailed) || !tt.failed && err != nil) {
				t.Errorf("got error %v, want failed: %v", err, tt.failed)
			}
		})
	}
}

// What go test compiled and nobody kept would else be taken for tested.
func TestReplayNotRecorded(t *testing.T) {
	var out bytes.Buffer
	err := replayer{dir: t.TempDir()}.replay(&out, report(t, "ok  \ta\t0.001s\n"))
	if !errors.Is(err, errFailed) || !strings.HasSuffix(out.String(), "FAIL\ta [not recorded]\n") {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

// So would what go test said in a way that this program does not know.
func TestReplayNotNamed(t *testing.T) {
	r := replayer{dir: recordings(t, map[string]string{"a.test": "echo PASS"})}
	if err := r.replay(io.Discard, report(t, "fine: a\n")); err == nil {
		t.Error("got no error")
	}
}

func TestRunsWhereAndHowGoTestWould(t *testing.T) {
	dir := recordings(t, map[string]string{"a.test": `pwd; echo "$PWD $*"; test -d "$GOCOVERDIR" && echo there; exit 1`},
		"-test.paniconexit0", "-test.gocoverdir=/gone/with/the/build", "-test.coverprofile=/gone/with/the/build",
		"-test.timeout=10m0s", "-test.shuffle=on")
	_, c, err := recorded(dir, "a")
	if err != nil {
		t.Fatal(err)
	}
	r := replayer{dir: dir, run: "TestA", profiles: "/profiles", spans: &spans{mask: masking(nil)}}.test("a")
	lines := strings.Split(r.text, "\n")
	call := regexp.MustCompile("^" + c.Dir + ` -test\.paniconexit0 -test\.gocoverdir=\S+ -test\.coverprofile=/profiles/a\.test` +
		` -test\.timeout=10m0s -test\.shuffle=on -test\.v=test2json -test\.run=TestA$`)
	if lines[0] != c.Dir || !call.MatchString(lines[1]) || strings.Contains(lines[1], "/gone/") || lines[2] != "there" {
		t.Errorf("got\n%s", r.text)
	}
}

// A test that prints without end fills neither a log nor the memory.
func TestReplayBounded(t *testing.T) {
	dir := recordings(t, map[string]string{"a.test": `for n in 1 2 3 4 5 6 7 8; do
			printf "\026=== RUN   Test$n\nfirst\n"; yes | head -c 600000; printf "\026--- FAIL: Test$n (0.00s)\nlast\n"
		done; exit 1`})
	text := replayer{dir: dir, spans: &spans{mask: masking(nil)}}.test("a").text
	if len(text) > maxOutput+8*100 || !strings.HasPrefix(text, "--- FAIL: Test1 (0.00s)\nfirst\ny\n") ||
		!strings.Contains(text, "y\n… output cut\ny\n") || !strings.Contains(text, "y\nlast\n--- FAIL: Test2 (0.00s)\n") {
		t.Errorf("got %d bytes, ending in %q", len(text), text[max(0, len(text)-100):])
	}
}

// A process that a test leaves behind is named as the cause, and not waited for until its end.
func TestReplayLeftOpen(t *testing.T) {
	defer func(was time.Duration) { leftOpen = was }(leftOpen)
	leftOpen = time.Millisecond
	dir := recordings(t, map[string]string{"a.test": "sleep 60 & echo PASS"})
	text := replayer{dir: dir, spans: &spans{mask: masking(nil)}}.test("a").text
	if !strings.Contains(text, "a process that one of them started still had their output open after 1ms: end it") {
		t.Errorf("got %q", text[max(0, len(text)-300):])
	}
}

func TestJudgeTime(t *testing.T) {
	if got := judge("a", newOutput(nil, nil), nil, 1234567*time.Microsecond).text; got != "ok  \ta\t1.235s\n" {
		t.Errorf("got %q", got)
	}
}

// This test program stands for one that go test made.
func TestRecord(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, work := t.TempDir(), t.TempDir()
	t.Chdir(work)
	if err := record(dir, self, []string{"-test.run=^$", "-test.v"}); err != nil {
		t.Fatal(err)
	}
	from, c, err := recorded(dir, "slipway/helpers/cmd/unit")
	if err != nil {
		t.Fatal(err)
	}
	if c.Dir != work || strings.Join(c.Args, " ") != "-test.run=^$ -test.v" {
		t.Errorf("got %+v", c)
	}
	out := newOutput(nil, nil)
	if err := (replayer{}).program(from, c, out); err != nil {
		t.Errorf("the recorded program fails: %v\n%s", err, out.failures())
	}
	if err := record(dir, self, nil); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second recording of the package: got %v, want a refusal", err)
	}
}

func TestRecordNoProgram(t *testing.T) {
	if err := record(t.TempDir(), report(t, "text"), nil); err == nil {
		t.Error("a text was recorded as a test program")
	}
}
