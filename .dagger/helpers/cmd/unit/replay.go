package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"slipway/helpers/internal/sanitize"
)

// overtime is how long a test program may take beyond its -test.timeout, by which
// it ends itself, and how long what it leaves behind may hold its output open.
const overtime = time.Minute

// okPrefix begins go test's line for a package whose tests passed.
const okPrefix = "ok  \t"

// maxOutput is what is kept of one test program's output, in bytes.
const maxOutput = 1 << 20

var errFailed = errors.New("FAIL")

// result is what go test would print for one package.
type result struct {
	text   string
	failed bool
}

// replay prints the report with what the recorded programs do in place of the
// lines that call a package ok; the others, of packages without tests, stay. As
// many programs run at a time as there are processors. It returns errFailed
// unless every one of them ran and passed.
func replay(w io.Writer, dir, report string) error {
	text, err := os.ReadFile(report)
	if err != nil {
		return err
	}
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var results []chan result
	for line := range strings.Lines(string(text)) {
		done := make(chan result, 1)
		results = append(results, done)
		rest, ok := strings.CutPrefix(line, okPrefix)
		if !ok {
			done <- result{text: line}
			continue
		}
		pkg, _, _ := strings.Cut(strings.TrimSpace(rest), "\t")
		go func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			done <- test(dir, pkg)
		}()
	}
	failed := false
	for _, done := range results {
		r := <-done
		failed = failed || r.failed
		if _, err := io.WriteString(w, r.text); err != nil {
			return err
		}
	}
	if failed {
		return errFailed
	}
	return nil
}

// test runs the program of one package.
func test(dir, pkg string) result {
	from, c, err := recorded(dir, pkg)
	if err != nil {
		return result{fmt.Sprintf("%v\nFAIL\t%s [not recorded]\n", err, pkg), true}
	}
	start := time.Now()
	out, err := run(filepath.Join(from, programFile), c)
	return judge(pkg, out, err, time.Since(start))
}

// recorded finds a package's recording. The build path of a test program is its
// package's, with .test behind it unless that is a main package.
func recorded(dir, pkg string) (string, call, error) {
	var text []byte
	var from string
	var err error
	for _, path := range []string{pkg + ".test", pkg} {
		from = recording(dir, path)
		if text, err = os.ReadFile(filepath.Join(from, callFile)); err == nil {
			break
		}
	}
	if err != nil {
		return "", call{}, err
	}
	var c call
	err = json.Unmarshal(text, &c)
	return from, c, err
}

// run returns the program's output, standard error with it, as go test shows it, but made
// harmless: whoever writes the tests chooses it.
func run(program string, c call) ([]byte, error) {
	coverage, err := os.MkdirTemp("", "coverage")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(coverage)

	ctx := context.Background()
	args := make([]string, 0, len(c.Args))
	for _, arg := range c.Args {
		name, value, _ := strings.Cut(arg, "=")
		switch name {
		case "-test.gocoverdir":
			// The recorded one went with the build.
			arg = name + "=" + coverage
		case "-test.timeout":
			if limit, err := time.ParseDuration(value); err == nil && limit > 0 {
				limited, cancel := context.WithTimeout(ctx, limit+overtime)
				defer cancel()
				ctx = limited
			}
		}
		args = append(args, arg)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = c.Dir
	cmd.Env = append(cmd.Environ(), "GOCOVERDIR="+coverage)
	cmd.WaitDelay = overtime
	var out bytes.Buffer
	harmless := sanitize.NewWriter(&out)
	harmless.Limit(maxOutput)
	cmd.Stdout, cmd.Stderr = harmless, harmless
	err = cmd.Run()
	if flushed := harmless.Flush(); err == nil {
		err = flushed
	}
	if ctx.Err() != nil {
		err = errors.New("killed: it ran a minute longer than its -test.timeout")
	}
	return out.Bytes(), err
}

// coverageLine is what a test program that counts coverage prints last.
var coverageLine = regexp.MustCompile(`(?m)^coverage: .*$`)

// judge words what came of a package's tests as go test does: a line if they
// passed, what they printed and a line if not.
func judge(pkg string, out []byte, err error, took time.Duration) result {
	seconds := fmt.Sprintf("%.3fs", took.Seconds())
	if err == nil {
		line := okPrefix + pkg + "\t" + seconds
		if found := coverageLine.FindAll(out, -1); len(found) > 0 {
			line += "\t" + string(found[len(found)-1])
		}
		if bytes.Contains(out, []byte("testing: warning: no tests to run\n")) {
			line += " [no tests to run]"
		}
		return result{text: line + "\n"}
	}
	var text strings.Builder
	text.Write(out)
	if len(out) > 0 && !bytes.HasSuffix(out, []byte("\n")) {
		text.WriteString("\n")
	}
	// Tests that fail say so themselves; a program that was killed does not.
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || !exit.Exited() || len(out) == 0 {
		fmt.Fprintln(&text, err)
	}
	fmt.Fprintf(&text, "FAIL\t%s\t%s\n", pkg, seconds)
	return result{text.String(), true}
}
