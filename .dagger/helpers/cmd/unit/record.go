package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
)

const (
	programFile = "program"
	callFile    = "call.json"
)

// call is how go test would have run a test program.
type call struct {
	Dir  string
	Args []string
}

// record keeps a test program and how it is to be run, in a directory of its own
// inside dir. It runs nothing of it.
func record(dir, program string, args []string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return fmt.Errorf("%s is no Go test program: %w", program, err)
	}
	wd, err := os.Getwd()
	if err != nil {
		return err
	}
	return keep(recording(dir, info.Path), program, call{Dir: wd, Args: args})
}

// recording is where the test program of that build path is kept.
func recording(dir, path string) string { return filepath.Join(dir, url.PathEscape(path)) }

// keep fails if there is a recording in to: two programs of one path would leave
// one of them untested.
func keep(to, program string, c call) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(to, callFile), text, 0o644); err != nil {
		return err
	}
	return copyProgram(filepath.Join(to, programFile), program)
}

func copyProgram(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if closed := out.Close(); err == nil {
		err = closed
	}
	return err
}
