// Smoke tests a service in its own container. The same binary stands on both
// sides: "run" starts the service and tells what became of it, "ask" puts the
// questions from a second container and judges the answers.
//
//	smoke run CONTROL-ADDRESS COMMAND [ARG…]
//	smoke ask SERVICE-URL CONTROL-URL QUESTIONS-FILE
//	smoke survey SERVICE-URL CONTROL-URL PATH…
package main

import (
	"fmt"
	"os"
)

func main() {
	var err error
	switch {
	case len(os.Args) >= 4 && os.Args[1] == "run":
		err = run(os.Args[2], os.Args[3:])
	case len(os.Args) == 5 && os.Args[1] == "ask":
		err = ask(os.Stdout, os.Args[2], os.Args[3], os.Args[4])
	case len(os.Args) >= 4 && os.Args[1] == "survey":
		err = survey(os.Stdout, os.Args[2], os.Args[3], os.Args[4:])
	default:
		err = fmt.Errorf("usage: smoke run ADDRESS COMMAND… | smoke ask SERVICE CONTROL QUESTIONS | smoke survey SERVICE CONTROL PATH…")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
