package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// An Image is served by the lab's registry under the public name it stands in for.
type Image struct {
	Registry   string // whose mirror the lab's registry then is
	Repository string
	Tag        string
	Step       *Step // leaves an OCI layout with this one image
	OnDemand   bool  // built when somebody asks the registry for it, for it takes long and few need it
}

// target is the image's name in the lab's registry.
func (i Image) target() string { return i.Repository + ":" + i.Tag }

// images is all a further image has to be added to.
var images = []Image{
	{"docker.io", "library/golang", goVersion, golangImage, false},
	{"registry.k8s.io", "kubectl", "v" + kubectlVersion, kubectlImage, false},
	{"docker.io", "rancher/k3s", k3sTag, k3sImage, true},
	{"docker.io", "library/registry", distributionVersion, distributionImage, true},
	{"docker.io", "chromedp/headless-shell", chromiumTag, chromiumImage, true},
	{"docker.io", "library/postgres", postgresTag, postgresImage, true},
	{"docker.io", "golangci/golangci-lint", linterTag, linterImage, true},
}

var (
	goLayer    = goRelease("go", goVersion)
	goSDKLayer = goRelease("go-sdk-go", daggerGoVersion)
)

// goRelease is a step that makes root.tar, a Go release where the golang image has it.
func goRelease(name, version string) *Step {
	return &Step{
		Name:   name,
		About:  "Go " + version,
		Inputs: []string{version, arch, sourceDateEpoch},
		Files:  []string{"layers.go"},
		Build: func(ctx context.Context, b *Build) error {
			root, err := goRoot(ctx, b, version)
			if err != nil {
				return err
			}
			return writeTar(filepath.Join(b.Dir, "root.tar"), func(w *tarWriter) error {
				if err := w.dirs(0o1777, "go", "go/bin", "go/src"); err != nil {
					return err
				}
				// Go's own tests are a third of its files and nobody's build needs them.
				return w.tree("usr/local/go", root, "test", "api", "doc", "pkg/obj")
			})
		},
	}
}

func goEnvironment(version string) []string {
	return []string{
		"PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"GOLANG_VERSION=" + version,
		"GOTOOLCHAIN=local",
		"GOPATH=/go",
	}
}

var golangImage = &Step{
	Name:  "golang-image",
	About: "image golang:" + goVersion,
	Files: []string{"images.go"},
	Deps:  []*Step{goDebian, goLayer},
	Build: func(ctx context.Context, b *Build) error {
		return writeImage(b, v1.Config{
			Env:        goEnvironment(goVersion),
			WorkingDir: "/go",
			Cmd:        []string{"bash"},
		}, filepath.Join(b.Part(goDebian), "root.tar"), filepath.Join(b.Part(goLayer), "root.tar"))
	},
}

var kubectlImage = &Step{
	Name:  "kubectl-image",
	About: "image kubectl:v" + kubectlVersion,
	Files: []string{"images.go", "layers.go"},
	Deps:  []*Step{goDebian, kubectlProgram},
	Build: func(ctx context.Context, b *Build) error {
		const bundle = "etc/ssl/certs/ca-certificates.crt"
		roots, err := fileFromTar(filepath.Join(b.Part(goDebian), "root.tar"), bundle)
		if err != nil {
			return err
		}
		layer := filepath.Join(b.Dir, "layer.tar")
		err = writeTar(layer, func(w *tarWriter) error {
			if err := w.dirs(0o755, "bin", "etc", "etc/ssl", "etc/ssl/certs"); err != nil {
				return err
			}
			if err := w.dirs(0o1777, "tmp"); err != nil {
				return err
			}
			if err := w.bytes(bundle, roots); err != nil {
				return err
			}
			return w.tree("bin/kubectl", filepath.Join(b.Part(kubectlProgram), "kubectl"))
		})
		if err != nil {
			return err
		}
		return writeImage(b, v1.Config{
			Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
			Entrypoint: []string{"/bin/kubectl"},
			WorkingDir: "/",
		}, layer)
	},
}

// writeImage makes an OCI layout in the build's directory. Layers become hard links, so an archive
// that several images use is on disk once.
func writeImage(b *Build, config v1.Config, archives ...string) error {
	image := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	image = mutate.ConfigMediaType(image, types.OCIConfigJSON)
	blobs := filepath.Join(b.Dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		return err
	}
	for _, archive := range archives {
		layer, err := newTarLayer(archive)
		if err != nil {
			return err
		}
		digest, err := layer.Digest()
		if err != nil {
			return err
		}
		if err := os.Link(archive, filepath.Join(blobs, digest.Hex)); err != nil {
			return err
		}
		if filepath.Dir(archive) == b.Dir {
			if err := os.Remove(archive); err != nil {
				return err
			}
			layer.(*tarLayer).path = filepath.Join(blobs, digest.Hex)
		}
		if image, err = mutate.AppendLayers(image, layer); err != nil {
			return err
		}
	}
	file, err := image.ConfigFile()
	if err != nil {
		return err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Config = "linux", arch, config
	if image, err = mutate.ConfigFile(image, file); err != nil {
		return err
	}
	dir, err := layout.Write(b.Dir, empty.Index)
	if err != nil {
		return err
	}
	return dir.AppendImage(image)
}

// readImage is the image that writeImage left in a part, and its digest.
func readImage(part string) (v1.Image, v1.Hash, error) {
	dir, err := layout.FromPath(part)
	if err != nil {
		return nil, v1.Hash{}, err
	}
	index, err := dir.ImageIndex()
	if err != nil {
		return nil, v1.Hash{}, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, v1.Hash{}, err
	}
	if len(manifest.Manifests) != 1 {
		return nil, v1.Hash{}, fmt.Errorf("%s: %d images where one was written", part, len(manifest.Manifests))
	}
	digest := manifest.Manifests[0].Digest
	image, err := dir.Image(digest)
	return image, digest, err
}
