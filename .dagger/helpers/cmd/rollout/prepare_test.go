package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
)

func TestPrepare(t *testing.T) {
	s, out := quiet()
	s.client = &kube.Client{}
	s.request = request{Release: "web", Namespace: "shop", Revision: "abc", Version: "v1-" + strings.Repeat("x", 70)}
	s.owner = "shop.web"
	objects := []object.Object{
		s.namespaceObject(),
		parse(t,
			`{apiVersion: v1, kind: Secret, metadata: {name: s, labels: {app.kubernetes.io/instance: mine}},
        stringData: {password: correct-horse}}`),
		parse(t, `{apiVersion: batch/v1, kind: Job, metadata: {generateName: migrate-}}`),
		annotated(thing("v1", "Pod"), helmHook, "test"),
		parse(t, `{apiVersion: acme.dev/v1, kind: Rocket, metadata: {name: r}}`),
		parse(t,
			`{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: d},
        spec: {scope: Namespaced, group: acme.dev, names: {kind: Rocket}}}`),
	}
	got := s.prepare(objects, false)
	if len(got) != 4 || len(s.prepare(objects, true)) != 5 {
		t.Fatalf("%v", got)
	}
	secret, job, rocket := got[0], got[1], got[2]
	if secret.Label(instanceKey) != "mine" || secret.Label("app.kubernetes.io/managed-by") != "slipway" ||
		secret.Label("app.kubernetes.io/version") != s.Version[:63] ||
		secret.Annotation(versionKey) != s.Version || secret.Annotation(release.Key) != "shop.web" || secret.Annotation(revisionKey) != "abc" {
		t.Errorf("%v", secret["metadata"])
	}
	if secret.At("stringData") != nil || secret.Text("data", "password") != "Y29ycmVjdC1ob3JzZQ==" {
		t.Errorf("%v", secret)
	}
	if !regexp.MustCompile(`^migrate-[a-z2-7]{5}$`).MatchString(job.Name()) || job.At("metadata", "generateName") != nil ||
		job.Label(instanceKey) != "web" {
		t.Errorf("%v", job)
	}
	if rocket.Namespace() != "shop" {
		t.Errorf("%v", rocket)
	}
	if objects[1].At("stringData") == nil || objects[2].Name() != "" {
		t.Error("the manifests themselves have changed")
	}
	s.say("the password is correct-horse")
	_ = s.progress.Flush()
	if text := out.String(); !strings.Contains(text, "Pod/pod is left out: it is a hook that deploy does not run (test)") ||
		strings.Contains(text, "correct-horse") {
		t.Errorf("%s", text)
	}
	s.Version = "v1"
	if short := s.prepare(objects[1:2], false)[0]; short.At("metadata", "annotations", versionKey) != nil ||
		short.Label("app.kubernetes.io/version") != "v1" {
		t.Errorf("%v", short["metadata"])
	}
}

func TestReadRequest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "request.json")
	for text, want := range map[string]string{
		`{"Release":"web","Timeout":90,"Objects":[{"kind":"ConfigMap","big":9223372036854775807}]}`: "",
		`{"Relaese":"web"}`: `unknown field "Relaese"`,
		`{`:                 "read the request: unexpected EOF",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, _ := quiet()
		err := s.read(file)
		switch {
		case want != "":
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error is %v, want one with %q", text, err, want)
			}
		case err != nil || s.limit != 90*time.Second || len(s.Objects) != 1:
			t.Errorf("%s: %+v, %v", text, s.request, err)
		default:
			if n, _ := s.Objects[0].Int("big"); n != 9223372036854775807 {
				t.Errorf("%v", s.Objects[0])
			}
		}
	}
	s, _ := quiet()
	if err := s.read(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there was read")
	}
	s.Files = map[string]string{"Service/web": "web.yaml"}
	if s.origin(named("v1", "Service", "web")) != "web.yaml: Service/web" || s.origin(named("v1", "Service", "api")) != "Service/api" {
		t.Error("origin")
	}
	if unfit(nil) != nil {
		t.Error("manifests without a finding are refused")
	}
}
