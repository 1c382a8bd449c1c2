// Unit runs Go tests in another place than the one that compiled them, so that
// the code of a source is never near the caches that builds read.
//
//	go test -exec "unit record DIR" ./...    compiles, and keeps each test program in DIR
//	unit replay DIR REPORT                   runs them; REPORT is what go test said above
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"slipway/helpers/internal/apart"
	"slipway/helpers/internal/sanitize"
)

func main() {
	var err error
	switch {
	case len(os.Args) >= 4 && os.Args[1] == "record":
		err = record(os.Args[2], os.Args[3], os.Args[4:])
	case len(os.Args) >= 4 && os.Args[1] == "replay":
		err = replay(os.Args[2:])
	default:
		err = errors.New("usage: unit record DIR PROGRAM [ARG…] | unit replay [-run REGEXP] [-secrets NAME,…] [-coverage FILE] DIR REPORT")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func replay(args []string) error {
	if err := apart.Keep(); err != nil {
		return err
	}
	var r replayer
	flags := flag.NewFlagSet("replay", flag.ContinueOnError)
	flags.StringVar(&r.run, "run", "", "only tests whose `name` matches")
	names := flags.String("secrets", "", "`names` of variables that nothing may show, separated by commas")
	coverage := flags.String("coverage", "", "`file` for the coverage profile of all packages")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for name := range strings.SplitSeq(*names, ",") {
		r.secrets = append(r.secrets, os.Getenv(name))
	}
	var err error
	if r.profiles, err = os.MkdirTemp("", "coverage"); err != nil {
		return err
	}
	defer os.RemoveAll(r.profiles)
	r.dir, r.spans = flags.Arg(0), newSpans(masking(r.secrets))

	// What tests print is foreign, and stands in a log that a CI system reads.
	out := sanitize.NewWriter(os.Stdout)
	err = r.replay(out, flags.Arg(1))
	_ = out.Flush()
	if err == nil && *coverage != "" {
		err = mergeProfiles(*coverage, r.dir+"/"+profileFile, r.profiles)
	}
	return err
}
