package main

import (
	"archive/tar"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

const k3sTag = "v" + kubectlVersion + "-k3s1"

// Kubernetes, with etcd, as the one program k3s; CoreDNS; and the process that holds a pod.
var kubernetesPrograms = &Step{
	Name:   "kubernetes",
	About:  "Kubernetes v" + kubectlVersion,
	Inputs: []string{kubectlVersion, goVersion, arch},
	Files:  []string{"gobuild.go", "kubernetes"},
	Build: func(ctx context.Context, b *Build) error {
		const server, client = "k8s.io/component-base/version", "k8s.io/client-go/pkg/version"
		return goBuild(ctx, b, goVersion, "kubernetes", "./...", fmt.Sprintf(
			"-X %[1]s.gitVersion=v%[3]s+k3s1 -X %[1]s.gitMajor=1 -X %[1]s.gitMinor=36 -X %[1]s.gitTreeState=archive -X %[2]s.gitVersion=v%[3]s+k3s1",
			server, client, kubectlVersion))
	},
}

var k3sDebian = debian("debian-k3s", "Debian for k3s",
	"ca-certificates", "containerd", "containernetworking-plugins", "iproute2", "iptables", "mount", "runc", "util-linux")

// The images a node has from the start, as archives for containerd; kubernetes/node knows their names.
var k3sPreloaded = &Step{
	Name:  "k3s-preloaded",
	About: "images inside k3s",
	Files: []string{"k3s.go", "images.go", "layers.go"},
	Deps:  []*Step{kubernetesPrograms},
	Build: func(_ context.Context, b *Build) error {
		for program, image := range map[string]string{
			"pause":   "docker.io/rancher/mirrored-pause:3.6",
			"coredns": "docker.io/rancher/mirrored-coredns-coredns:1.14.2",
		} {
			own := *b
			own.Dir = filepath.Join(b.Dir, program)
			if err := os.Mkdir(own.Dir, 0o755); err != nil {
				return err
			}
			layer := filepath.Join(own.Dir, "layer.tar")
			err := writeTar(layer, func(w *tarWriter) error {
				return w.tree(program, filepath.Join(b.Part(kubernetesPrograms), program))
			})
			if err != nil {
				return err
			}
			if err := writeImage(&own, v1.Config{Entrypoint: []string{"/" + program}}, layer); err != nil {
				return err
			}
			content, _, err := readImage(own.Dir)
			if err != nil {
				return err
			}
			tag, err := name.NewTag(image)
			if err != nil {
				return err
			}
			if err := tarball.WriteToFile(filepath.Join(b.Dir, program+".tar"), tag, content); err != nil {
				return err
			}
			if err := removeTree(own.Dir); err != nil {
				return err
			}
		}
		return nil
	},
}

var k3sImage = &Step{
	Name:  "k3s-image",
	About: "image rancher/k3s:" + k3sTag,
	Files: []string{"k3s.go", "images.go", "layers.go"},
	Deps:  []*Step{k3sDebian, kubernetesPrograms, k3sPreloaded},
	Build: func(_ context.Context, b *Build) error {
		layer := filepath.Join(b.Dir, "layer.tar")
		err := writeTar(layer, func(w *tarWriter) error {
			if err := w.tree("usr/bin/k3s", filepath.Join(b.Part(kubernetesPrograms), "k3s")); err != nil {
				return err
			}
			link := &tar.Header{Typeflag: tar.TypeSymlink, Name: "usr/bin/kubectl", Linkname: "k3s", Mode: 0o777, ModTime: w.time}
			if err := w.WriteHeader(link); err != nil {
				return err
			}
			if err := w.dirs(0o755, "usr/share/k3s", "usr/share/k3s/images", "etc/rancher", "etc/rancher/k3s"); err != nil {
				return err
			}
			for _, archive := range []string{"pause.tar", "coredns.tar"} {
				if err := w.tree("usr/share/k3s/images/"+archive, filepath.Join(b.Part(k3sPreloaded), archive)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		return writeImage(b, v1.Config{
			Env:        []string{"PATH=/var/lib/rancher/k3s/data/cni:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/bin/aux"},
			Entrypoint: []string{"/bin/k3s"},
			Cmd:        []string{"agent"},
			Volumes:    map[string]struct{}{"/var/lib/kubelet": {}, "/var/lib/rancher/k3s": {}, "/var/lib/cni": {}, "/var/log": {}},
		}, filepath.Join(b.Part(k3sDebian), "root.tar"), layer)
	},
}

const distributionVersion = "3.1.1"

var distributionProgram = &Step{
	Name:   "distribution",
	About:  "the registry project's registry",
	Inputs: []string{distributionVersion, goVersion, arch},
	Files:  []string{"gobuild.go", "distribution"},
	Build: func(ctx context.Context, b *Build) error {
		return goBuild(ctx, b, goVersion, "distribution", ".", "-X github.com/distribution/distribution/v3/version.version=v"+distributionVersion)
	},
}

var distributionImage = &Step{
	Name:  "registry-image",
	About: "image registry:" + distributionVersion,
	Files: []string{"k3s.go", "images.go", "layers.go", "distribution/config.yml", "distribution/entrypoint.sh"},
	Deps:  []*Step{goDebian, distributionProgram},
	Build: func(_ context.Context, b *Build) error {
		layer := filepath.Join(b.Dir, "layer.tar")
		err := writeTar(layer, func(w *tarWriter) error {
			if err := w.dirs(0o755, "etc/distribution", "var/lib/registry"); err != nil {
				return err
			}
			if err := w.tree("usr/bin/registry", filepath.Join(b.Part(distributionProgram), "distribution")); err != nil {
				return err
			}
			// Not a map: whoever builds this must get the same layer.
			for _, file := range [][2]string{{"entrypoint.sh", "entrypoint.sh"}, {"etc/distribution/config.yml", "config.yml"}} {
				if err := w.tree(file[0], filepath.Join(b.Source, "distribution", file[1])); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		return writeImage(b, v1.Config{
			Env:          []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "OTEL_TRACES_EXPORTER=none"},
			Entrypoint:   []string{"/entrypoint.sh"},
			Cmd:          []string{"/etc/distribution/config.yml"},
			ExposedPorts: map[string]struct{}{"5000/tcp": {}},
			Volumes:      map[string]struct{}{"/var/lib/registry": {}},
			// Its image is the build tools' Debian, which a machine with this lab has anyway.
		}, filepath.Join(b.Part(goDebian), "root.tar"), layer)
	},
}

// The root file system of that image as a directory, for the cluster outside the engine.
var k3sRoot = &Step{
	Name:  "k3s-root",
	About: "cluster root file system",
	Files: []string{"k3s.go"},
	Deps:  []*Step{k3sImage},
	Build: func(ctx context.Context, b *Build) error {
		image, _, err := readImage(b.Part(k3sImage))
		if err != nil {
			return err
		}
		layers, err := image.Layers()
		if err != nil {
			return err
		}
		for _, layer := range layers {
			digest, err := layer.Digest()
			if err != nil {
				return err
			}
			archive := filepath.Join(b.Part(k3sImage), "blobs", digest.Algorithm, digest.Hex)
			// The second layer's directories may be links in the first.
			if err := (command{Args: []string{"tar", "-C", b.Dir, "--keep-directory-symlink", "-xf", archive}, Log: b.Log}).Run(ctx); err != nil {
				return err
			}
		}
		return nil
	},
}
