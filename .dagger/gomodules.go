package main

import (
	"context"
	"maps"
	"path"
	"slices"

	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/gofetch"
)

const (
	moduleCache = "/go/pkg/mod"
	buildCache  = "/root/.cache/go-build"
	netrcFile   = "/root/.netrc"
	agentSocket = "/run/ssh-agent"
	goCAFile    = "/run/go-ca.pem"
)

// fetch are the settings by which modules are fetched.
func (s *Slipway) fetch() gofetch.Settings {
	return gofetch.Settings{Proxy: s.GoProxy, Private: s.GoPrivate, Netrc: s.Netrc != nil, SSH: s.SSHAgent != nil, CA: s.GoCA != nil}
}

// privateModules is the toolchain with modules that not everybody may read. The step that
// downloads them has the credentials, and no other does; it has no code of the source. What
// it brings is not in a cache that other sources share, but a directory which Dagger finds
// again only for who has the same credentials. Whoever compiles with it has the cache of
// compiled packages that belongs to exactly these modules.
func (s *Slipway) privateModules(ctx context.Context, c caches, code code, modules *dagger.Directory) (*dagger.Container, error) {
	dir := path.Join("/src", code.dir)
	download := s.toolchain().WithMountedDirectory("/src", modules).WithWorkdir(dir)
	env := s.fetch().Env()
	for _, name := range slices.Sorted(maps.Keys(env)) {
		download = download.WithEnvVariable(name, env[name])
	}
	if s.Netrc != nil {
		download = download.WithMountedSecret(netrcFile, s.Netrc)
	}
	if s.SSHAgent != nil {
		download = download.WithUnixSocket(agentSocket, s.SSHAgent).WithEnvVariable("SSH_AUTH_SOCK", agentSocket)
	}
	if s.GoCA != nil { // beside the public ones, which are a directory too
		download = download.WithMountedFile(goCAFile, s.GoCA).
			WithEnvVariable("SSL_CERT_FILE", goCAFile).WithEnvVariable("GIT_SSL_CAINFO", goCAFile)
	}
	done, err := s.quiet(ctx, download, "go", "mod", "download")
	if err != nil {
		return nil, s.goCause(ctx, execCause(err), code, nil)
	}
	downloaded := done.Directory(moduleCache).
		// What only a download reads, and what is not the same from one to the next.
		WithoutDirectory("cache/vcs").
		WithoutDirectory("cache/download/sumdb").
		WithoutFile("cache/lock")
	content, err := downloaded.Digest(ctx)
	if err != nil {
		return nil, err
	}
	return s.toolchain().
		WithEnvVariable("GOPROXY", "off").
		WithMountedDirectory(moduleCache, downloaded).
		With(s.compiled(c, "-"+content)).
		WithMountedDirectory("/src", modules).
		WithWorkdir(dir), nil
}
