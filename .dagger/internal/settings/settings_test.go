package settings

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const module = `package main

type Ship struct{}

func New(ctx context.Context, args struct {
	Workspace *dagger.Workspace
	Package   string
	PlainHttp bool
}) (*Ship, error) { return nil, nil }

func (s *Ship) Sail(ctx context.Context, from, to string, cargo *dagger.Directory) {}

func (s Ship) Sink(ctx context.Context, args struct{ DryRun bool }) {}

func (s *Ship) moor(where string) {}

func (o *Other) Do(what string) {}

func Help(about string) {}
`

func TestNames(t *testing.T) {
	files := fstest.MapFS{
		"main.go":       {Data: []byte(module)},
		"dagger.gen.go": {Data: []byte("package main\n\nfunc (s *Ship) UnmarshalJSON(bs []byte) error { return nil }\n")},
		"readme.md":     {Data: []byte("# no Go")},
	}
	got, err := Names(files, "Ship")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"PACKAGE", "PLAINHTTP", "SAIL_FROM", "SAIL_TO", "SAIL_CARGO", "SINK_DRYRUN"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := Names(fstest.MapFS{"main.go": {Data: []byte("no Go")}}, "Ship"); err == nil {
		t.Error("what is no Go was read")
	}
}

func TestCheck(t *testing.T) {
	names := []string{"PACKAGE", "REPOSITORY", "REGISTRYCONFIG", "REGISTRYCA", "DEPLOY_TIMEOUT", "TAGS"}
	for text, want := range map[string]string{
		"":                                                  "",
		"OTHER=hunter2\n":                                   "",
		"SLIPWAY_REPOSITORY=hunter2\n":                      "",
		"slipway_Repository=hunter2":                        "",
		"export SLIPWAY_PACKAGE=hunter2":                    "",
		"  SLIPWAY_DEPLOY_TIMEOUT = 5m\r\n":                 "",
		"# SLIPWAY_REPOSITRY=hunter2":                       "",
		"A=SLIPWAY_REPOSITRY=hunter2":                       "",
		"SLIPWAY_REPOSITRY=hunter2":                         "SLIPWAY_REPOSITRY is not a setting: write SLIPWAY_REPOSITORY",
		"A=b\nexport slipway_packge=hunter2\nSLIPWAY_TAG=x": "SLIPWAY_PACKGE is not a setting: write SLIPWAY_PACKAGE",
		"SLIPWAY_REGISTRY_CONFIG=hunter2":                   "SLIPWAY_REGISTRY_CONFIG is not a setting: write SLIPWAY_REGISTRYCONFIG",
		"SLIPWAY_DEPLOYTIMEOUT=hunter2":                     "SLIPWAY_DEPLOYTIMEOUT is not a setting: write SLIPWAY_DEPLOY_TIMEOUT",
		"SLIPWAY_TIMEOUT=hunter2":                           "SLIPWAY_TIMEOUT is not a setting",
		"SLIPWAY_QUITE_OTHER=hunter2":                       "SLIPWAY_QUITE_OTHER is not a setting: take the line away",
		"SLIPWAY_":                                          "SLIPWAY_ is not a setting",
		"SLIPWAY_REPOSITRY hunter2":                         "",
	} {
		err := Check(text, "SLIPWAY_", names)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the error shows a value: %v", text, err)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "ab", 2}, {"ab", "", 2}, {"abc", "abc", 0}, {"abc", "acb", 2}, {"kitten", "sitting", 3}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%q to %q: got %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
