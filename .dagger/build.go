package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/goerror"
	"dagger/slipway/internal/linkvars"
	"dagger/slipway/internal/modpath"
	"dagger/slipway/internal/platform"
)

// Build the service's container image.
//
// It is made from nothing, or from --base: the static binary with time zones, CA roots, a passwd and
// group with user 65532, its home, /tmp, the port and the OCI labels. It says of no time when it was made, which
// the source does not tell. The revision it is stamped with is the commit that is checked out; it ends in -dirty if
// a file that the image is made of is not as it is there.
//
// A source that does not compile ends in the compiler's lines; a package that
// is no main names the main packages there are.
//
//	dagger call build export --path hello.tar && docker load -i hello.tar
func (s *Slipway) Build(
	ctx context.Context,
	// Platform to build for: linux/386, linux/amd64, linux/arm/v6, linux/arm/v7, linux/arm64, linux/ppc64le,
	// linux/riscv64 or linux/s390x. Default: the engine's own.
	//
	// +optional
	platform dagger.Platform,
) (*dagger.Container, error) {
	p, err := s.supported(ctx, platform)
	if err != nil {
		return nil, err
	}
	beside, err := s.beside(ctx)
	if err != nil {
		return nil, err
	}
	bin, st, err := s.compile(ctx, p)
	if err != nil {
		return nil, err
	}
	name, err := bin.Name(ctx)
	if err != nil {
		return nil, err
	}
	port, err := s.port(ctx)
	if err != nil {
		return nil, err
	}
	ctr, err := s.foundation(ctx, p)
	if err != nil {
		return nil, err
	}
	ctr = ctr.
		WithFile("/"+name, bin, dagger.ContainerWithFileOpts{Permissions: 0o555}).
		WithUser(user+":"+user).
		WithExposedPort(port).
		WithEntrypoint([]string{"/" + name}).
		WithLabel(titleLabel, name).
		WithLabel(versionLabel, st.version).
		WithLabel(revisionLabel, st.revision)
	if url, err := s.sourceURL(ctx); err != nil {
		return nil, err
	} else if url != "" {
		ctr = ctr.WithLabel(sourceLabel, url)
	}
	return beside.put(ctx, ctr, p)
}

// Build the service as one static executable, the first of --package.
//
//	dagger call binary --platform linux/arm64 export --path hello
func (s *Slipway) Binary(
	ctx context.Context,
	// Platform to build for: linux/386, linux/amd64, linux/arm/v6, linux/arm/v7, linux/arm64, linux/ppc64le,
	// linux/riscv64 or linux/s390x. Default: the engine's own.
	//
	// +optional
	platform dagger.Platform,
) (*dagger.File, error) {
	p, err := s.supported(ctx, platform)
	if err != nil {
		return nil, err
	}
	bin, _, err := s.compile(ctx, p)
	return bin, err
}

// Run the service's container, with what its smoke.yaml says it needs.
//
//	dagger call serve up --ports 8080:8080
//
// +up
func (s *Slipway) Serve(ctx context.Context) (*dagger.Service, error) {
	ctr, err := s.running(ctx, "serve")
	if err != nil {
		return nil, err
	}
	return ctr.AsService(dagger.ContainerAsServiceOpts{UseEntrypoint: true}), nil
}

// caches are Go's two caches for one purpose. What goes wrong in the containers of
// one purpose cannot write where another reads.
type caches struct {
	name string
	race bool // for -race, by which Go compiles every package anew
}

// of are those of one source, which no other's build slows, or reads.
func (c caches) of(code code) caches { return caches{c.name + "-" + code.source, c.race} }

var (
	buildCaches  = caches{name: "build"}            // of the programs that are published
	cgoCaches    = caches{name: "cgo"}              // of those for which C is compiled, which asks for more than go does
	testCaches   = caches{name: "test", race: true} // of test programs, for which C is compiled too
	lintCaches   = caches{name: "lint"}             // golangci-lint obeys the source's configuration
	helperCaches = caches{name: "helpers"}          // of our own programs; no source is compiled with them
	scanCaches   = caches{name: "scan"}             // of the programs that only read a source
)

// library has the packages of Go's own library that nearly every service has, and so have our helpers, compiled. It is
// a layer, in which no source has a part, and every cache of compiled packages begins with it. The flags are those of
// most of what is compiled later, since Go knows compiled packages by their flags.
func (s *Slipway) library(c caches) *dagger.Directory {
	flags := plainFlags()
	ctr := s.toolchain()
	if c.race {
		flags = []string{"-race"}
	} else {
		ctr = ctr.WithEnvVariable("CGO_ENABLED", "0")
	}
	return ctr.
		WithDirectory(buildCache, dag.Directory()).
		// Where Go lacks one of them, or the race detector, the caches begin empty.
		WithExec(silent("/dev/null", slices.Concat([]string{"go", "build"}, flags, libraryPackages)...),
			dagger.ContainerWithExecOpts{Expect: dagger.ReturnTypeAny}).
		Directory(buildCache)
}

