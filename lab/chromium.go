package main

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// The Chromium release of Debian's suite; the public image is of the same one.
const chromiumTag = "156.0.8078.12"

// Debian's headless Chromium, a third smaller without what only drivers of real graphics cards and
// programs in Perl need.
var chromiumDebian = without(
	debian("debian-chromium", "Debian's Chromium", "chromium-headless-shell", "fonts-liberation", "socat"),
	`^usr/(lib/[^/]+/(dri/|libLLVM|libz3|libperl|perl)|share/perl|lib/chromium/libVkLayer)`)

// without is the same step, but root.tar lacks the files whose names match.
func without(s *Step, pattern string) *Step {
	unwanted := regexp.MustCompile(pattern)
	lean := *s
	lean.Inputs = append(lean.Inputs[:len(lean.Inputs):len(lean.Inputs)], pattern)
	lean.Files = append(lean.Files[:len(lean.Files):len(lean.Files)], "chromium.go")
	lean.Build = func(ctx context.Context, b *Build) error {
		if err := s.Build(ctx, b); err != nil {
			return err
		}
		whole, part := filepath.Join(b.Dir, "root.tar"), filepath.Join(b.Dir, "lean.tar")
		if err := copyTar(part, whole, func(name string) bool { return !unwanted.MatchString(name) }); err != nil {
			return err
		}
		return os.Rename(part, whole)
	}
	return &lean
}

// copyTar copies the files of an archive whose names are wanted.
func copyTar(to, from string, wanted func(name string) bool) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	return writeTar(to, func(w *tarWriter) error {
		for r := tar.NewReader(in); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if !wanted(strings.TrimPrefix(h.Name, "./")) {
				continue
			}
			if err := w.WriteHeader(h); err != nil {
				return err
			}
			if _, err := io.Copy(w, r); err != nil {
				return err
			}
		}
	})
}

// Where the public image has its script is nobody's business; that it listens on 9222 and hands its
// arguments to Chromium is.
var chromiumImage = &Step{
	Name:  "chromium-image",
	About: "image chromedp/headless-shell:" + chromiumTag,
	Files: []string{"chromium.go", "images.go", "layers.go", "chromium"},
	Deps:  []*Step{chromiumDebian},
	Build: func(_ context.Context, b *Build) error {
		layer := filepath.Join(b.Dir, "layer.tar")
		err := writeTar(layer, func(w *tarWriter) error {
			if err := w.dirs(0o755, "headless-shell"); err != nil {
				return err
			}
			if err := w.tree("headless-shell/run.sh", filepath.Join(b.Source, "chromium", "run.sh")); err != nil {
				return err
			}
			return w.tree("etc/fonts/local.conf", filepath.Join(b.Source, "chromium", "fonts.conf"))
		})
		if err != nil {
			return err
		}
		return writeImage(b, v1.Config{
			Env:          []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=en_US.UTF-8"},
			Entrypoint:   []string{"/headless-shell/run.sh"},
			ExposedPorts: map[string]struct{}{"9222/tcp": {}},
		}, filepath.Join(b.Part(chromiumDebian), "root.tar"), layer)
	},
}
