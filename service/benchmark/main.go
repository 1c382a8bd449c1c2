// Command benchmark measures the service: compare puts it beside its peers, and
// rollout stops it under load.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "benchmark:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("which one? compare or rollout")
	}
	flags := flag.NewFlagSet(args[0], flag.ExitOnError)
	switch args[0] {
	case "compare":
		rounds := flags.Int("rounds", 5, "how often each is measured, in turn; the median counts")
		seconds := flags.Int("seconds", 5, "how long each measurement takes")
		connections := flags.Int("connections", 32, "connections that are kept alive")
		_ = flags.Parse(args[1:]) // Exits on an error.
		return compare(*rounds, *seconds, *connections)
	case "rollout":
		rounds := flags.Int("rounds", 50, "how often a process is replaced")
		clients := flags.Int("clients", 16, "clients that ask all the time")
		window := flags.Duration("window", 2*time.Second, "how long connections still come in after SIGTERM")
		_ = flags.Parse(args[1:])
		return rollout(*rounds, *clients, *window)
	}
	return fmt.Errorf("there is no %q: compare or rollout", args[0])
}
