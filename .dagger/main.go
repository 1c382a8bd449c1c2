// Slipway takes a Go web service from source to a verified rollout on any
// Kubernetes cluster.
//
// The usual order is: test, deploy. Each function also stands alone, and each
// does the same on a laptop and on a CI runner.
//
//	dagger call test
//	dagger call --repository ghcr.io/acme/hello --kubeconfig file:$HOME/.kube/config deploy
//
// What is set once stands before the function's name, or in a file .env:
// docs/settings.md. Every function works on any Go service: say where with
// --source and --package.
//
//	dagger call --source ../other --package ./cmd/api build
package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"dagger/slipway/internal/attest"
	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/imageref"
	"dagger/slipway/internal/linkvars"
	"dagger/slipway/internal/names"
	"dagger/slipway/internal/platform"
)

// Slipway builds, tests, publishes and deploys one Go web service.
//
// Its fields are the settings as they were given. What follows from them is derived
// on each use: Dagger may keep the object for longer than what was derived.
type Slipway struct {
	// +private
	Source *dagger.Directory
	// +private
	Git *dagger.Directory // has the source's .git
	// +private
	GitDir *dagger.Directory // in its place
	// +private
	Dir string // where in the source the caller stands
	// +private
	Package string
	// +private
	Beside []string // other main packages whose programs are in the image
	// +private
	Port int
	// +private
	Version string
	// +private
	Tags []string
	// +private
	LinkVars []string
	// +private
	Cgo *bool
	// +private
	Platforms []string
	// +private
	Base string
	// +private
	Secrets *dagger.Secret

	// +private
	GoProxy string
	// +private
	GoPrivate string
	// +private
	Netrc *dagger.Secret
	// +private
	SSHAgent *dagger.Socket
	// +private
	GoCA *dagger.File

	// +private
	ManifestsDir *dagger.Directory
	// +private
	Overlay string
	// +private
	ImageName string
	// +private
	Images []string
	// +private
	RemoteBases []string

	// +private
	Repository string
	// +private
	Username string
	// +private
	Password *dagger.Secret
	// +private
	RegistryConfig *dagger.Secret
	// +private
	RegistryCA *dagger.File
	// +private
	Registry *dagger.Service
	// +private
	PlainHTTP bool

	// +private
	SignKey *dagger.Secret
	// +private
	SignPassword *dagger.Secret
	// +private
	VerifyKey *dagger.File
	// +private
	VerifySource string

	// +private
	Kubeconfig *dagger.Secret
	// +private
	Credential *dagger.Secret
	// +private
	Context string
	// +private
	Namespace string
	// +private
	ReleaseAs string
	// +private
	APIServer *dagger.Service
	// +private
	RecordKey *dagger.Secret
	// +private
	RecordsNamespace string
	// +private
	InsecureKubeconfig bool

	// +private
	GoImage string
	// +private
	KubectlImage string
	// +private
	ClusterImage string
	// +private
	RegistryImage string
	// +private
	BrowserImage string
	// +private
	LintImage string

	// image are the settings of the image of which this is another program.
	image *Slipway
	// throwaway is the cluster of a rehearsal, whose kubeconfig is there once it has started.
	throwaway *Cluster
	// provided says that it was given what the service needs, in the release's namespace.
	provided bool
}

// buildTag is what go build takes for one. One with a space would be several flags to whom the tags are given in GOFLAGS.
var buildTag = regexp.MustCompile(`^[\p{L}\p{Nd}_.]*$`)

