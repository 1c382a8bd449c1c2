package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// moduleProxy is a file tree that serves a module of one package, and the go.sum that pins it.
func moduleProxy(t *testing.T, dir, module, version, content string) (sums string) {
	t.Helper()
	base := filepath.Join(dir, module, "@v")
	goMod := "module " + module + "\n"
	write(t, filepath.Join(base, "list"), version+"\n")
	write(t, filepath.Join(base, version+".info"), `{"Version":"`+version+`"}`)
	write(t, filepath.Join(base, version+".mod"), goMod)
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for name, content := range map[string]string{"go.mod": goMod, "p.go": content} {
		f, err := w.Create(module + "@" + version + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(base, version+".zip"), archive.String())

	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module+"@"+version)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "GOPROXY=file://"+dir, "GOSUMDB=off", "GOFLAGS=-modcacherw", "GOMODCACHE="+t.TempDir(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var info struct{ Sum, GoModSum string }
	if err := json.Unmarshal(out, &info); err != nil {
		t.Fatal(err)
	}
	return module + " " + version + " " + info.Sum + "\n" + module + " " + version + "/go.mod " + info.GoModSum + "\n"
}

// trusting is an environment in which Go itself would take any module for what it is not.
func trusting(t *testing.T) {
	t.Helper()
	t.Setenv("GOMODCACHE", t.TempDir())
	t.Setenv("GOENV", filepath.Join(t.TempDir(), "env"))
	write(t, os.Getenv("GOENV"), "GOFLAGS=-mod=mod -modcacherw\n")
	for name, value := range map[string]string{
		"GOSUMDB": "off", "GONOSUMDB": "*", "GONOSUMCHECK": "1", "GOPRIVATE": "*",
		"GONOPROXY": "none", "GOINSECURE": "*", "GOFLAGS": "-mod=mod -modcacherw",
	} {
		t.Setenv(name, value)
	}
	// Go writes its module cache read-only, and a test's directory must be removable.
	t.Cleanup(func() { _ = exec.Command("chmod", "-R", "u+w", os.Getenv("GOMODCACHE")).Run() })
}

var pins = map[string]struct {
	sums func(string) string
	want string // part of the error
}{
	"pinned":          {func(s string) string { return s }, ""},
	"no go.sum":       {func(string) string { return "" }, "go.sum"},
	"only its go.mod": {func(s string) string { return s[strings.Index(s, "\n")+1:] }, "go.sum"},
	"another hash": {func(s string) string {
		line, rest, _ := strings.Cut(s, "\n")
		module, _, _ := strings.Cut(line, " h1:")
		return module + " h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" + rest
	}, "checksum mismatch"},
}

func TestProgramsAreBuiltOfPinnedModulesOnly(t *testing.T) {
	for name, pin := range pins {
		t.Run(name, func(t *testing.T) {
			trusting(t)
			proxy, source := t.TempDir(), t.TempDir()
			sums := moduleProxy(t, proxy, "example.com/dep", "v1.0.0", "package dep\n")
			t.Setenv("GOPROXY", "file://"+proxy)
			program := filepath.Join(source, "program")
			write(t, filepath.Join(program, "go.mod"), "module program\n\ngo 1.26\n\nrequire example.com/dep v1.0.0\n")
			write(t, filepath.Join(program, "main.go"), "package main\n\nimport _ \"example.com/dep\"\n\nfunc main() {}\n")
			write(t, filepath.Join(program, "go.sum"), pin.sums(sums))
			var log bytes.Buffer
			err := goBuild(t.Context(), &Build{Dir: t.TempDir(), Source: source, Log: &log}, goVersion, "program", ".", "")
			judge(t, pin.want, err, log.String())

			// The lab's own program is built by lab/run.
			script, readErr := os.ReadFile("run")
			if readErr != nil {
				t.Fatal(readErr)
			}
			write(t, filepath.Join(program, "run"), string(script))
			t.Setenv("GOMODCACHE", t.TempDir())
			cache, err := exec.Command("go", "env", "GOCACHE").Output()
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv("GOCACHE", strings.TrimSpace(string(cache)))
			t.Setenv("XDG_CACHE_HOME", t.TempDir())
			out, err := exec.CommandContext(t.Context(), "sh", filepath.Join(program, "run")).CombinedOutput()
			judge(t, pin.want, err, string(out))
		})
	}
}

func TestSDKImageHoldsPinnedModulesOnly(t *testing.T) {
	for name, pin := range pins {
		t.Run(name, func(t *testing.T) {
			trusting(t)
			source, root := t.TempDir(), t.TempDir()
			proxy := filepath.Join(source, "gosdk", "goproxy")
			sums := moduleProxy(t, proxy, "dagger.io/dagger", "v0.21.8", "package dagger\n")
			_, commit, _ := strings.Cut(goSDKLibrary, "@")
			write(t, filepath.Join(proxy, "dagger.io/dagger/@v", commit+".info"), `{"Version":"v0.21.8"}`)
			t.Setenv("GOPROXY", "off")
			seed := filepath.Join(source, "gosdk", "_seed")
			write(t, filepath.Join(seed, "go.mod"), "module dagger/seed\n\ngo 1.26\n")
			write(t, filepath.Join(seed, "main.go"), "package main\n\nfunc main() {}\n")
			write(t, filepath.Join(seed, "go.sum"), pin.sums(sums))
			var log bytes.Buffer
			err := fillModuleCache(t.Context(), &Build{Source: source, Log: &log}, "go", root)
			_ = exec.Command("chmod", "-R", "u+w", root).Run()
			judge(t, pin.want, err, log.String())
		})
	}
}

func judge(t *testing.T, want string, err error, log string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%v\n%s", err, log)
	case want != "" && err == nil:
		t.Error("it was taken")
	case want != "" && !strings.Contains(err.Error()+log, want):
		t.Errorf("%q is missing from: %v\n%s", want, err, log)
	}
}

func TestGeneratedModulesArePinned(t *testing.T) {
	pinned, err := os.ReadFile("gosdk/_seed/go.sum")
	if err != nil {
		t.Fatal(err)
	}
	for _, module := range generatedModules {
		if !strings.Contains("\n"+string(pinned), "\n"+module+" v") {
			t.Errorf("the checksum database is not asked about %s, and no hash of it is in gosdk/_seed/go.sum", module)
		}
	}
}
