package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"slipway/helpers/internal/object"
)

const (
	releaseLimit = 53 // characters, so that names and labels that are made of it are valid
	keyLimit     = 16 // characters that a key for records has at least
	contextLimit = 1000
)

// address is a host and port, as the way to an API server is given.
var address = regexp.MustCompile(`^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$`)

// validate refuses names that are none, before they get into a path, an argument or a
// label.
func (r request) validate() error {
	unseen := func(r rune) bool { return !unicode.IsGraphic(r) }
	switch {
	case len(r.Release) > releaseLimit || !object.IsLabel(r.Release):
		return fmt.Errorf("--release %q is no name of a release: it must be %d lower-case letters, digits and dashes at most",
			r.Release, releaseLimit)
	case r.Namespace != "" && !object.IsLabel(r.Namespace):
		return fmt.Errorf("--namespace %q is no name of a namespace: it must be 63 lower-case letters, digits and dashes at most", r.Namespace)
	case r.RecordsNamespace != "" && !object.IsLabel(r.RecordsNamespace):
		return fmt.Errorf("--records-namespace %q is no name of a namespace: it must be 63 lower-case letters, digits and dashes at most",
			r.RecordsNamespace)
	case len(r.Context) > contextLimit || strings.ContainsFunc(r.Context, unseen):
		return fmt.Errorf("--context %.80q is no name of a context: kubectl config get-contexts lists them", r.Context)
	case r.APIServer != "" && !address.MatchString(r.APIServer):
		return fmt.Errorf("--api-server leads to %q, which is no host and port: give one such as tcp://127.0.0.1:6443", r.APIServer)
	case r.Evidence != "" && !slices.Contains([]string{evidenceNone, evidenceShort, evidenceFull}, r.Evidence):
		return fmt.Errorf("--evidence %q is unknown: give none, short or full", r.Evidence)
	case r.RecordKey != "" && len(r.RecordKey) < keyLimit:
		return fmt.Errorf("the key of --record-key is shorter than %d characters, so it could be guessed: make one with openssl rand -hex 32",
			keyLimit)
	case r.Timeout < 0 || r.To < 0 || r.Tail < 0:
		return errors.New("--timeout, --to and --tail cannot be less than nothing: leave them out, or give a number above 0")
	}
	return nil
}