var libraryPackages = []string{"database/sql", "encoding/json", "html/template", "log/slog", "net/http", "os/signal", "testing"}

// plainFlags are those of all that is compiled without the race detector.
func plainFlags(tags ...string) []string {
	return []string{"-trimpath", "-tags=" + plainTags(tags...)}
}

func plainTags(tags ...string) string {
	return strings.Join(append(slices.Clone(tags), "timetzdata"), ",")
}

// golang is the Go toolchain with caches, without any source. It may compile a
// source but must not run it: whoever writes to the caches has a say in what others
// build. So go neither fetches the toolchain that a go.mod names nor asks a
// version control system, whose configuration in the source may name programs.
func (s *Slipway) golang(c caches) *dagger.Container {
	return s.toolchain().
		WithMountedCache(moduleCache, dag.CacheVolume("slipway-"+c.name+"-mod")).
		With(s.compiled(c, "")).
		WithWorkdir("/src")
}

// compiled mounts the cache of compiled packages.
func (s *Slipway) compiled(c caches, suffix string) dagger.WithContainerFunc {
	return func(ctr *dagger.Container) *dagger.Container {
		return ctr.WithMountedCache(buildCache, c.volume(suffix), dagger.ContainerWithMountedCacheOpts{Source: s.library(c)})
	}
}

// volume is the cache of compiled packages. Dagger has another for each thing that it begins with.
func (c caches) volume(suffix string) *dagger.CacheVolume {
	return dag.CacheVolume("slipway-" + c.name + "-build" + suffix)
}

// toolchain is the same without caches.
func (s *Slipway) toolchain() *dagger.Container {
	return dag.Container().From(s.GoImage).
		WithEnvVariable("GOTOOLCHAIN", "local").
		WithEnvVariable("GOFLAGS", goFlags)
}

// goFlags are those of each go command.
const goFlags = "-buildvcs=false"

// goFlags are those of each go command for this code.
func (c code) goFlags() string {
	if c.vendored {
		return goFlags + " -mod=vendor"
	}
	return goFlags
}

// workspace is the toolchain with the code in place and its dependencies downloaded,
// unless they are in the source. Only go.mod, go.sum and their like reach the download,
// so that an edit of the code does not repeat it.
func (s *Slipway) workspace(ctx context.Context, c caches, code code) (*dagger.Container, error) {
	files, err := code.files(ctx, code.used.Files)
	if err != nil {
		return nil, err
	}
	ctr, err := s.modules(ctx, c, code)
	if err != nil {
		return nil, err
	}
	if !code.vendored && !s.fetch().Any() {
		if ctr, err = s.quiet(ctx, ctr, "go", "mod", "download"); err != nil {
			return nil, s.goCause(ctx, execCause(err), code, nil)
		}
	}
	return ctr.WithMountedDirectory("/src", files), nil
}

// modules is the toolchain with what says which modules the code needs, and without the code,
// unless its dependencies are in it. Modules that everybody may read are not there yet: go build
// downloads those it needs, which are not all, while it compiles.
func (s *Slipway) modules(ctx context.Context, c caches, code code) (*dagger.Container, error) {
	ctr, err := s.modulesOf(ctx, c.of(code), code)
	if err == nil && code.noWork {
		ctr = ctr.WithEnvVariable("GOWORK", "off")
	}
	return ctr, err
}

func (s *Slipway) modulesOf(ctx context.Context, c caches, code code) (*dagger.Container, error) {
	ctr := s.golang(c).WithWorkdir(path.Join("/src", code.dir))
	if code.vendored {
		files, err := code.files(ctx, code.used.Files)
		return ctr.WithEnvVariable("GOFLAGS", code.goFlags()).WithMountedDirectory("/src", files), err
	}
	modules, err := code.files(ctx, code.modules)
	if err != nil {
		return nil, err
	}
	if s.fetch().Any() {
		return s.privateModules(ctx, c, code, modules)
	}
	return ctr.WithMountedDirectory("/src", modules), nil
}

// goBuild is what runs go build of a program.
type goBuild struct {
	code    code
	modules *dagger.Container // without the code
	ctr     *dagger.Container
	args    []string
	stamp   stamp
}

