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
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"slipway/helpers/internal/check"
	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
	"slipway/helpers/internal/render"
	"slipway/helpers/internal/sanitize"
)

// request is what the caller asks for; most commands need but a few of its fields.
type request struct {
	Release   string
	Namespace string // "" is the kubeconfig's
	Context   string // of the kubeconfig, "" when it has but one
	APIServer string // host:port that leads to the API server, "" to go where the kubeconfig says

	Manifests *manifests        // to render, nil where Objects are there already
	Objects   []object.Object   // rendered manifests
	Files     map[string]string // Kind/name to the manifest's file
	Kubectl   string            // the image that this runs in, as its name was resolved
	Image     string
	Revision  string // of the source
	Version   string
	Port      int               // that the service listens on
	Smoke     string            // smoke.yaml as JSON
	Verified  *release.Verified // of the image, nil where no signature is asked for

	Timeout        int // seconds
	ForceConflicts bool
	DryRun         bool
	Allow          []string // names of checks of the manifests that refuse nothing
	DeleteData     bool     // what holds data goes like everything else
	To             int      // release number to roll back to, 0 for the one before
	Confirm        string   // name of the release to destroy
	Tail           int      // log lines of each container
	Format         string   // of the outcome: json and markdown are not for people
	Output         string   // file that render writes to
	Evidence       string   // none, short or full: how much of what pods and events say is shown

	RecordKey        string // signs the records; "" where nobody else may write Secrets
	RecordsNamespace string // of records and lease; "" for the release's
	Insecure         bool   // the kubeconfig's credentials may go over a connection that is not verified

	RegistryImage string // of the registry that an image is carried into
	Layout        string // directory of the image to carry in
}

// session is one run of a command on one release.
type session struct {
	request
	client *kube.Client
	store  release.Store
	owner  string // annotation of what is the release's
	limit  time.Duration

	out      *sanitize.Writer // the outcome
	progress *sanitize.Writer
	begin    time.Time
	warnings []check.Finding // of the manifests
	notes    []string        // what else the outcome has to say

	fixed map[object.ID]bool // live objects that an unsigned record would change, and that stay
}

// outputLimit is the bytes of the outcome, and of the progress. A log of more helps nobody.
const outputLimit = 16 << 20

// errDifferent is how diff says that it found differences.
var errDifferent = errors.New("different")

func main() {
	if len(os.Args) > 2 && os.Args[1] == render.OfflineCommand {
		fmt.Fprintln(os.Stderr, render.Offline(os.Args[2:]))
		os.Exit(1)
	}
	log.SetOutput(io.Discard) // net/http's own remarks: what matters of them is in its errors
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	s := &session{out: sanitize.NewWriter(os.Stdout), progress: sanitize.NewWriter(os.Stderr), begin: time.Now()}
	s.out.Limit(outputLimit)
	s.progress.Limit(outputLimit)
	err := s.run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, errDifferent) {
		fmt.Fprintln(s.out, err)
	}
	_ = s.progress.Flush()
	_ = s.out.Flush()
	switch {
	case errors.Is(err, errDifferent):
		os.Exit(3)
	case err != nil:
		os.Exit(1)
	}
}

