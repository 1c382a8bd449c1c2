package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// defaultSmoke is asked of a service that has no smoke.yaml.
const defaultSmoke = `{"requests":[{"method":"GET","path":"/","status":0}]}`

// request is what the rollout helper reads; see .dagger/helpers/cmd/rollout.
type request struct {
	Release   string
	Namespace string
	Context   string
	APIServer string

	Objects  []map[string]any
	Files    map[string]string
	Image    string
	Revision string
	Version  string
	Port     int
	Smoke    string

	Timeout        int
	ForceConflicts bool
	Allow          []string
	DeleteData     bool
	DryRun         bool
	To             int
	Confirm        string
	Tail           int
	Evidence       string

	RecordKey        string
	RecordsNamespace string
	Insecure         bool

	RegistryImage string
	Layout        string
}

// call is one run of the helper, as a script asks for it.
type call struct {
	request
	dirs       []string
	smokeFile  string
	kubeconfig string
	within     time.Duration // it must end in, 0 for any time
}

// parseCall reads DIR… [flags]; what the flags leave out is taken from defaults.
func parseCall(args []string, defaults call) (call, error) {
	c := defaults
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		c.dirs = append(c.dirs, args[0])
		args = args[1:]
	}
	flags := flag.NewFlagSet("rollout", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	timeout := time.Duration(c.Timeout) * time.Second
	flags.StringVar(&c.Release, "release", c.Release, "")
	flags.StringVar(&c.Image, "image", c.Image, "")
	flags.StringVar(&c.Version, "version", c.Version, "")
	flags.StringVar(&c.Revision, "revision", c.Revision, "")
	flags.IntVar(&c.Port, "port", c.Port, "")
	flags.StringVar(&c.smokeFile, "smoke", "", "")
	flags.DurationVar(&timeout, "timeout", timeout, "")
	flags.BoolVar(&c.ForceConflicts, "force-conflicts", false, "")
	flags.BoolVar(&c.DeleteData, "delete-data", false, "")
	flags.BoolVar(&c.DryRun, "dry-run", false, "")
	flags.IntVar(&c.To, "to", 0, "")
	flags.StringVar(&c.Confirm, "confirm", "", "")
	flags.IntVar(&c.Tail, "tail", c.Tail, "")
	flags.Func("allow", "", func(name string) error { c.Allow = append(c.Allow, name); return nil })
	flags.StringVar(&c.Namespace, "namespace", c.Namespace, "")
	flags.StringVar(&c.Context, "context", "", "")
	flags.StringVar(&c.Evidence, "evidence", "", "")
	flags.StringVar(&c.RecordKey, "record-key", "", "")
	flags.StringVar(&c.RecordsNamespace, "records-namespace", "", "")
	flags.BoolVar(&c.Insecure, "insecure-kubeconfig", false, "")
	flags.StringVar(&c.RegistryImage, "registry-image", c.RegistryImage, "")
	flags.StringVar(&c.Layout, "layout", "", "")
	flags.StringVar(&c.kubeconfig, "kubeconfig", c.kubeconfig, "")
	flags.DurationVar(&c.within, "within", 0, "")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if flags.NArg() > 0 {
		return c, fmt.Errorf("directories come before flags: %s", flags.Args())
	}
	c.Timeout = int(timeout.Seconds())
	return c, nil
}

