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

	"slipway/helpers/internal/sanitize"
)

func main() {
	var err error
	switch {
	case len(os.Args) >= 4 && os.Args[1] == "record":
		err = record(os.Args[2], os.Args[3], os.Args[4:])
	case len(os.Args) == 4 && os.Args[1] == "replay":
		// What tests print is foreign, and stands in a log that a CI system reads.
		out := sanitize.NewWriter(os.Stdout)
		err = replay(out, os.Args[2], os.Args[3])
		_ = out.Flush()
	default:
		err = errors.New("usage: unit record DIR PROGRAM [ARG…] | unit replay DIR REPORT")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
