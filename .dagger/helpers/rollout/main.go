// Rollout brings a release into a Kubernetes cluster and knows whether it
// serves. It runs in a container with kubectl, which does all authentication and
// carries every request; rollout itself uses no credential.
//
//	rollout COMMAND REQUEST-FILE
//
// Progress goes to standard error as it happens; the outcome, success or not, is
// on standard output. Exit status 1 is failure, 3 that diff found differences.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

// request is what the caller asks for; most commands need but a few of its fields.
type request struct {
	Release   string
	Namespace string // "" is the kubeconfig's
	Context   string // of the kubeconfig, "" when it has but one
	APIServer string // host:port that leads to the API server, "" to go where the kubeconfig says

	Objects  []object          // rendered manifests
	Files    map[string]string // Kind/name to the manifest's file
	Image    string
	Revision string // of the source
	Version  string
	Port     int    // that the service listens on
	Smoke    string // smoke.yaml as JSON

	Timeout        int // seconds
	ForceConflicts bool
	DryRun         bool
	To             int    // release number to roll back to, 0 for the one before
	Confirm        string // name of the release to destroy
	Tail           int    // log lines of each container
}

// origin is how findings name an object: with the file it comes from, if known.
func (r request) origin(o object) string {
	if file := r.Files[o.String()]; file != "" {
		return file + ": " + o.String()
	}
	return o.String()
}

// errDifferent is how diff says that it found differences.
var errDifferent = errors.New("different")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, errDifferent):
		os.Exit(3)
	case err != nil:
		fmt.Println(err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: rollout COMMAND REQUEST-FILE")
	}
	commands := map[string]func(context.Context, *cluster, request) error{
		"deploy": deploy, "diff": diff, "rollback": rollback, "destroy": destroy,
		"status": status, "history": history, "logs": logs,
	}
	command := commands[args[0]]
	if command == nil && args[0] != "check" {
		return fmt.Errorf("unknown command %q", args[0])
	}
	text, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	var req request
	if err := json.Unmarshal(text, &req); err != nil {
		return err
	}
	if err := check(req); err != nil || args[0] == "check" {
		return err
	}
	c, err := connect(ctx, req)
	if err != nil {
		return err
	}
	defer c.close()
	return command(ctx, c, req)
}

var begin = time.Now()

// say reports progress, with the seconds since the start.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6.1f s  %s\n", time.Since(begin).Seconds(), fmt.Sprintf(format, args...))
}

// findings are several things that are wrong, each a line.
type findings []string

func (f findings) Error() string {
	slices.Sort(f)
	text := ""
	for i, line := range slices.Compact(f) {
		if i > 0 {
			text += "\n"
		}
		text += line
	}
	return text
}