// write renders the call's directories, which stand in work, and writes the request.
// getenv is the script's environment.
func (c call) write(file, work string, getenv func(string) string) error {
	if c.smokeFile != "" {
		text, err := os.ReadFile(filepath.Join(work, c.smokeFile))
		if err != nil {
			return err
		}
		if text, err = yaml.YAMLToJSONStrict(text); err != nil {
			return fmt.Errorf("%s: %w", c.smokeFile, err)
		}
		c.Smoke = string(text)
	}
	var err error
	c.Objects, c.Files, err = renderDirs(work, c.dirs, func(name string) string {
		if name == "IMAGE" {
			return c.Image
		}
		return getenv(name)
	})
	if err != nil {
		return err
	}
	if c.Layout != "" {
		c.Layout = filepath.Join(work, c.Layout)
	}
	text, err := json.MarshalIndent(c.request, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

var (
	variable  = regexp.MustCompile(`\$(?:([A-Z][A-Z0-9_]*)|\{([A-Z][A-Z0-9_]*)\})`)
	separator = regexp.MustCompile(`(?m)^---\s*$`)
)

// renderDirs reads all YAML of some directories, with getenv's value for each $NAME and
// ${NAME}. Of two objects of one kind and name the later one counts. The second result
// says which file an object, Kind/name, is from.
func renderDirs(work string, dirs []string, getenv func(string) string) ([]map[string]any, map[string]string, error) {
	var objects []map[string]any
	files, at := map[string]string{}, map[string]int{}
	for _, dir := range dirs {
		paths, err := filepath.Glob(filepath.Join(work, dir, "*.yaml"))
		if err != nil {
			return nil, nil, err
		}
		if len(paths) == 0 {
			return nil, nil, fmt.Errorf("%s has no *.yaml", dir)
		}
		for _, path := range paths {
			file := dir + "/" + filepath.Base(path)
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, nil, err
			}
			expanded := variable.ReplaceAllStringFunc(string(text), func(name string) string {
				return getenv(strings.Trim(name, "${}"))
			})
			for _, document := range separator.Split(expanded, -1) {
				o, err := decodeObject(document)
				if err != nil {
					return nil, nil, fmt.Errorf("%s: %w", file, err)
				}
				if o == nil {
					continue
				}
				meta, _ := o["metadata"].(map[string]any)
				name, _ := meta["name"].(string)
				key := fmt.Sprintf("%v/%s", o["kind"], name)
				i, known := at[fmt.Sprint(key, meta["namespace"])]
				if known && name != "" {
					objects[i] = o
				} else {
					at[fmt.Sprint(key, meta["namespace"])] = len(objects)
					objects = append(objects, o)
				}
				files[key] = file
			}
		}
	}
	return objects, files, nil
}

// decodeObject reads one YAML document, nil if it is empty. Integers of 64 bits stay what
// they are.
func decodeObject(document string) (map[string]any, error) {
	text, err := yaml.YAMLToJSONStrict([]byte(document))
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var o map[string]any
	if err := dec.Decode(&o); err != nil {
		return nil, errors.New("a document is no object")
	}
	return o, nil
}

func TestRequest(t *testing.T) {
	work := t.TempDir()
	for file, text := range map[string]string{
		"s/a.yaml": "kind: ConfigMap\nmetadata: {name: a}\n" +
			"data: {image: $IMAGE, ns: \"${NS}-x\", none: \"$NONE\", shell: \"$(PORT) $1\"}\n---\n---\n" +
			"kind: Widget\nmetadata: {name: w}\nid: 1234567890123456789\n",
		"extra/b.yaml": "# another a\nkind: ConfigMap\nmetadata: {name: a}\n---\n" +
			"kind: Job\nmetadata: {generateName: j-}\n---\nkind: Job\nmetadata: {generateName: k-}\n",
		"smoke.yaml": "requests: [{path: /x}]\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(work, file)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(work, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"IMAGE": "one", "NS": "ns"}
	write := func(args ...string) map[string]any {
		t.Helper()
		c, err := parseCall(args, call{request: request{Release: "s", Image: "one", Smoke: defaultSmoke, Timeout: 60}})
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(work, "request.json")
		if err := c.write(file, work, func(name string) string { return env[name] }); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		o, err := decodeObject(string(text))
		if err != nil {
			t.Fatal(err)
		}
		return o
	}

	got := write("s", "--image", "two", "--timeout", "90s", "--smoke", "smoke.yaml", "--allow", "a", "--allow", "b", "--delete-data")
	if !reflect.DeepEqual(got["Objects"], []any{
		map[string]any{"kind": "ConfigMap", "metadata": map[string]any{"name": "a"},
			"data": map[string]any{"image": "two", "ns": "ns-x", "none": "", "shell": "$(PORT) $1"}},
		map[string]any{"kind": "Widget", "metadata": map[string]any{"name": "w"}, "id": json.Number("1234567890123456789")},
	}) {
		t.Errorf("objects are %v", got["Objects"])
	}
	for field, want := range map[string]any{
		"Image": "two", "Timeout": json.Number("90"), "Smoke": `{"requests":[{"path":"/x"}]}`, "DeleteData": true,
		"Allow": []any{"a", "b"}, "Files": map[string]any{"ConfigMap/a": "s/a.yaml", "Widget/w": "s/a.yaml"},
	} {
		if !reflect.DeepEqual(got[field], want) {
			t.Errorf("%s is %v, not %v", field, got[field], want)
		}
	}
	if got := write("s", "extra"); len(got["Objects"].([]any)) != 4 || got["Files"].(map[string]any)["ConfigMap/a"] != "extra/b.yaml" {
		t.Errorf("two directories make %v", got)
	}
	for _, args := range [][]string{{"s", "--unknown"}, {"--dry-run", "s"}} {
		if _, err := parseCall(args, call{}); err == nil {
			t.Errorf("%s is taken", args)
		}
	}
}
