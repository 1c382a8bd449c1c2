package main

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/gosource"
	"dagger/slipway/internal/platform"
)

// withCgo says whether C is compiled.
func (s *Slipway) withCgo() bool { return s.Cgo != nil && *s.Cgo }

// buildTags are those that programs are built with.
func (s *Slipway) buildTags() []string {
	if !s.withCgo() {
		return s.Tags
	}
	// Go's own resolver and user database, as without cgo: those of C look for files that
	// an image from nothing has not. Nor is there anything that SQLite could load.
	return slices.Concat(s.Tags, []string{"netgo", "osusergo", "sqlite_omit_load_extension"})
}

// onlyWithCgo is the refusal of a program of which these packages do nothing without cgo.
func onlyWithCgo(packages string) error {
	return fmt.Errorf("these packages work only with C (cgo), which is left out of the program: %s; give --cgo before the function's name "+
		"to compile it too, for the engine's own platform alone, or --cgo=false if the program does without", packages)
}

// foreignPackages is what is known, with regard to cgo, of the packages of other modules in a program.
type foreignPackages struct {
	names map[string]string // of those whose C is left out, by import path
	only  []string          // those that have only an error in its place
}

// foreignCgo looks at a program's packages of other modules. What it finds depends on which of
// them are imported and not on the code that does: an edit of that repeats nothing.
func (s *Slipway) foreignCgo(ctx context.Context, modules *dagger.Container, imports []string, p platform.Platform,
) (foreignPackages, error) {
	found := foreignPackages{names: map[string]string{}}
	if len(imports) == 0 {
		return found, nil
	}
	run := func(cgo string, args ...string) (string, error) {
		// Into a file, as what modules say is not for the log. What cannot be looked at is not refused:
		// what is broken, the build says, which came before, or the linter.
		return s.forPlatform(modules, p).WithEnvVariable("CGO_ENABLED", cgo).
			WithExec(silent("/said", args...), dagger.ContainerWithExecOpts{Expect: dagger.ReturnTypeAny}).
			File("/said").Contents(ctx)
	}
	list := func(cgo, which, format string) (string, error) {
		return run(cgo, slices.Concat([]string{
			"go", "list", "-e", "-deps", "-tags", strings.Join(s.buildTags(), ","), "-f", "{{if " + which + "}}" + format + "{{end}}", "--",
		}, imports)...)
	}
	const sep = "\t"
	with, err := list("1", "and .CgoFiles (not .Standard)",
		"{{.ImportPath}}"+sep+"{{.Name}}"+sep+`{{join .GoFiles "/"}}/{{join .CgoFiles "/"}}`)
	if err != nil || with == "" {
		return found, err
	}
	filesWith := map[string][]string{}
	for line := range strings.Lines(with) {
		if f := strings.Split(strings.TrimSpace(line), sep); len(f) == 3 {
			found.names[f[0]] = f[1]
			filesWith[f[0]] = strings.Split(f[2], "/")
		}
	}
	without, err := list("0", "not .Standard", "{{.ImportPath}}"+sep+"{{.Dir}}"+sep+`{{join .GoFiles "/"}}`)
	if err != nil {
		return found, err
	}
	for line := range strings.Lines(without) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), sep)
		if len(f) != 3 || filesWith[f[0]] == nil || f[2] == "" {
			continue
		}
		for file := range strings.SplitSeq(f[2], "/") {
			if slices.Contains(filesWith[f[0]], file) {
				continue
			}
			text, err := run("0", "cat", path.Join(f[1], file))
			if err != nil {
				return found, err
			}
			if gosource.NamesCgo(text) {
				found.only = append(found.only, f[0])
				break
			}
		}
	}
	return found, nil
}

var noted sync.Map // lists of packages

// note says once of which packages, of the source and of other modules, a Go form is taken in place of C.
func (f foreignPackages) note(own string) {
	packages := slices.Sorted(maps.Keys(f.names))
	if own != "" {
		packages = slices.Concat([]string{own}, packages)
	}
	if len(packages) == 0 {
		return
	}
	list := strings.Join(packages, ", ")
	if _, again := noted.LoadOrStore(list, true); again {
		return
	}
	fmt.Fprintf(os.Stderr, "note: these packages have C (cgo), which is left out, and Go in its place: %s; --cgo compiles the C, "+
		"--cgo=false leaves this note out\n", list)
}

// checkStatic refuses a program that needs a dynamic linker, which an image from nothing has not.
func checkStatic(ctx context.Context, program *dagger.File) error {
	dir, err := os.MkdirTemp("", "program")
	if err != nil {
		return err
	}
	file, err := program.Export(ctx, filepath.Join(dir, "program"))
	if err != nil {
		return err
	}
	read, err := elf.Open(file)
	if err != nil {
		return fmt.Errorf("the linker of --go-image made no program for Linux: %w", err)
	}
	defer func() { _ = read.Close() }()
	for _, segment := range read.Progs {
		if segment.Type == elf.PT_INTERP {
			return errors.New("the program is not static, although it was linked with -static: take what asks for " +
				"shared libraries (-Wl,-Bdynamic, -shared, -pie) out of the #cgo lines, or give another --go-image")
		}
	}
	return nil
}