func (s *session) run(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: rollout COMMAND REQUEST-FILE")
	}
	commands := map[string]func(*session, context.Context) error{
		"deploy": (*session).deploy, "diff": (*session).diff, "rollback": (*session).rollback, "destroy": (*session).destroy,
		"status": (*session).status, "history": (*session).history, "logs": (*session).logs, "rights": (*session).rights,
		"registry": (*session).findRegistry, "carry": (*session).carry, "leave": (*session).leave,
		"target": (*session).target, "check": (*session).check,
	}
	command := commands[args[0]]
	if command == nil && args[0] != "render" && args[0] != "bases" {
		return fmt.Errorf("unknown command %q", args[0])
	}
	if err := s.read(args[1]); err != nil {
		return err
	}
	if args[0] == "bases" {
		return s.bases()
	}
	if err := s.render(ctx); err != nil {
		return err
	}
	refused, err := s.judge(s.Objects)
	if err != nil {
		return err
	}
	if args[0] == "render" {
		s.warn(s.warnings)
		if err := unfit(refused); err != nil {
			return err
		}
		return s.write()
	}
	// Pods that a Service selects may be in the cluster; nothing else there could help.
	if slices.ContainsFunc(refused, func(f check.Finding) bool { return len(f.Pods) == 0 }) {
		return unfit(refused)
	}
	if s.Kubectl != "" {
		s.say("with %s", s.Kubectl)
	}
	s.client, err = kube.Connect(ctx, kube.Target{
		Context: s.Context, APIServer: s.APIServer, Namespace: s.Namespace, Insecure: s.Insecure,
	})
	if err != nil {
		return err
	}
	defer s.client.Close()
	s.Namespace = s.client.Namespace()
	s.store = release.Store{Client: s.client, Name: s.Release, Namespace: s.RecordsNamespace, Key: s.RecordKey}
	s.owner = release.Owner(s.Namespace, s.Release)
	if err := s.findPods(ctx, refused); err != nil {
		return err
	}
	err = command(s, ctx)
	s.printRemarks()
	return err
}

// read takes the request from a file. What it does not know it refuses: a misspelt field
// would be a wish that is never granted.
func (s *session) read(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	dec.UseNumber()
	if err := dec.Decode(&s.request); err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	s.RecordKey = strings.TrimSpace(s.RecordKey)
	if err := s.validate(); err != nil {
		return err
	}
	s.Objects = check.Flatten(s.Objects)
	s.limit = time.Duration(s.Timeout) * time.Second
	s.mask(s.Objects)
	s.out.Mask(s.RecordKey)
	s.progress.Mask(s.RecordKey)
	return nil
}

// mask has the values of Secrets appear in no output from now on.
func (s *session) mask(objects []object.Object) {
	for _, o := range objects {
		if isSecret(o) {
			s.out.Mask(sanitize.Values(o)...)
			s.progress.Mask(sanitize.Values(o)...)
		}
	}
}

// maskRecords does the same for what releases held and for what was there before them.
func (s *session) maskRecords(records []release.Record) {
	for _, r := range records {
		s.mask(r.Objects)
		s.mask(r.Before)
	}
}

func isSecret(o object.Object) bool { return o.Kind() == "Secret" && o.Group() == "" }

// say reports progress in one line, with the seconds since the start.
func (s *session) say(format string, args ...any) {
	fmt.Fprintf(s.progress, "%6.1f s  %s\n", time.Since(s.begin).Seconds(), strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " "))
}

func (s *session) warn(findings []check.Finding) {
	for _, f := range findings {
		s.say("warning: %s", f)
	}
}

// origin is how findings name an object: with the file it comes from, if known.
func (r request) origin(o object.Object) string {
	if file := r.Files[o.String()]; file != "" {
		return file + ": " + o.String()
	}
	return o.String()
}

// judge checks objects that are to be applied, and returns what refuses them.
func (s *session) judge(objects []object.Object) (refused []check.Finding, err error) {
	refused, s.warnings, err = check.Manifests(check.Input{Objects: objects, Files: s.Files, Namespace: s.Namespace, Allow: s.Allow})
	return refused, err
}

// findPods turns the finding that a Service selects no pod of the manifests into a
// warning where such pods are in the cluster, as those of an operator.
func (s *session) findPods(ctx context.Context, findings []check.Finding) error {
	var refused []check.Finding
	for _, f := range findings {
		if len(f.Pods) == 0 {
			refused = append(refused, f)
			continue
		}
		pods, err := s.client.List(ctx, podType, s.Namespace, labelQuery(f.Pods))
		if err == nil && len(pods) > 0 {
			f.Warn = true
			s.warnings = append(s.warnings, f)
			continue
		}
		refused = append(refused, f)
	}
	return unfit(refused)
}

// unfit is the error of manifests that are refused, nil if there is no finding.
func unfit(refused []check.Finding) error {
	if len(refused) == 0 {
		return nil
	}
	lines := make(findings, len(refused))
	for i, f := range refused {
		lines[i] = f.String()
	}
	return fmt.Errorf("the manifests do not fit together:\n%w", lines)
}
