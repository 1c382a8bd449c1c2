// Smoke tests a service in its own container. The same binary stands on both
// sides: "run" starts the service and tells what became of it, "ask" puts the
// questions from a second container and judges the answers.
//
//	smoke run CONTROL-ADDRESS COMMAND [ARG…]
//	smoke ask SERVICE-URL CONTROL-URL START-LIMIT QUESTIONS-FILE
//	smoke survey SERVICE-URL CONTROL-URL START-LIMIT PATH…
package main

import (
	"fmt"
	"io"
	"os"

	"slipway/helpers/internal/apart"
	"slipway/helpers/internal/sanitize"
)

// limit is for each of the two outputs, in bytes.
const limit = 1 << 20

// shown is for what a service says: that is foreign, and stands in a log that a CI system reads.
func shown(w io.Writer) *sanitize.Writer {
	to := sanitize.NewWriter(w)
	to.Limit(limit)
	return to
}

func main() {
	out, problems := shown(os.Stdout), shown(os.Stderr)
	var err error
	switch {
	case len(os.Args) >= 4 && os.Args[1] == "run":
		if err = apart.Keep(); err == nil {
			err = run(out, problems, os.Args[2], os.Args[3:])
		}
	case len(os.Args) == 6 && os.Args[1] == "ask":
		var of subject
		if of, err = newSubject(os.Args[2:5], problems); err == nil {
			err = ask(out, of, os.Args[5])
		}
	case len(os.Args) >= 5 && os.Args[1] == "survey":
		var of subject
		if of, err = newSubject(os.Args[2:5], problems); err == nil {
			err = survey(os.Stdout, of, os.Args[5:]) // JSON, which is not for a terminal
		}
	default:
		err = fmt.Errorf("usage: smoke run ADDRESS COMMAND… | smoke ask SERVICE CONTROL LIMIT QUESTIONS | " +
			"smoke survey SERVICE CONTROL LIMIT PATH…")
	}
	_ = out.Flush()
	if err != nil {
		fmt.Fprintln(problems, err)
		os.Exit(1)
	}
}
