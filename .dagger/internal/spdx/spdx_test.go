package spdx

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

type file struct {
	name string
	kind byte
	body []byte
}

func layer(t *testing.T, files ...file) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Typeflag: f.kind, Size: int64(len(f.body)), Mode: 0o555}
		if f.kind == tar.TypeSymlink {
			h.Linkname, h.Size = "/elsewhere", 0
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if f.kind == tar.TypeReg {
			if _, err := w.Write(f.body); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func image(t *testing.T, entrypoint []string, layers ...v1.Layer) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(empty.Image, layers...)
	if err == nil {
		img, err = mutate.Config(img, v1.Config{Entrypoint: entrypoint})
	}
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/hello\n\ngo 1.26\n", "main.go": "package main\n\nfunc main() {}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", "hello", ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program, err := os.ReadFile(filepath.Join(dir, "hello"))
	if err != nil {
		t.Fatal(err)
	}
	is := func(name string) file { return file{name, tar.TypeReg, program} }
	old := file{"hello", tar.TypeReg, []byte("what was there before")}
	other := file{"etc/passwd", tar.TypeReg, nil}
	for name, c := range map[string]struct {
		img  v1.Image
		want string
	}{
		"in a layer":       {image(t, []string{"/hello"}, layer(t, other, is("hello"))), ""},
		"with a slash":     {image(t, []string{"/hello"}, layer(t, is("/hello")), layer(t, other)), ""},
		"over another one": {image(t, []string{"/hello"}, layer(t, old), layer(t, is("./hello"))), ""},
		"nowhere":          {image(t, []string{"/hello"}, layer(t, other)), "/hello is in none of the image's layers"},
		"a link":           {image(t, []string{"/hello"}, layer(t, file{"hello", tar.TypeSymlink, nil})), "/hello is in none"},
		"no Go":            {image(t, []string{"/hello"}, layer(t, old)), "/hello says nothing of how Go built it"},
		"under another":    {image(t, []string{"/hello"}, layer(t, is("hello")), layer(t, old)), "/hello says nothing of how Go built it"},
		"no entrypoint":    {image(t, nil, layer(t, is("hello"))), "the image has no entrypoint"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Read("linux/amd64", c.img, "")
			switch {
			case c.want == "" && err != nil:
				t.Fatal(err)
			case c.want == "" && (got.Info.Path != "example.com/hello" || len(got.SHA256) != 64 || !strings.HasPrefix(got.Image, "sha256:")):
				t.Errorf("read %+v", got)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestAll(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	is := func(name string, body []byte) file { return file{name, tar.TypeReg, body} }
	img := image(t, nil,
		layer(t, is("bin/a", program), is("bin/gone", program), is("bin/c", []byte("\x7fELF of C")), is("short", []byte("x"))),
		layer(t, is("bin/gone", []byte("a script")), is("b", program)))
	all, err := All("linux/amd64", img)
	if err != nil || len(all) != 2 || all[0].Path != "/b" || all[1].Path != "/bin/a" || all[1].Info == nil || len(all[0].Content) != len(program) {
		t.Errorf("%d programs, %v", len(all), err)
	}
}

func TestDescribe(t *testing.T) {
	gin := &debug.Module{Path: "github.com/gin-gonic/gin", Version: "v1.11.0", Sum: "h1:abc="}
	newer := &debug.Module{Path: "example.com/late", Version: "v2.0.0+incompatible"}
	forked := &debug.Module{Path: "example.com/old", Version: "v1.0.0",
		Replace: &debug.Module{Path: "example.com/fork", Version: "v1.0.1", Sum: "h1:def="}}
	local := &debug.Module{Path: "example.com/beside", Version: "v0.0.0", Replace: &debug.Module{Path: "../beside"}}
	beside := &debug.Module{Path: "example.com/workspace", Version: "(devel)"}
	odd := &debug.Module{Path: "git.sr.ht/~acme/c++", Version: "v0.0.0-20260102030405-0123456789ab"}
	program := func(platform string, deps ...*debug.Module) Program {
		return Program{platform, "sha256:11" + platform, "/hello", nil, "22" + platform,
			&debug.BuildInfo{GoVersion: "go1.26.8 X:nodwarf5", Path: "example.com/hello/cmd/hello", Deps: deps}}
	}
	programs := []Program{program("linux/amd64", gin, forked, local, beside, odd), program("linux/arm64", newer, gin)}
	d := Describe("sha256:00", "1.2.3", "docker.io/library/debian:13@sha256:33", programs)
	if again := Describe("sha256:00", "1.2.3", "docker.io/library/debian:13@sha256:33", programs); !reflect.DeepEqual(d, again) {
		t.Error("the same programs are described in two ways")
	}
	modules := []Module{
		{"example.com/fork", "v1.0.1", "example.com/old"}, {"example.com/late", "v2.0.0+incompatible", "example.com/late"},
		{odd.Path, odd.Version, odd.Path},
		{"github.com/gin-gonic/gin", "v1.11.0", "github.com/gin-gonic/gin"}, {"stdlib", "1.26.8", "stdlib"},
	}
	if got := Modules(programs); !reflect.DeepEqual(got, modules) {
		t.Errorf("modules %v, want %v", got, modules)
	}

	packages := map[string]Package{}
	for _, p := range d.Packages {
		if other, twice := packages[p.ID]; twice {
			t.Errorf("%s is both %s and %s", p.ID, other.Name, p.Name)
		}
		packages[p.ID] = p
	}
	var told []string
	packages[documentID] = Package{Name: "document"}
	for _, r := range d.Relationships {
		from, to := packages[r.From], packages[r.To]
		if from.Name == "" || to.Name == "" {
			t.Errorf("%v leads nowhere", r)
		}
		told = append(told, from.Name+" "+r.Type+" "+to.Name)
	}
	for _, want := range []string{
		"document DESCRIBES hello", "hello for linux/arm64 VARIANT_OF hello", "hello for linux/amd64 CONTAINS example.com/hello/cmd/hello",
		"hello for linux/amd64 DESCENDANT_OF docker.io/library/debian:13", "example.com/hello/cmd/hello DEPENDS_ON stdlib", "example.com/hello/cmd/hello DEPENDS_ON example.com/fork",
		"example.com/hello/cmd/hello DEPENDS_ON example.com/beside",
	} {
		if !slices.Contains(told, want) {
			t.Errorf("%q is missing among\n%s", want, strings.Join(told, "\n"))
		}
	}

	for name, want := range map[string][3]string{ // version, purl, comment
		"github.com/gin-gonic/gin": {"v1.11.0", "pkg:golang/github.com/gin-gonic/gin@v1.11.0", "go.sum: h1:abc="},
		"stdlib":                   {"1.26.8", "pkg:golang/stdlib@1.26.8", ""},
		"example.com/late":         {"v2.0.0+incompatible", "pkg:golang/example.com/late@v2.0.0%2Bincompatible", ""},
		"example.com/fork":         {"v1.0.1", "pkg:golang/example.com/fork@v1.0.1", "go.sum: h1:def=; in place of example.com/old v1.0.0"},
		"example.com/beside":       {"", "", "in place of v0.0.0: ../beside of the source"},
		"example.com/workspace":    {"(devel)", "", ""},
		"git.sr.ht/~acme/c++": {
			"v0.0.0-20260102030405-0123456789ab", "pkg:golang/git.sr.ht/~acme/c%2B%2B@v0.0.0-20260102030405-0123456789ab", "",
		},
		"hello": {"1.2.3", "", ""},
	} {
		i := slices.IndexFunc(d.Packages, func(p Package) bool { return p.Name == name })
		if i < 0 {
			t.Errorf("no package %s", name)
			continue
		}
		p, purl := d.Packages[i], ""
		if len(p.Refs) > 0 {
			purl = p.Refs[0].Locator
		}
		if got := [3]string{p.Version, purl, p.Comment}; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
