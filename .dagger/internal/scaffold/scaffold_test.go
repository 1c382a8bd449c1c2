package scaffold

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

func answers(paths ...string) []Probe {
	all := []Probe{{Path: "/", Status: 200, ContentType: "text/plain", Body: "Hello"}}
	for _, p := range paths {
		all = append(all, Probe{Path: p, Status: 200, ContentType: "text/plain", Body: "ok"})
	}
	return all
}

func TestWithProbes(t *testing.T) {
	for name, c := range map[string]struct {
		answers     []Probe
		ready, live string
	}{
		"nothing":               {nil, "", ""},
		"only /":                {answers(), "/", ""},
		"both":                  {answers("/healthz", "/readyz"), "/readyz", "/healthz"},
		"one for both":          {answers("/ping"), "/ping", "/ping"},
		"answers everything":    {answers(Unlikely, "/healthz", "/readyz"), "", ""},
		"a page that is broken": {[]Probe{{Path: "/", Status: 404}, {Path: "/healthz", Status: 503}}, "", ""},
	} {
		s := Service{}.WithProbes(c.answers)
		if s.Ready != c.ready || s.Live != c.live {
			t.Errorf("%s: got %q and %q", name, s.Ready, s.Live)
		}
	}
}

// Whatever a service is called and has, the manifests are YAML.
func TestManifests(t *testing.T) {
	for name, s := range map[string]Service{
		"plain": {Name: "hello", Port: 8080},
		"all": {Name: "api-2", Port: 9000, Args: []string{"serve", `--x="a: b"`}, Env: map[string]string{"A": "x: 'y' {{", "B": "no"},
			Secrets: []string{"KEY"}, Ready: "/ready?a={b}", Live: "/live", Start: 9 * time.Minute},
	} {
		written, err := s.Manifests()
		if err != nil {
			t.Fatal(err)
		}
		if len(written) != 9 {
			t.Errorf("%s: %d files", name, len(written))
		}
		for file, text := range written {
			var o map[string]any
			if err := yaml.UnmarshalStrict([]byte(text), &o); err != nil {
				t.Errorf("%s: %s: %v\n%s", name, file, err, text)
			}
			if strings.Contains(text, "{{.") {
				t.Errorf("%s: %s has a part of the template", name, file)
			}
		}
		var d struct {
			Spec struct {
				ProgressDeadlineSeconds int
				Template                struct {
					Spec struct {
						Containers []struct {
							Args           []string
							Env            []struct{ Name, Value string }
							Ports          []struct{ ContainerPort int }
							ReadinessProbe map[string]any
							StartupProbe   struct{ PeriodSeconds, FailureThreshold int }
						}
					}
				}
			}
		}
		if err := yaml.Unmarshal([]byte(written["base/deployment.yaml"]), &d); err != nil {
			t.Fatal(err)
		}
		c := d.Spec.Template.Spec.Containers[0]
		if fmt.Sprint(c.Args) != fmt.Sprint(s.Args) || c.Ports[0].ContainerPort != s.Port || len(c.Env) != 1+len(s.Env)+len(s.Secrets) {
			t.Errorf("%s: %+v", name, c)
		}
		if len(s.Env) > 0 && c.Env[1].Value != s.Env["A"] {
			t.Errorf("%s: a value came as %q", name, c.Env[1].Value)
		}
		if p := c.StartupProbe; p.PeriodSeconds*(p.FailureThreshold-1) < int(s.Start.Seconds()) || (p.PeriodSeconds > 0) != (s.Start > 0) {
			t.Errorf("%s: startup %+v", name, p)
		}
		if deadline := d.Spec.ProgressDeadlineSeconds; s.Start > 8*time.Minute && deadline <= int(s.Start.Seconds()) {
			t.Errorf("%s: progress within %d", name, deadline)
		}
		if _, http := c.ReadinessProbe["httpGet"]; http != (s.Ready != "") {
			t.Errorf("%s: readiness %v", name, c.ReadinessProbe)
		}
	}
}

func TestSmoke(t *testing.T) {
	s := Service{Name: "hello"}.WithProbes(answers("/healthz"))
	got, err := s.Smoke(append(answers("/healthz", "/status"), Probe{Path: Unlikely, Status: 404}), true)
	if err != nil {
		t.Fatal(err)
	}
	want := `drain: true
requests:
- body: Hello
  headers:
    Content-Type: text/plain
  path: /
  status: 200
- body: ok
  headers:
    Content-Type: text/plain
  path: /healthz
  status: 200
`
	if _, text, _ := strings.Cut(got, "\n"); text != want {
		t.Errorf("got\n%s", got)
	}
	if got, err := s.Smoke([]Probe{{Path: "/", Status: 500}}, false); err != nil || got != "" {
		t.Errorf("a service that answers nothing: %q, %v", got, err)
	}
}