// New takes the settings: what is the same for all functions and from one call to
// the next. Its arguments are one struct since "package" cannot be the name of a Go
// variable.
func New(ctx context.Context, args struct {
	// The directory you call from, with the repository around it.
	Workspace *dagger.Workspace
	// Source: root of a Go module or go.work. Default: your repository.
	//
	// +optional
	// +ignore=["**/node_modules", "*/.git", "*/**/.git", ".git/[^Hipr]*", ".git/H[^E]*", ".git/i[^n]*", ".git/in[^d]*", ".git/p[^a]*", ".git/r[^e]*", ".git/re[^f]*", ".git/refs/[^ht]*"]
	Source *dagger.Directory
	// Source: .git of the repository where the source's is a file, as in a worktree:
	// "$(git rev-parse --git-common-dir)".
	//
	// +optional
	// +ignore=["[^Hiprw]*", "H[^E]*", "i[^n]*", "in[^d]*", "p[^a]*", "r[^e]*", "re[^f]*", "refs/[^ht]*", "w[^o]*", "worktrees/*/[^Hir]*"]
	GitDir *dagger.Directory
	// Source: directory of the main package; after commas, others of the module for its image. Default: the
	// only one.
	//
	// +optional
	Package []string
	// Source: TCP port it listens on. Default: the manifests' port, or 8080.
	//
	// +optional
	Port *int
	// Source: version to stamp. Default: the commit's tag, or 0.0.0-COMMIT.
	//
	// +optional
	Version string
	// Source: Go build tags. nomsgpack drops a codec that gin would link.
	//
	// +default=["nomsgpack"]
	Tags []string
	// Source: variables set at link time, importpath.Name=value, commas between:
	// example.com/app/build.Version={version}. {revision} is the other placeholder.
	//
	// +optional
	LinkVars []string
	// Source: compile C (import "C") too, statically, for the engine's own platform.
	// --cgo=false lets pass what is refused for want of it.
	//
	// +optional
	Cgo *bool
	// Image: platforms it is made for, commas between: linux/amd64,linux/arm/v7.
	//
	// +default=["linux/amd64", "linux/arm64"]
	Platforms []string
	// Image: one to put the program onto in place of nothing, by tag or digest.
	//
	// +optional
	Base string
	// Source: values of smoke.yaml's secrets, lines NAME=value: file:.env.test.
	//
	// +optional
	Secrets *dagger.Secret
	// Go modules: proxy to fetch them from, as GOPROXY has it: https://proxy.example.com,direct.
	//
	// +optional
	GoProxy string
	// Go modules: those to fetch from their own host, as GOPRIVATE has them: git.example.com/team/*.
	//
	// +optional
	GoPrivate string
	// Go modules: passwords for the proxy and for hosts, as file:$HOME/.netrc.
	//
	// +optional
	Netrc *dagger.Secret
	// Go modules: SSH agent with the key for the hosts of --go-private: $SSH_AUTH_SOCK.
	//
	// +optional
	SshAgent *dagger.Socket
	// Go modules: file with the CA certificate, in PEM, of a proxy or host whose CA is private.
	//
	// +optional
	GoCa *dagger.File
	// Manifests: their directory. Default: manifests/ of the source.
	//
	// +optional
	Manifests *dagger.Directory
	// Manifests: base, or the name of one in overlays.
	//
	// +default="base"
	Overlay string
	// Manifests: image in them to set, needed where they name several.
	//
	// +optional
	ImageName string
	// Manifests: other images to set, as NAME=ADDRESS by digest, commas between.
	//
	// +optional
	Images []string
	// Manifests: repositories, as github.com/acme/base or github.com/acme for all, that they may name bases of:
	// https://github.com/acme/base//deploy?ref=<full commit>. Comma-separated. Default: none.
	//
	// +optional
	RemoteBases []string
	// Registry: repository for images, without tag: ghcr.io/acme/hello.
	//
	// +optional
	Repository string
	// Registry: user name. Goes with --password.
	//
	// +optional
	Username string
	// Registry: password or token: env:TOKEN or file:./token.
	//
	// +optional
	Password *dagger.Secret
	// Registry: what docker login stored: file:$HOME/.docker/config.json.
	//
	// +optional
	RegistryConfig *dagger.Secret
	// Registry: CA certificate, in PEM, of one whose CA is private.
	//
	// +optional
	RegistryCa *dagger.File
	// Registry: way to one on this machine: tcp://localhost:5000.
	//
	// +optional
	Registry *dagger.Service
	// Registry: HTTP without TLS. Loopback needs no telling; nothing else, be it private, is spoken to so.
	//
	// +optional
	PlainHttp bool
	// Trust: private key that signs what is published: file:cosign.key.
	//
	// +optional
	SignKey *dagger.Secret
	// Trust: password of that key, if it has one: env:COSIGN_PASSWORD.
	//
	// +optional
	SignPassword *dagger.Secret
	// Trust: public key that must have signed what is deployed: cosign.pub.
	//
	// +optional
	VerifyKey *dagger.File
	// Trust: repository it must be built from: https://github.com/acme/hello.
	//
	// +optional
	VerifySource string
	// Cluster: file:$HOME/.kube/config, or cmd:"kubectl config view --raw --minify --flatten".
	//
	// +optional
	Kubeconfig *dagger.Secret
	// Cluster: token, or what a plugin prints: cmd:"aws eks get-token --cluster-name prod".
	//
	// +optional
	Credential *dagger.Secret
	// Cluster: context of the kubeconfig, needed where it has several.
	//
	// +optional
	Context string
	// Cluster: namespace. Default: the manifests', else the context's.
	//
	// +optional
	Namespace string
	// Cluster: name of the release. Default: the end of the Go module's path.
	//
	// +optional
	Release string
	// Cluster: way to an API server on this machine: tcp://127.0.0.1:6443.
	//
	// +optional
	ApiServer *dagger.Service
	// Cluster: secret text that signs the release's records, 16 characters or more.
	//
	// +optional
	RecordKey *dagger.Secret
	// Cluster: namespace of the records, which must exist. Default: the release's.
	//
	// +optional
	RecordsNamespace string
	// Cluster: send credentials without verified TLS. Loopback needs no telling.
	//
	// +optional
	InsecureKubeconfig bool
	// Image of the Go toolchain and the CA roots.
	//
	// +default="golang:1.26.8"
	GoImage string
	// Image with kubectl.
	//
	// +default="registry.k8s.io/kubectl:v1.36.3"
	KubectlImage string
	// Image of the throwaway cluster.
	//
	// +default="rancher/k3s:v1.36.3-k3s1"
	ClusterImage string
	// Image of the throwaway registry.
	//
	// +default="registry:3.1.1"
	RegistryImage string
	// Image of Chromium, driven through port 9222.
	//
	// +default="chromedp/headless-shell:156.0.8078.12"
	BrowserImage string
	// Image with golangci-lint.
	//
	// +default="golangci/golangci-lint:v2.15.0-alpine"
	LintImage string
}) (*Slipway, error) {
	if err := checkSettings(ctx, args.Workspace); err != nil {
		return nil, err
	}
	port := 0 // to be found
	if args.Port != nil {
		if port = *args.Port; port < 1 || port > 65535 {
			return nil, fmt.Errorf("--port %d is not a TCP port: give one from 1 to 65535", port)
		}
	}
	if err := imageref.CheckImages(map[string]string{
		"go-image": args.GoImage, "kubectl-image": args.KubectlImage, "cluster-image": args.ClusterImage,
		"registry-image": args.RegistryImage, "browser-image": args.BrowserImage,
		"lint-image": args.LintImage,
	}); err != nil {
		return nil, err
	}
	if args.Base != "" {
		if err := imageref.CheckImages(map[string]string{"base": args.Base}); err != nil {
			return nil, err
		}
	}
	if args.Version != "" {
		if err := attest.CheckVersion(args.Version); err != nil {
			return nil, err
		}
	}
	for _, tag := range args.Tags {
		if !buildTag.MatchString(tag) {
			return nil, fmt.Errorf("--tags %q is not a build tag: give names of letters, digits, underscores and dots, with commas between", tag)
		}
	}
	platforms, err := platform.ParseAll(args.Platforms)
	if err != nil {
		return nil, fmt.Errorf("--platforms: %w", err)
	}
	for _, assignment := range args.LinkVars {
		if err := linkvars.Check(assignment); err != nil {
			return nil, err
		}
	}
	pkg, beside, err := parsePackages(args.Package)
	if err != nil {
		return nil, err
	}
	if _, err := imageref.ParseImages(args.Images); err != nil {
		return nil, err
	}
	source, err := loadSource(ctx, args.Workspace, args.Source)
	if err != nil {
		return nil, err
	}
	if args.Repository != "" {
		if _, err := parseRepository(args.Repository, args.PlainHttp); err != nil {
			return nil, err
		}
	}
	if (args.Username == "") != (args.Password == nil) {
		return nil, errors.New("--username and --password go together: give both or neither")
	}
	if args.SignPassword != nil && args.SignKey == nil {
		return nil, errors.New("--sign-password opens a key that is not there: give --sign-key too")
	}
	if args.VerifySource != "" {
		if args.VerifyKey == nil {
			return nil, errors.New("--verify-source is what a signature says, and needs a key to believe: give --verify-key too")
		}
		if err := attest.CheckSource(args.VerifySource); err != nil {
			return nil, err
		}
	}
	if err := names.CheckNamespace(args.Namespace); err != nil {
		return nil, err
	}
	if args.Release != "" {
		if err := names.CheckRelease(args.Release); err != nil {
			return nil, err
		}
	}
	slipway := &Slipway{
		Source:  source.files,
		Git:     source.git,
		GitDir:  args.GitDir,
		Dir:     source.dir,
		Package: pkg,
		Beside:  beside,
		Port:    port,
		Version: args.Version,
		Tags:    args.Tags,
		Secrets: args.Secrets,

		LinkVars:  args.LinkVars,
		Cgo:       args.Cgo,
		Platforms: platforms,
		Base:      args.Base,

		GoProxy:   args.GoProxy,
		GoPrivate: args.GoPrivate,
		Netrc:     args.Netrc,
		SSHAgent:  args.SshAgent,
		GoCA:      args.GoCa,

		ManifestsDir: args.Manifests,
		Overlay:      args.Overlay,
		ImageName:    args.ImageName,
		Images:       args.Images,
		RemoteBases:  args.RemoteBases,

		Repository:     args.Repository,
		Username:       args.Username,
		Password:       args.Password,
		RegistryConfig: args.RegistryConfig,
		RegistryCA:     args.RegistryCa,
		Registry:       args.Registry,
		PlainHTTP:      args.PlainHttp,

		SignKey:      args.SignKey,
		SignPassword: args.SignPassword,
		VerifyKey:    args.VerifyKey,
		VerifySource: args.VerifySource,

		Kubeconfig: args.Kubeconfig,
		Credential: args.Credential,
		Context:    args.Context,
		Namespace:  args.Namespace,
		ReleaseAs:  args.Release,
		APIServer:  args.ApiServer,

		RecordKey:          args.RecordKey,
		RecordsNamespace:   args.RecordsNamespace,
		InsecureKubeconfig: args.InsecureKubeconfig,

		GoImage:       args.GoImage,
		KubectlImage:  args.KubectlImage,
		ClusterImage:  args.ClusterImage,
		RegistryImage: args.RegistryImage,
		BrowserImage:  args.BrowserImage,
		LintImage:     args.LintImage,
	}
	return slipway, slipway.fetch().Check()
}
