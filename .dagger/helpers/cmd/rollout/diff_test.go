package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"slipway/helpers/internal/object"
)

var update = flag.Bool("update", false, "write what comes out to testdata")

// golden compares a text with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "diff", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || got != string(want) {
		t.Errorf("%v: got\n%s\nwant\n%s", err, got, want)
	}
}

const liveConfig = `
apiVersion: v1
kind: ConfigMap
metadata:
  name: web
  namespace: shop
  uid: u
  resourceVersion: "7"
  creationTimestamp: "2026-01-01T00:00:00Z"
  labels: {app.kubernetes.io/version: v1, app: web}
  annotations: {slipway/release: shop.web, slipway/revision: abc, slipway/version: v1}
  managedFields: [{manager: slipway, operation: Apply, fieldsV1: {"f:data": {}}}]
data: {same: "1", changed: old, gone: x}
`

const mergedConfig = `
apiVersion: v1
kind: ConfigMap
metadata:
  name: web
  namespace: shop
  uid: u
  resourceVersion: "7"
  labels: {app.kubernetes.io/version: v2, app: web}
  annotations: {slipway/release: shop.web, slipway/revision: def, slipway/version: v2, team: blue}
  managedFields:
  - {manager: slipway, operation: Apply, fieldsV1: {"f:data": {}}}
  - {manager: kubectl-edit, operation: Update, fieldsV1: {"f:data": {"f:by-hand": {}}}}
data: {same: "1", changed: new, added: "3", by-hand: "2"}
`

const liveSecret = `
apiVersion: v1
kind: Secret
metadata:
  name: web
  annotations:
    team: blue
    kubectl.kubernetes.io/last-applied-configuration: '{"data":{"password":"aHVudGVyMg=="}}'
data: {password: aHVudGVyMg==, same: c2FtZQ==, gone: Z29uZQ==}
`

const mergedSecret = `
apiVersion: v1
kind: Secret
metadata: {name: web, annotations: {team: blue}}
data: {password: Y29ycmVjdA==, same: c2FtZQ==, added: YWRkZWQ=}
`

const failedJob = `
apiVersion: batch/v1
kind: Job
metadata: {name: migrate}
spec: {backoffLimit: 1}
status: {failed: 1}
`

func TestChangeText(t *testing.T) {
	config, secret, job := parse(t, liveConfig), parse(t, liveSecret), parse(t, failedJob)
	again := job.Clone()
	again.Set(2, "spec", "backoffLimit")
	again.Delete("status")
	stamped := parse(t, mergedConfig)
	stamped["data"] = config["data"]
	stamped.Delete("metadata", "annotations", "team")
	for name, ch := range map[string]*change{
		"changed":      {wanted: config, live: config, merged: parse(t, mergedConfig)},
		"new":          {wanted: config, merged: parse(t, mergedConfig)},
		"stamps-only":  {wanted: config, live: config, merged: stamped},
		"same":         {wanted: config, live: config, merged: config},
		"unknown-yet":  {wanted: config},
		"default":      {wanted: config, live: config},
		"secret":       {wanted: secret, live: secret, merged: parse(t, mergedSecret)},
		"secret-new":   {wanted: secret, merged: parse(t, mergedSecret)},
		"made-again":   {wanted: job, live: job, merged: again, replace: true},
		"secret-alike": {wanted: secret, live: parse(t, mergedSecret), merged: parse(t, mergedSecret)},
	} {
		t.Run(name, func(t *testing.T) {
			live := ch.live.Clone()
			text, err := ch.text()
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, text)
			if !reflect.DeepEqual(ch.live, live) {
				t.Error("the live object itself has changed")
			}
			for _, value := range []string{"aHVudGVyMg", "Y29ycmVjdA", "c2FtZQ"} {
				if strings.Contains(text, value) {
					t.Errorf("a value of a Secret is shown: %s", value)
				}
			}
		})
	}
}

func TestPrintDifferences(t *testing.T) {
	s, _ := quiet()
	config := parse(t, liveConfig)
	for name, p := range map[string]*plan{
		"plan": {
			changes: []*change{
				{wanted: config, live: config, merged: parse(t, mergedConfig)},
				{wanted: parse(t, failedJob), live: annotated(parse(t, failedJob), "meta.helm.sh/release-name", "old"), merged: parse(t, failedJob),
					foreign: true},
			},
			removals: []object.Object{thing("v1", "Service")},
			kept:     []kept{{thing("v1", "PersistentVolumeClaim"), "it holds data"}},
		},
		"plan-same": {changes: []*change{{wanted: config, live: config, merged: config}}, kept: []kept{{thing("v1", "Secret"), "so be it"}}},
	} {
		var out bytes.Buffer
		different, err := s.printDifferences(&out, p)
		if err != nil || different != (name == "plan") {
			t.Errorf("%s: %v, %v", name, different, err)
		}
		golden(t, name, out.String())
	}
}

func TestWithoutStamps(t *testing.T) {
	if withoutStamps(nil) != nil {
		t.Error("nothing is something")
	}
	o := parse(t, liveConfig)
	got := withoutStamps(o)
	want := parse(t,
		`{apiVersion: v1, kind: ConfigMap, metadata: {name: web, namespace: shop, labels: {app: web}}, data: {same: "1", changed: old, gone: x}}`)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	if o.UID() != "u" || o.Annotation(revisionKey) != "abc" {
		t.Error("the object itself has changed")
	}
}

func TestMask(t *testing.T) {
	old, present := withoutStamps(parse(t, liveSecret)), withoutStamps(parse(t, mergedSecret))
	mask(old, present)
	for path, want := range map[string]string{"password": "*** (before)", "same": "***", "gone": "***"} {
		if got := old.Text("data", path); got != want {
			t.Errorf("before: %s is %q, want %q", path, got, want)
		}
	}
	for path, want := range map[string]string{"password": "*** (after)", "same": "***", "added": "***"} {
		if got := present.Text("data", path); got != want {
			t.Errorf("after: %s is %q, want %q", path, got, want)
		}
	}
	if old.Annotation("kubectl.kubernetes.io/last-applied-configuration") != "" {
		t.Error("kubectl's copy of the Secret is shown")
	}
	mask(nil, parse(t, mergedSecret)) // a new one
}
