// Unit runs Go tests in another place than the one that compiled them, so that
// the code of a source is never near the caches that builds read.
//
//	go test -exec "unit record DIR" ./...    compiles, and keeps each test program in DIR
//	unit replay DIR REPORT                   runs them; REPORT is what go test said above
package main

import (
	"errors"
	"fmt"
	"os"
)

func main() {
	var err error
	switch {
	case len(os.Args) >= 4 && os.Args[1] == "record":
		err = record(os.Args[2], os.Args[3], os.Args[4:])
	case len(os.Args) == 4 && os.Args[1] == "replay":
		err = replay(os.Stdout, os.Args[2], os.Args[3])
	default:
		err = errors.New("usage: unit record DIR PROGRAM [ARG…] | unit replay DIR REPORT")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
