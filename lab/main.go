// Command lab is the offline test bed: a Dagger engine, the images Slipway's module uses and a
// registry that serves them, all made from Go modules and Debian packages.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const usage = `usage: lab/run COMMAND

  up           build what is missing, start what is not running
  up --all     the same, and build what is otherwise built when it is first asked for
  exec CMD...  up, then run CMD with the engine at hand
  status       what is built and running; fails unless everything is up
  down         stop the engine and the cluster, and the registry with the last of them
  clean        down, and remove what was built

  cluster up           start a Kubernetes cluster on this machine, and the lab with it
  cluster kubeconfig   print the path of the cluster's kubeconfig
  cluster registry     print the address of the registry, for it and the engine the same
  cluster down         stop the cluster; its state stays

SLIPWAY_LAB=NAME selects another instance: an engine and a cluster with state of their own beside
the default ones.
Its clean removes that state only.
`

const (
	engineDaemon   = "engine"
	clusterDaemon  = "cluster"
	registryDaemon = "registry"
)

func main() {
	source := flag.String("source", "", "the lab's source directory")
	flag.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	flag.Parse()

	// The daemons are this program too.
	switch flag.Arg(0) {
	case engineDaemon:
		fatal(becomeEngine(flag.Arg(1)))
	case clusterDaemon:
		if dir := flag.Arg(1); filepath.IsAbs(dir) {
			fatal(becomeCluster(dir))
		}
	case registryDaemon:
		fatal(serveRegistry(flag.Arg(1)))
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	lab, err := newLab(*source, os.Getenv("SLIPWAY_LAB"))
	if err != nil {
		fatal(err)
	}
	args := flag.Args()
	switch {
	case len(args) == 1 && args[0] == "up":
		err = lab.Up(ctx, targets())
	case len(args) == 2 && args[0] == "up" && args[1] == "--all":
		err = lab.Up(ctx, allTargets())
	case len(args) > 1 && args[0] == "exec":
		if err = lab.Up(ctx, append(targets(), ahead(args[1:])...)); err == nil {
			err = lab.Exec(args[1:])
		}
	case len(args) == 1 && args[0] == "status":
		err = lab.Status(os.Stderr)
	case len(args) == 2 && args[0] == "cluster" && args[1] == "up":
		err = lab.ClusterUp(ctx)
	case len(args) == 2 && args[0] == "cluster" && args[1] == "down":
		err = lab.ClusterDown(ctx)
	case len(args) == 2 && args[0] == "cluster" && args[1] == "kubeconfig":
		err = lab.ClusterKubeconfig(os.Stdout)
	case len(args) == 2 && args[0] == "cluster" && args[1] == "registry":
		r, _ := lab.registry.Record()
		fmt.Println(r.Address)
	case len(args) == 1 && args[0] == "down":
		err = lab.Down(ctx)
	case len(args) == 1 && args[0] == "clean":
		err = lab.Clean(ctx)
	default:
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil && ctx.Err() != nil {
		say("interrupted; the next run continues with what is finished")
		os.Exit(130)
	}
	if err != nil {
		fatal(err)
	}
}

// say reports progress. Standard output belongs to what is executed.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "lab: "+format+"\n", args...)
}

func fatal(err error) {
	say("%v", err)
	os.Exit(1)
}

// Exec replaces the lab by a command that finds the engine, so that its input, output, signals and
// exit status are nobody else's.
func (l *Lab) Exec(args []string) error {
	env := map[string]string{
		"_EXPERIMENTAL_DAGGER_RUNNER_HOST": "unix://" + l.engine.socket(),
		"DO_NOT_TRACK":                     "1",
		"DAGGER_NO_NAG":                    "1",
		"PATH": strings.Join([]string{
			filepath.Join(l.steps.Part(daggerPrograms), "bin"), l.steps.Part(kubectlProgram), os.Getenv("PATH"),
		}, ":"),
	}
	// The lab's CLI has no live terminal UI.
	if os.Getenv("DAGGER_PROGRESS") == "" {
		env["DAGGER_PROGRESS"] = "plain"
	}
	for key, value := range env {
		if err := os.Setenv(key, value); err != nil {
			return err
		}
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			say("%v", err)
			os.Exit(127)
		}
		return err
	}
	return syscall.Exec(path, args, os.Environ())
}
