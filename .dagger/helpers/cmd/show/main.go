// Show runs a program that prints what a source says, and makes that harmless for a
// terminal and for a CI system's log.
//
//	show PROGRAM [ARG…]
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"slipway/helpers/internal/apart"
	"slipway/helpers/internal/sanitize"
)

// limit is for each of the two outputs, in bytes.
const limit = 1 << 20

// notRun is the status for a program that could not be run, as in a shell.
const notRun = 127

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: show PROGRAM [ARG…]")
		os.Exit(2)
	}
	if err := apart.Keep(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(notRun)
	}
	status, err := show(os.Stdout, os.Stderr, os.Args[1], os.Args[2:]...)
	if err != nil {
		fmt.Fprintln(os.Stderr, sanitize.Line(err.Error()))
	}
	os.Exit(status)
}

// show returns the program's exit status, and an error unless the program chose it itself.
func show(out, complaints io.Writer, program string, args ...string) (int, error) {
	stdout, stderr := sanitize.NewWriter(out), sanitize.NewWriter(complaints)
	stdout.Limit(limit)
	stderr.Limit(limit)
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Env = apart.Environ()
	err := cmd.Run()
	if flushed := errors.Join(stdout.Flush(), stderr.Flush()); err == nil && flushed != nil {
		return notRun, flushed
	}
	exit, ended := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return 0, nil
	case ended && exit.Exited():
		return exit.ExitCode(), nil
	default:
		return notRun, err
	}
}
