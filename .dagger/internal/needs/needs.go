// Package needs reads what a service says it needs to run: the section needs of its
// smoke.yaml.
package needs

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"dagger/slipway/internal/foreign"
	"dagger/slipway/internal/names"
)

// Needs is what a service needs outside a cluster; in one, the manifests say it.
type Needs struct {
	Env      map[string]string  `json:"env"`      // environment variables of the service and of its unit tests
	Args     []string           `json:"args"`     // of the program
	Port     int                `json:"port"`     // TCP, on which the program then listens; 0: not said
	Start    string             `json:"start"`    // how long that may take, "": as long as startLimit
	Secrets  []string           `json:"secrets"`  // names of environment variables with secret values
	Before   [][]string         `json:"before"`   // arguments with which the program runs to its end first
	Services map[string]Service `json:"services"` // by the name under which they are reached
	Files    []string           `json:"files"`    // of the source, put into the image's working directory
}

// Service is a container that the service talks to.
type Service struct {
	Image string            `json:"image"`
	Env   map[string]string `json:"env"`
	Args  []string          `json:"args"`  // default: as the image says
	Port  int               `json:"port"`  // TCP, 1 to 65535
	Ready []string          `json:"ready"` // command in the image that succeeds once it is; default: the port is open
}

// How long a program may take until it listens.
const (
	startLimit   = time.Minute
	longestStart = 30 * time.Minute
)

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// taken are names under which other containers are reached.
var taken = []string{"chromium", "cluster", "kubernetes", "registry", "service"}

// Parse splits a smoke.yaml into the needs and, as JSON, the questions. The errors name
// the field, not the file.
func Parse(text []byte) (n Needs, questions []byte, err error) {
	document, err := yaml.YAMLToJSONStrict(text)
	if err == nil {
		err = checkKeys(text)
	}
	if err != nil {
		return n, nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(document, &fields); err != nil {
		return n, nil, errors.New("it is not a mapping with requests")
	}
	if section, there := fields["needs"]; there {
		strict := json.NewDecoder(bytes.NewReader(section))
		strict.DisallowUnknownFields()
		if err := strict.Decode(&n); err != nil {
			var typed *json.UnmarshalTypeError
			if errors.As(err, &typed) && typed.Type.Kind() == reflect.String && (typed.Value == "bool" || strings.HasPrefix(typed.Value, "number")) {
				err = fmt.Errorf("%s: a %s stands where text is wanted: put it in quotes, as in PORT: \"8080\"", typed.Field, typed.Value)
			}
			return n, nil, fmt.Errorf("needs: %w", err)
		}
		if err := n.check(); err != nil {
			return n, nil, fmt.Errorf("needs: %w", err)
		}
		delete(fields, "needs")
	}
	questions, err = json.Marshal(fields)
	// The same to who reads it, and no command to a CI system where Dagger prints it.
	return n, bytes.ReplaceAll(questions, []byte("##"), []byte(`#\u0023`)), err
}

func (n *Needs) check() error {
	if err := cmp.Or(checkEnv("env", n.Env), printable("args", n.Args...), printable("files", n.Files...)); err != nil {
		return err
	}
	for _, name := range n.Secrets {
		if _, plain := n.Env[name]; plain || !variable.MatchString(name) {
			return fmt.Errorf("secrets: %q is not the name of an environment variable, or is one of env too", name)
		}
	}
	if n.Port < 0 || n.Port > 65535 {
		return fmt.Errorf("port %d is not a TCP port: give one from 1 to 65535", n.Port)
	}
	if d, err := time.ParseDuration(n.Start); n.Start != "" && (err != nil || d < time.Second || d > longestStart) {
		return fmt.Errorf("start: %q is not how long the program may take until it listens: give 1s to 30m, such as 3m", n.Start)
	}
	for i, args := range n.Before {
		if len(args) == 0 {
			return fmt.Errorf("before: run %d has no arguments: without any, the program would serve", i+1)
		}
		if err := printable("before", args...); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n.Services)) {
		if !names.IsLabel(name) {
			return fmt.Errorf("services: %q is not the name of a host: give lower-case letters, digits and dashes, 63 at most", name)
		}
		if err := n.Services[name].check(name); err != nil {
			return fmt.Errorf("services: %s: %w", name, err)
		}
	}
	for i, file := range n.Files {
		clean := path.Clean(file)
		if !fs.ValidPath(clean) || clean == "." {
			return fmt.Errorf("files: %q is not a path below the source: give one such as templates", file)
		}
		n.Files[i] = clean
	}
	return nil
}

// StartLimit is how long the program may take until it listens.
func (n Needs) StartLimit() time.Duration {
	d, err := time.ParseDuration(n.Start) // which check has done
	if err != nil {
		return startLimit
	}
	return d
}

func (s Service) check(name string) error {
	switch {
	case slices.Contains(taken, name):
		return errors.New("the name is taken: choose another")
	case s.Image == "":
		return errors.New("it has no image")
	case s.Port < 1 || s.Port > 65535:
		return fmt.Errorf("port %d is not a TCP port: give one from 1 to 65535", s.Port)
	}
	return cmp.Or(printable("image", s.Image), printable("args", s.Args...), printable("ready", s.Ready...), checkEnv("env", s.Env))
}

// printable refuses a text that would be obeyed by a terminal or a CI system: Dagger prints
// commands and variables as they are, save the ends of lines. Secrets are not printed.
func printable(field string, texts ...string) error {
	for _, text := range texts {
		if foreign.Obeyed(text) {
			return fmt.Errorf("%s: %s has a control character, or a command to a CI system, which would be in the log: "+
				"leave it out, or put it in secrets", field, foreign.Quote(text))
		}
	}
	return nil
}

func checkEnv(field string, env map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if !variable.MatchString(name) {
			return fmt.Errorf("%s: %q is not the name of an environment variable", field, name)
		}
		if err := printable(field, env[name]); err != nil {
			return err
		}
	}
	return nil
}

// Values picks the secrets' values from lines NAME=value, as a .env file has them: blank
// lines, those that begin with #, and other names do not count, and quotes around a value
// are taken off.
func (n Needs) Values(lines string) (map[string]string, error) {
	given := map[string]string{}
	for i, line := range strings.Split(lines, "\n") {
		line = strings.TrimPrefix(strings.TrimSpace(line), "export ")
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		if name = strings.TrimSpace(name); !found || !variable.MatchString(name) {
			return nil, fmt.Errorf("line %d is not NAME=value", i+1) // and is not shown: it may be a value
		}
		value = strings.TrimSpace(value)
		if len(value) > 1 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
			value = value[1 : len(value)-1]
		}
		given[name] = value
	}
	values := map[string]string{}
	var missing []string
	for _, name := range n.Secrets {
		if value, there := given[name]; there {
			values[name] = value
		} else {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("it has no value for %s", strings.Join(missing, ", "))
	}
	return values, nil
}
