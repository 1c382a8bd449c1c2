package scaffold

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// What init writes is what examples/ offers to copy, and what is said there holds of it.
func TestCIIsTheExample(t *testing.T) {
	for host, name := range map[string]string{"github": "github.yml", "gitlab": "gitlab-ci.yml"} {
		example, err := os.ReadFile(filepath.Join("..", "..", "..", "examples", name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := CI(host, ".")
		if err != nil {
			t.Fatal(err)
		}
		if got != string(example) {
			t.Errorf(".dagger/internal/scaffold/%s is not examples/%s: copy one over the other", pipelines[host].text, name)
		}
	}
}

// A service that is not at the top of its repository is called where it is.
func TestCIBelow(t *testing.T) {
	for host, want := range map[string]string{
		"github": "\n    working-directory: services/api\n", "gitlab": "\n    - cd services/api\n",
	} {
		got, err := CI(host, "./services/api")
		if err != nil {
			t.Fatal(err)
		}
		var parsed map[string]any
		if err := yaml.Unmarshal([]byte(got), &parsed); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		if strings.Count(got, want) != 1 {
			t.Errorf("%s: got\n%s", host, got)
		}
	}
}

func TestHost(t *testing.T) {
	for module, want := range map[string]string{
		"github.com/acme/hello":       "github",
		"gitlab.com/acme/hello":       "gitlab",
		"gitlab.acme.example/a/b/v2":  "gitlab",
		"hello":                       "",
		"example.org/hello":           "",
		"notgithub.com/x":             "",
		"example.org/gitlab/of/sorts": "",
	} {
		if got := Host(module); got != want {
			t.Errorf("%s: got %q, want %q", module, got, want)
		}
	}
}

func TestSettings(t *testing.T) {
	for want, settings := range map[string][]Setting{
		"": nil,
		"SLIPWAY_CGO=true\nSLIPWAY_PLATFORMS=linux/amd64\n":              {{"CGO", "true"}, {"PLATFORMS", "linux/amd64"}},
		"SLIPWAY_LINKVARS=main.V={version}\nSLIPWAY_PACKAGE=./cmd/api\n": {{"LINKVARS", "main.V={version}"}, {"PACKAGE", "./cmd/api"}},
		"SLIPWAY_BASE=a:1\n": {{"BASE", "a:1"}, {"MANIFESTS", "my dir"}, {"TAGS", "$HOME"}, {"GOPROXY", "a\nB=c"}, {"RELEASE", "'x'"}, {"GOPRIVATE", "a#b"}},
	} {
		text, err := Service{Name: "hello", Set: settings}.Settings()
		if err != nil {
			t.Fatal(err)
		}
		set := ""
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "#") {
				set += line
			}
		}
		if set != want {
			t.Errorf("%v: got\n%s", settings, text)
		}
	}
}