func (s *Slipway) goBuild(ctx context.Context, p platform.Platform) (goBuild, error) {
	pkg, err := s.mainPackage(ctx)
	if err != nil {
		return goBuild{}, err
	}
	st, err := s.stamp(ctx)
	if err != nil {
		return goBuild{}, err
	}
	code, err := s.program(ctx, pkg, s.buildsFor(p))
	if err != nil {
		return goBuild{}, err
	}
	if len(code.used.OnlyCgo) > 0 && s.Cgo == nil {
		return goBuild{}, onlyWithCgo(s.choice(code.used.OnlyCgo))
	}
	ldflags, err := linkvars.Flags(s.LinkVars, st.version, st.revision)
	if err != nil {
		return goBuild{}, err
	}
	ldflags = "-s -w" + ldflags
	if s.withCgo() {
		ldflags += " -linkmode external -extldflags -static"
	}
	modules, err := s.modules(ctx, s.programCaches(), code)
	if err != nil {
		return goBuild{}, err
	}
	files, err := code.files(ctx, code.used.Files)
	if err != nil {
		return goBuild{}, err
	}
	return goBuild{
		code:    code,
		modules: modules,
		ctr:     s.forPlatform(modules, p).WithMountedDirectory("/src", files).WithDirectory("/out", dag.Directory()),
		args: slices.Concat([]string{"go", "build"}, plainFlags(s.buildTags()...),
			[]string{"-ldflags", ldflags, "-o", "/out/", code.patterns[0]}),
		stamp: st,
	}, nil
}

func (s *Slipway) programCaches() caches {
	if s.withCgo() {
		return cgoCaches
	}
	return buildCaches
}

// compile returns the package's executable and what it is stamped with.
func (s *Slipway) compile(ctx context.Context, p platform.Platform) (*dagger.File, stamp, error) {
	build, err := s.goBuild(ctx, p)
	if err != nil {
		return nil, stamp{}, err
	}
	code, modules := build.code, build.modules
	built, err := s.quiet(ctx, build.ctr, build.args...)
	var c foreignPackages
	var looked error
	if s.Cgo == nil { // Now that the modules are there; where they may not be, what is found is not to be kept.
		if err != nil {
			modules = modules.WithEnvVariable("SLIPWAY_CALL", rand.Text())
		}
		c, looked = s.foreignCgo(ctx, modules, code.used.Imports, p)
	}
	switch {
	case err != nil:
		return nil, stamp{}, s.goCause(ctx, execCause(err), code, c.names)
	case looked != nil:
		return nil, stamp{}, looked
	case len(c.only) > 0:
		return nil, stamp{}, onlyWithCgo(strings.Join(c.only, ", "))
	case s.Cgo == nil:
		c.note(s.choice(code.used.Cgo))
	}
	made, err := built.Directory("/out").Entries(ctx)
	if err != nil {
		return nil, stamp{}, err
	}
	program := built.File("/out/" + made[0])
	if s.withCgo() {
		err = checkStatic(ctx, program)
	}
	return program, build.stamp, err
}

// goCause adds to what go said what to do about it.
func (s *Slipway) goCause(ctx context.Context, err error, code code, foreignC map[string]string) error {
	known := goerror.Code{Cgo: code.used.Cgo, ForeignCgo: foreignC, Generates: code.used.Generates, Netrc: s.Netrc != nil}
	if module, err := s.modulePath(ctx); err == nil {
		known.Module = module
	}
	tree, treeErr := s.tree(ctx)
	if module, moduleErr := s.module(ctx); treeErr == nil && moduleErr == nil {
		known.Alike = func(dir string) string { return tree.Alike(path.Join(module, dir)) }
	}
	if advice := goerror.Advice(err.Error(), known); advice != "" {
		return fmt.Errorf("%w\n\n%s", err, advice)
	}
	return err
}

// sourceURL is where the module's path says that its repository is, "" when the path names no host.
func (s *Slipway) sourceURL(ctx context.Context) (string, error) {
	path, err := s.modulePath(ctx)
	if err != nil {
		return "", err
	}
	dir, err := s.module(ctx)
	return modpath.Repository(path, dir), err
}

// execCause replaces Dagger's "exit code 1" by what the command itself wrote.
func execCause(err error) error {
	var exec *dagger.ExecError
	if !errors.As(err, &exec) {
		return err
	}
	said := strings.TrimSpace(exec.Stdout + "\n" + exec.Stderr)
	if said == "" {
		said = path.Base(exec.Cmd[0]) + " ended with status " + strconv.Itoa(exec.ExitCode)
	}
	return errors.New(said)
}
