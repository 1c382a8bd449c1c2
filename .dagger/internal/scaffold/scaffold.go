// Package scaffold writes the files that a service lacks before it can be deployed.
package scaffold

import (
	"bytes"
	"embed"
	"encoding/json"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"sigs.k8s.io/yaml"
)

//go:embed files
var files embed.FS

// Service is what is known of the service.
type Service struct {
	Name    string // of the release
	Port    int
	Start   time.Duration // how long it may take until it listens, 0 if that need not be said
	Args    []string
	Env     map[string]string
	Secrets []string // names of environment variables

	Ready, Live string // paths of the probes, "" for none

	Set []Setting // what must be set in each call
}

// Setting is one of .env, named without prefix.
type Setting struct{ Name, Value string }

// plainValue is one that a file .env holds as it is: nothing in it is expanded or ends it.
var plainValue = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./{}*-]+$`)

// Probe is the answer that the running service gave on a path.
type Probe struct {
	Path        string
	Status      int
	ContentType string
	Body        string // as it came twice, "" if it was long or not the same
}

// Unlikely is a path that no service has: one that answers it answers everything.
const Unlikely = "/slipway-no-such-path"

var (
	readyPaths = []string{
		"/readyz", "/ready", "/-/ready", "/health/ready", "/healthz", "/health", "/livez", "/live", "/ping", "/api/health", "/status",
	}
	livePaths = []string{"/livez", "/live", "/-/healthy", "/health/live", "/healthz", "/health", "/ping", "/api/health", "/status"}
)

// Paths are those to ask a service for before its files are written.
func Paths() []string {
	paths := []string{"/", Unlikely}
	for _, p := range slices.Concat(readyPaths, livePaths) {
		if !slices.Contains(paths, p) {
			paths = append(paths, p)
		}
	}
	return paths
}

// WithProbes chooses the paths of the probes: those that services have by custom, and only
// if the service does not answer everything alike.
func (s Service) WithProbes(answers []Probe) Service {
	fine := func(path string) bool {
		return slices.ContainsFunc(answers, func(p Probe) bool { return p.Path == path && p.Status >= 200 && p.Status < 300 })
	}
	if fine(Unlikely) {
		return s
	}
	for _, c := range []struct {
		to    *string
		paths []string
	}{{&s.Ready, append(slices.Clone(readyPaths), "/")}, {&s.Live, livePaths}} {
		if i := slices.IndexFunc(c.paths, fine); i >= 0 {
			*c.to = c.paths[i]
		}
	}
	return s
}

// Manifests are the files of a manifests directory, by their path below it.
func (s Service) Manifests() (map[string]string, error) {
	written := map[string]string{}
	root, err := fs.Sub(files, "files/manifests")
	if err != nil {
		return nil, err
	}
	err = fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		written[name], err = s.fill(root, name)
		return err
	})
	return written, err
}

// Settings is a file .env, in which hardly anything is set: nothing whose value would have
// to be quoted.
func (s Service) Settings() (string, error) {
	s.Set = slices.DeleteFunc(slices.Clone(s.Set), func(set Setting) bool { return !plainValue.MatchString(set.Value) })
	return s.fill(files, "files/env")
}

// StartChecks is how often a startup probe may fail, every five seconds from the start on: the last time ends the container.
func (s Service) StartChecks() int { return 1 + int((s.Start+5*time.Second-1)/(5*time.Second)) }

// Deadline is how many seconds a rollout may make no progress, 0 where Kubernetes' own ten minutes will do.
func (s Service) Deadline() int {
	if s.Start < 8*time.Minute {
		return 0
	}
	return int((s.Start + 5*time.Minute).Seconds())
}

// fill is a file, filled in with what is known of the service.
func (s Service) fill(from fs.FS, name string) (string, error) {
	text, err := fs.ReadFile(from, name)
	if err != nil {
		return "", err
	}
	t, err := template.New(name).Funcs(template.FuncMap{"json": toJSON}).Parse(string(text))
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = t.Execute(&out, s)
	return out.String(), err
}

// toJSON is a value as YAML reads it too, whatever is in it.
func toJSON(value any) (string, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return strings.TrimSpace(out.String()), err
}

// Smoke is a smoke.yaml with the answers that a service gave: of / and of its probes.
// drains says that it answers a request in flight after SIGTERM, and ends with status 0.
func (s Service) Smoke(answers []Probe, drains bool) (string, error) {
	type request struct {
		Path    string            `json:"path"`
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers,omitempty"`
		Body    string            `json:"body,omitempty"`
	}
	var smoke struct {
		Requests []request `json:"requests"`
		Drain    bool      `json:"drain,omitempty"`
	}
	smoke.Drain = drains
	for _, p := range answers {
		if p.Status >= 500 || p.Path != "/" && p.Path != s.Ready && p.Path != s.Live {
			continue
		}
		r := request{Path: p.Path, Status: p.Status, Body: p.Body}
		if p.ContentType != "" {
			r.Headers = map[string]string{"Content-Type": p.ContentType}
		}
		smoke.Requests = append(smoke.Requests, r)
	}
	if len(smoke.Requests) == 0 {
		return "", nil
	}
	text, err := yaml.Marshal(smoke)
	return "# What the service must answer, as it did when this file was made: make it what it should.\n" + string(text), err
}
