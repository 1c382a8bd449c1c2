package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/foreign"
	"dagger/slipway/internal/imageref"
	"dagger/slipway/internal/spdx"
)

// programPath is where the container has the program that is looked into.
const programPath = "/program"

// vulnerableImage looks for vulnerable modules in the programs of a published image.
func (s *Slipway) vulnerableImage(ctx context.Context, image, database string, databaseDir *dagger.Directory) (string, error) {
	programs, err := s.publishedPrograms(ctx, image)
	if err != nil {
		return "", err
	}
	if len(programs) == 0 {
		return "", fmt.Errorf("%s holds no Go program, so nothing is known of it here: look into it with another scanner", image)
	}
	var report strings.Builder
	for i, p := range programs {
		dir := fmt.Sprintf("program-%d", i)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
		file := filepath.Join(dir, "program")
		if err := os.WriteFile(file, p.Content, 0o600); err != nil {
			return "", err
		}
		ctr := s.toolchain().WithMountedFile(programPath, dag.CurrentModule().WorkdirFile(file))
		out, err := s.scan(ctx, ctr, database, databaseDir, "-mode=binary", programPath)
		if err != nil {
			return "", vulnerableProgram(err, image, p, database)
		}
		if err := recent(databaseDate(out)); err != nil {
			return "", err
		}
		fmt.Fprintf(&report, "%s %s\n%s\n", foreign.Line(p.Platform), foreign.Quote(p.Path), out)
	}
	return report.String(), nil
}

// publishedPrograms are the Go programs of an image in a registry, for each platform.
func (s *Slipway) publishedPrograms(ctx context.Context, image string) ([]spdx.Program, error) {
	if err := imageref.CheckDigest(image); err != nil {
		return nil, err
	}
	ref, err := s.byDigest(image)
	if err != nil {
		return nil, err
	}
	to, err := s.access(ctx, ref.Context())
	if err != nil {
		return nil, err
	}
	got, err := remote.Get(ref, remote.WithContext(ctx), remote.WithAuth(to.auth), remote.WithTransport(to.route))
	if err != nil {
		return nil, to.readCause(image, err)
	}
	if got.MediaType.IsIndex() {
		index, err := got.ImageIndex()
		if err != nil {
			return nil, err
		}
		listed, err := index.IndexManifest()
		if err != nil {
			return nil, err
		}
		var all []spdx.Program
		for _, d := range listed.Manifests {
			if !d.MediaType.IsImage() || d.Platform == nil || d.Platform.OS == "unknown" { // buildx attaches so.
				continue
			}
			img, err := index.Image(d.Digest)
			if err != nil {
				return nil, err
			}
			programs, err := spdx.All(d.Platform.String(), img)
			if err != nil {
				return nil, fmt.Errorf("cannot read %s: %w", image, foreign.Error(err))
			}
			all = append(all, programs...)
		}
		return all, nil
	}
	img, err := got.Image()
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	return spdx.All(config.Platform().String(), img)
}

// vulnerableProgram tells what was found from what could not be looked for.
func vulnerableProgram(err error, image string, p spdx.Program, database string) error {
	var exec *dagger.ExecError
	if errors.As(err, &exec) && exec.ExitCode == vulnerableStatus {
		return fmt.Errorf("%s holds vulnerable modules (%s, %s):\n%w", image, foreign.Line(p.Platform), foreign.Quote(p.Path), execCause(err))
	}
	return vulnerable(err, foreign.Line(p.Platform), database)
}
