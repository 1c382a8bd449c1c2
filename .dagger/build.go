package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/goerror"
	"dagger/slipway/internal/modpath"
)

const (
	// user is distroless' "nonroot": Kubernetes' runAsNonRoot wants a number.
	user   = "65532"
	caFile = "/etc/ssl/certs/ca-certificates.crt"

	home = "/home/nonroot"

	passwd = "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:" + user + ":" + user + ":nonroot:" + home + ":/sbin/nologin\n"
	group  = "root:x:0:\nnonroot:x:" + user + ":\n"
)

// platforms are those that publish makes.
var platforms = []dagger.Platform{"linux/amd64", "linux/arm64"}

// Build the service's container image.
//
// It is made from nothing: the static binary with time zones, CA roots, a passwd and
// group with user 65532, its home, /tmp, the port and the OCI labels. The revision it is stamped with is the
// commit that is checked out; edits since then do not show in it.
//
// A source that does not compile ends in the compiler's lines; a package that
// is no main names the main packages there are.
//
//	dagger call build export --path hello.tar && docker load -i hello.tar
func (s *Slipway) Build(
	ctx context.Context,
	// Platform to build for: linux/amd64 or linux/arm64. Default: the engine's own.
	//
	// +optional
	platform dagger.Platform,
) (*dagger.Container, error) {
	bin, st, err := s.compile(ctx, platform)
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
	ctr := dag.Container(dagger.ContainerOpts{Platform: platform}).
		// Straight from the image, not from a container that ran: the engine may
		// add an organisation's own CAs to the latter, and they are not ours to ship.
		WithFile(caFile, dag.Container().From(s.GoImage).File(caFile)).
		WithNewFile("/etc/passwd", passwd).
		WithNewFile("/etc/group", group).
		WithDirectory("/", dag.Directory().
			WithNewDirectory("tmp", dagger.DirectoryWithNewDirectoryOpts{Permissions: 0o777 | int(fs.ModeSticky)})).
		WithDirectory(home, dag.Directory(), dagger.ContainerWithDirectoryOpts{Owner: user + ":" + user}).
		WithEnvVariable("HOME", home).
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
	n, _, err := s.smokeYAML(ctx)
	if err != nil {
		return nil, err
	}
	return s.withFiles(ctx, ctr, n)
}

// Build the service as one static executable.
//
//	dagger call binary --platform linux/arm64 export --path hello
func (s *Slipway) Binary(
	ctx context.Context,
	// Platform to build for: linux/amd64 or linux/arm64. Default: the engine's own.
	//
	// +optional
	platform dagger.Platform,
) (*dagger.File, error) {
	bin, _, err := s.compile(ctx, platform)
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

func supported(ctx context.Context, platform dagger.Platform) (dagger.Platform, error) {
	if platform == "" {
		return dag.DefaultPlatform(ctx)
	}
	if slices.Contains(platforms, platform) {
		return platform, nil
	}
	return "", fmt.Errorf("platform %q is not supported: use linux/amd64 or linux/arm64", platform)
}

// caches are Go's two caches for one purpose. What goes wrong in the containers of
// one purpose cannot write where another reads.
type caches string

const (
	buildCaches  caches = "build"   // of the programs that are published
	testCaches   caches = "test"    // of test programs, for which C is compiled too
	lintCaches   caches = "lint"    // golangci-lint obeys the source's configuration
	helperCaches caches = "helpers" // of our own programs; no source is compiled with them
)

// golang is the Go toolchain with caches, without any source. It may compile a
// source but must not run it: whoever writes to the caches has a say in what others
// build. So go neither fetches the toolchain that a go.mod names nor asks a
// version control system, whose configuration in the source may name programs.
func (s *Slipway) golang(c caches) *dagger.Container {
	return dag.Container().From(s.GoImage).
		WithEnvVariable("GOTOOLCHAIN", "local").
		WithEnvVariable("GOFLAGS", "-buildvcs=false").
		WithMountedCache("/go/pkg/mod", dag.CacheVolume("slipway-"+string(c)+"-mod")).
		WithMountedCache("/root/.cache/go-build", dag.CacheVolume("slipway-"+string(c)+"-build")).
		WithWorkdir("/src")
}

// workspace is the toolchain with the code in place and its dependencies downloaded,
// unless they are in the source. Only go.mod, go.sum and their like reach the download,
// so that an edit of the code does not repeat it.
func (s *Slipway) workspace(ctx context.Context, c caches, code code) (*dagger.Container, error) {
	files, err := code.files(ctx, code.used.Files)
	if err != nil {
		return nil, err
	}
	ctr := s.golang(c).WithWorkdir(path.Join("/src", code.dir))
	if code.vendored {
		return ctr.WithEnvVariable("GOFLAGS", "-buildvcs=false -mod=vendor").WithMountedDirectory("/src", files), nil
	}
	modules, err := code.files(ctx, code.modules)
	if err != nil {
		return nil, err
	}
	return ctr.
		WithMountedDirectory("/src", modules).
		WithExec([]string{"go", "mod", "download"}).
		WithMountedDirectory("/src", files), nil
}

// compile returns the package's executable and what it is stamped with.
func (s *Slipway) compile(ctx context.Context, platform dagger.Platform) (*dagger.File, stamp, error) {
	platform, err := supported(ctx, platform)
	if err != nil {
		return nil, stamp{}, err
	}
	pkg, err := s.mainPackage(ctx)
	if err != nil {
		return nil, stamp{}, err
	}
	st, err := s.stamp(ctx)
	if err != nil {
		return nil, stamp{}, err
	}
	target := s.buildsFor(platform)
	code, err := s.program(ctx, pkg, target)
	if err != nil {
		return nil, stamp{}, err
	}
	workspace, err := s.workspace(ctx, buildCaches, code)
	if err != nil {
		return nil, stamp{}, err
	}
	out := workspace.
		WithEnvVariable("CGO_ENABLED", "0").
		WithEnvVariable("GOOS", "linux").
		WithEnvVariable("GOARCH", target.Arch).
		WithDirectory("/out", dag.Directory()).
		WithExec([]string{
			"go", "build", "-trimpath",
			"-tags", strings.Join(append(slices.Clone(s.Tags), "timetzdata"), ","),
			"-ldflags", "-s -w -X main.version=" + st.version + " -X main.revision=" + st.revision,
			"-o", "/out/", code.patterns[0],
		}).
		Directory("/out")
	names, err := out.Entries(ctx)
	if err != nil {
		return nil, stamp{}, s.goCause(ctx, execCause(err), code)
	}
	return out.File(names[0]), st, nil
}

// goCause adds to what go said what to do about it.
func (s *Slipway) goCause(ctx context.Context, err error, code code) error {
	known := goerror.Code{Cgo: code.used.Cgo, Generates: code.used.Generates}
	if module, err := s.modulePath(ctx); err == nil {
		known.Module = module
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
