package main

import (
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
	"slices"
	"strings"
	"time"

	"slipway/helpers/internal/apart"
)

// overtime is how long a test program may take beyond its -test.timeout, by which
// it ends itself.
const overtime = time.Minute

// leftOpen is how long a process that a test started may have the output open after the test program's end,
// at least: go test gives it a tenth of -test.timeout.
var leftOpen = 5 * time.Second

// okPrefix begins go test's line for a package whose tests passed.
const okPrefix = "ok  \t"

var errFailed = errors.New("FAIL")

// result is what go test would print for one package.
type result struct {
	text   string
	failed bool
	ran    bool // a test at least
}

// replayer runs the test programs that are kept in a directory.
type replayer struct {
	dir      string
	run      string   // only tests whose names it matches, as go test -run has it
	secrets  []string // values that nothing may show
	profiles string   // directory for the coverage profile of each package
	spans    *spans
}

// replay prints the report with what the recorded programs do in place of the
// lines that call a package ok; the others, of packages without tests, stay. As
// many programs run at a time as there are processors. It returns errFailed
// unless every one of them ran and passed.
func (r replayer) replay(w io.Writer, report string) error {
	text, err := os.ReadFile(report)
	if err != nil {
		return err
	}
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var results []chan result
	packages := 0
	for line := range strings.Lines(string(text)) {
		// Go leaves a package that has neither tests nor statements without the end of its line.
		before, rest, ok := strings.Cut(line, okPrefix)
		if before != "" {
			results = append(results, make(chan result, 1))
			results[len(results)-1] <- result{text: strings.TrimRight(before, "\t\n") + "\n"}
		}
		if !ok {
			continue
		}
		done := make(chan result, 1)
		results = append(results, done)
		packages++
		pkg, _, _ := strings.Cut(strings.TrimSpace(rest), "\t")
		go func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			done <- r.test(pkg)
		}()
	}
	failed, ran := false, false
	for _, done := range results {
		one := <-done
		failed = failed || one.failed
		ran = ran || one.ran
		if _, err := io.WriteString(w, one.text); err != nil {
			return err
		}
	}
	there, err := os.ReadDir(r.dir)
	if err != nil {
		return err
	}
	recordings := slices.DeleteFunc(there, func(entry os.DirEntry) bool { return !entry.IsDir() })
	switch {
	case failed:
		return errFailed
	case packages != len(recordings):
		return fmt.Errorf("%d packages have tests, but what go test says of them names %d", len(recordings), packages)
	case r.run != "" && !ran:
		return fmt.Errorf("no test has a name that --run %s matches", r.run)
	}
	return nil
}

// test runs the program of one package.
func (r replayer) test(pkg string) result {
	from, c, err := recorded(r.dir, pkg)
	if err != nil {
		return result{text: fmt.Sprintf("%v\nFAIL\t%s [not recorded]\n", err, pkg), failed: true}
	}
	start := time.Now()
	suite := r.spans.suite(pkg)
	out := newOutput(r.secrets, suite.test)
	err = r.program(from, c, out)
	suite.end(err == nil)
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

// program runs a test program; standard error is a part of its output, as go test has it.
func (r replayer) program(from string, c call, out *output) error {
	coverage, err := os.MkdirTemp("", "coverage")
	if err != nil {
		return err
	}
	defer os.RemoveAll(coverage)

	ctx, patience := context.Background(), leftOpen
	args := make([]string, 0, len(c.Args)+2)
	for _, arg := range c.Args {
		name, value, _ := strings.Cut(arg, "=")
		switch name {
		case "-test.gocoverdir":
			// The recorded one went with the build.
			arg = name + "=" + coverage
		case "-test.coverprofile":
			arg = name + "=" + filepath.Join(r.profiles, filepath.Base(from))
		case "-test.timeout":
			if limit, err := time.ParseDuration(value); err == nil && limit > 0 {
				limited, cancel := context.WithTimeout(ctx, limit+overtime)
				defer cancel()
				ctx, patience = limited, max(patience, limit/10)
			}
		}
		args = append(args, arg)
	}
	args = append(args, "-test.v=test2json")
	if r.run != "" {
		args = append(args, "-test.run="+r.run)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(from, programFile), args...)
	cmd.Dir = c.Dir
	cmd.Env = append(apart.Environ(), "PWD="+c.Dir, "GOCOVERDIR="+coverage)
	cmd.WaitDelay = patience
	cmd.Stdout, cmd.Stderr = out, out // one and the same, so that the order stays
	err = cmd.Run()
	out.end()
	switch {
	case ctx.Err() != nil:
		err = errors.New("killed: it ran a minute longer than its -test.timeout")
	case errors.Is(err, exec.ErrWaitDelay):
		err = fmt.Errorf("the tests ended, but a process that one of them started still had their output open after %s: end it with the test, "+
			"for example in t.Cleanup", patience)
	}
	return err
}

// coverageLine is what a test program that counts coverage prints last.
var coverageLine = regexp.MustCompile(`(?m)^coverage: .*$`)

// judge words what came of a package's tests as go test does: a line if they
// passed, what they printed and a line if not.
func judge(pkg string, out *output, err error, took time.Duration) result {
	seconds := fmt.Sprintf("%.3fs", took.Seconds())
	r := result{ran: len(out.tests) > 0, failed: err != nil}
	if err == nil {
		rest := out.program.out.String()
		line := okPrefix + pkg + "\t" + seconds
		if found := coverageLine.FindAllString(rest, -1); len(found) > 0 {
			line += "\t" + found[len(found)-1]
		}
		if strings.Contains(rest, "testing: warning: no tests to run\n") {
			line += " [no tests to run]"
		}
		r.text = line + "\n"
		return r
	}
	r.text = out.failures()
	// Tests that fail say so themselves; a program that was killed does not.
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || !exit.Exited() || out.unended() || r.text == "" {
		r.text += err.Error() + "\n"
	}
	r.text += fmt.Sprintf("FAIL\t%s\t%s\n", pkg, seconds)
	return r
}
