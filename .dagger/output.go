package main

import (
	"context"
	"errors"
	"slices"

	"dagger/slipway/internal/dagger"
)

// shown runs a program that prints what a source says: names, comments, whole lines of
// it. In the progress, in the result and in an error, control characters are escaped,
// commands to CI systems have no effect, and each of the two outputs ends after 1 MiB.
func (s *Slipway) shown(ctr *dagger.Container, args ...string) *dagger.Container {
	return ctr.With(s.withShow).WithExec(show(args...), first)
}

// first has a helper be the first program of its container, in place of Dagger's: that one has
// the same output, and what runs beside it as the same user could write there.
var first = dagger.ContainerWithExecOpts{NoInit: true}

// withShow puts the program in that show names.
func (s *Slipway) withShow(ctr *dagger.Container) *dagger.Container {
	return ctr.WithMountedFile("/show", s.helper("show"))
}

// show is the command that makes harmless what another one prints.
func show(args ...string) []string { return append([]string{"/show"}, args...) }

// quiet runs a program of the Go image that has nothing to say unless it fails: its output
// goes nowhere. Where it fails, it runs once more and is shown. So no build waits for the
// helper that shows, which takes longer to compile than many a service.
func (s *Slipway) quiet(ctx context.Context, ctr *dagger.Container, args ...string) (*dagger.Container, error) {
	done, err := quietly(ctr, args...).Sync(ctx)
	if failed := (*dagger.ExecError)(nil); !errors.As(err, &failed) {
		return done, err
	}
	return s.shown(ctr, args...).Sync(ctx)
}

// quietly is the step by itself, the same for all who run the program there.
func quietly(ctr *dagger.Container, args ...string) *dagger.Container {
	return ctr.WithExec(silent("/dev/null", args...))
}

// silent is the command that runs another one and writes what it says into a file, and its
// complaints nowhere. What Dagger redirects, it prints all the same.
func silent(file string, args ...string) []string {
	return slices.Concat([]string{"sh", "-c", `exec "$@" >` + file + ` 2>/dev/null`, "sh"}, args)
}
