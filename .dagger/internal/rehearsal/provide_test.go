package rehearsal

import (
	"encoding/json"
	"reflect"
	"testing"
)

func parse(t *testing.T, text string) []object {
	t.Helper()
	var objects []object
	if err := json.Unmarshal([]byte("["+text+"]"), &objects); err != nil {
		t.Fatal(err)
	}
	return objects
}

func TestLacking(t *testing.T) {
	manifests := parse(t, `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "cache"}},
		{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "db"}},
		{"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "queue"}}`)
	if got, want := Lacking(manifests, []string{"cache", "db", "queue"}), []string{"db", "queue"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSecrets(t *testing.T) {
	pod := func(env string) string {
		return `{"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": {"containers": [{` + env + `}]}}}}`
	}
	key := func(variable, secret, key string) string {
		return `"env": [{"name": "` + variable + `", "valueFrom": {"secretKeyRef": {"name": "` + secret + `", "key": "` + key + `"}}}]`
	}
	const own = `, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hello"}}`
	for name, c := range map[string]struct {
		manifests string
		want      map[string]map[string]string
	}{
		"none":                       {pod(`"image": "a"`), map[string]map[string]string{}},
		"a key":                      {pod(key("API_KEY", "hello", "key")), map[string]map[string]string{"hello": {"key": "API_KEY"}}},
		"of the manifests":           {pod(key("API_KEY", "hello", "key")) + own, map[string]map[string]string{}},
		"a variable nobody declared": {pod(key("OTHER", "hello", "key")), map[string]map[string]string{}},
		"all keys":                   {pod(`"envFrom": [{"secretRef": {"name": "all"}}]`), map[string]map[string]string{"all": {"API_KEY": "API_KEY", "TOKEN": "TOKEN"}}},
		"all keys with a prefix": {
			pod(`"envFrom": [{"prefix": "", "configMapRef": {"name": "other"}}, {"prefix": "X_", "secretRef": {"name": "all"}}]`),
			map[string]map[string]string{"all": {"X_API_KEY": "API_KEY", "X_TOKEN": "TOKEN"}},
		},
		"no name": {pod(key("API_KEY", "", "key")), map[string]map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Secrets(parse(t, c.manifests), []string{"API_KEY", "TOKEN"}); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestProvide(t *testing.T) {
	got, err := json.Marshal(Provide("ns", map[string]Address{"db": {"10.0.0.7", 5432}}, map[string]map[string]string{"hello": {"key": "v"}}))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"apiVersion":"v1","items":[` +
		`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"ns"}},` +
		`{"apiVersion":"v1","kind":"Service","metadata":{"labels":{"slipway/needed":"true"},"name":"db","namespace":"ns"},` +
		`"spec":{"clusterIP":"None","ports":[{"name":"needed","port":5432,"protocol":"TCP"}]}},` +
		`{"addressType":"IPv4","apiVersion":"discovery.k8s.io/v1","endpoints":[{"addresses":["10.0.0.7"],"conditions":{"ready":true}}],` +
		`"kind":"EndpointSlice","metadata":{"labels":{"kubernetes.io/service-name":"db"},"name":"db","namespace":"ns"},` +
		`"ports":[{"name":"needed","port":5432,"protocol":"TCP"}]},` +
		`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"hello","namespace":"ns"},"stringData":{"key":"v"}}],"kind":"List"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
