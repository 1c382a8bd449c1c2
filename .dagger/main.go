// Slipway takes a Go web service from source to a verified rollout on any
// Kubernetes cluster.
//
// The usual order is: test, publish, deploy. Each function also stands alone,
// and each does the same on a laptop and on a CI runner.
//
//	dagger call test
//	dagger call publish --address ghcr.io/acme/hello
//	dagger call deploy --kubeconfig file:$HOME/.kube/config --image ghcr.io/acme/hello@sha256:…
//
// Every function works on any Go service: say where with --source and
// --package before the function's name.
//
//	dagger -m . call --source ../other --package ./cmd/api build
package main

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"dagger/slipway/internal/dagger"
)

// Slipway builds, tests, publishes and deploys one Go web service.
type Slipway struct {
	// +private
	Source *dagger.Directory
	// +private
	Dir string // where in the source the caller stands
	// +private
	Package string
	// +private
	Manifest *dagger.Directory
	// +private
	Port int
	// +private
	Version string
	// +private
	Tags []string
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
}

// New takes what is common to all functions. Its arguments are one struct since
// "package" cannot be the name of a Go variable.
func New(ctx context.Context, args struct {
	// The directory you call from, with the repository around it.
	Workspace *dagger.Workspace
	// Source of the service: a Go module, or a directory with all that the service's
	// module needs beside it, as a go.work says. Default: where you are, with the
	// repository around it.
	//
	// All of it is there for the service, save node_modules and the history in .git. But
	// only an edit of what Go reads to build the service builds it again.
	//
	// +optional
	// +ignore=["**/node_modules", "*/.git", "*/**/.git", ".git/[^Hpr]*", ".git/H[^E]*", ".git/p[^a]*", ".git/r[^e]*", ".git/re[^f]*", ".git/refs/[^ht]*"]
	Source *dagger.Directory
	// Main package of the service, relative to source. Default: the only one there is.
	//
	// +optional
	Package string
	// Kubernetes manifests: a directory with base/, or with the manifests themselves, be
	// they a kustomization or plain YAML. Default: the directory manifests of the source.
	// Leave it out when it is inside the source: Dagger may read as empty what it loads
	// twice at once.
	//
	// +optional
	Manifests *dagger.Directory
	// TCP port the service listens on, 1 to 65535.
	//
	// +default=8080
	Port int
	// Version to stamp. Default: the tag at the checked-out commit, or
	// 0.0.0-<commit> where there is none. An annotated tag is seen once it is
	// packed, as after a clone; one just made is not.
	//
	// +optional
	Version string
	// Go build tags. nomsgpack drops a codec that gin would link and few services use.
	//
	// +default=["nomsgpack"]
	Tags []string
	// Image with the Go toolchain: builds, tests, lints, and gives the CA roots.
	//
	// +default="golang:1.26.8"
	GoImage string
	// Image with kubectl, which renders the manifests and talks to clusters.
	//
	// +default="registry.k8s.io/kubectl:v1.36.3"
	KubectlImage string
	// Image of the throwaway cluster.
	//
	// +default="rancher/k3s:v1.36.3-k3s1"
	ClusterImage string
	// Image of the throwaway registry that end-to-end publishes to.
	//
	// +default="registry:3.1.1"
	RegistryImage string
	// Image of the browser: starts Chromium, to be driven through port 9222.
	//
	// +default="chromedp/headless-shell:156.0.8078.12"
	BrowserImage string
}) (*Slipway, error) {
	if args.Port < 1 || args.Port > 65535 {
		return nil, fmt.Errorf("--port %d is not a TCP port: give one from 1 to 65535", args.Port)
	}
	pkg := args.Package
	if pkg != "" {
		if pkg = path.Clean(pkg); !fs.ValidPath(pkg) || strings.Contains(pkg, "...") {
			return nil, fmt.Errorf("--package %q is not a directory inside the source: give one like ./cmd/api", args.Package)
		}
		pkg = "./" + pkg
	}
	source, dir, err := loadSource(ctx, args.Workspace, args.Source)
	if err != nil {
		return nil, err
	}
	return &Slipway{
		Source:        source,
		Dir:           dir,
		Package:       pkg,
		Manifest:      args.Manifests,
		Port:          args.Port,
		Version:       args.Version,
		Tags:          args.Tags,
		GoImage:       args.GoImage,
		KubectlImage:  args.KubectlImage,
		ClusterImage:  args.ClusterImage,
		RegistryImage: args.RegistryImage,
		BrowserImage:  args.BrowserImage,
	}, nil
}
