package main

import "dagger/slipway/internal/dagger"

// shown runs a program that prints what a source says: names, comments, whole lines of
// it. In the progress, in the result and in an error, control characters are escaped,
// commands to CI systems have no effect, and each of the two outputs ends after 1 MiB.
func (s *Slipway) shown(ctr *dagger.Container, args ...string) *dagger.Container {
	return ctr.
		WithMountedFile("/show", s.helper("show")).
		WithExec(append([]string{"/show"}, args...))
}
