package main

import (
	"context"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"dagger/slipway/internal/attest"
	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/spdx"
)

// List what is in the image, as an SPDX 2.3 document.
//
// The Go modules, with their versions and package URLs, and Go's own library, for each of
// --platforms. They are read out of the binaries in the layers, so it is what publish
// pushes, and publish attaches the same document. A --base is named, by its digest; what is in
// it is not listed. Nothing in it depends on the day, the machine or the repository. Licences
// are not in it.
//
//	dagger call sbom export --path hello.spdx.json
func (s *Slipway) Sbom(ctx context.Context) (*dagger.File, error) {
	index, digest, err := s.index(ctx)
	if err != nil {
		return nil, err
	}
	document, err := s.document(ctx, index, digest)
	if err != nil {
		return nil, err
	}
	text, err := attest.Encode(document)
	if err != nil {
		return nil, err
	}
	return dag.File("sbom.spdx.json", string(text)+"\n"), nil
}

// document is the SBOM of an index.
func (s *Slipway) document(ctx context.Context, index v1.ImageIndex, digest v1.Hash) (spdx.Document, error) {
	st, err := s.stamp(ctx)
	if err != nil {
		return spdx.Document{}, err
	}
	base, err := s.baseRef(ctx)
	if err != nil {
		return spdx.Document{}, err
	}
	linked, err := s.linked(ctx, index)
	return spdx.Describe(digest.String(), st.version, base, linked), err
}

// linked are the programs of an index that was built here.
func (s *Slipway) linked(ctx context.Context, index v1.ImageIndex) ([]spdx.Program, error) {
	names, err := s.programNames(ctx)
	if err != nil {
		return nil, err
	}
	return programsOf(index, names[1:])
}

// baseRef is what the name of the base leads to, with its digest, "" if there is no base.
func (s *Slipway) baseRef(ctx context.Context) (string, error) {
	if s.Base == "" {
		return "", nil
	}
	return dag.Container().From(s.Base).ImageRef(ctx)
}

// programsOf are the binaries of an index, for each platform the one that the image starts with
// and those of the other names.
func programsOf(index v1.ImageIndex, others []string) ([]spdx.Program, error) {
	listed, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	var all []spdx.Program
	for _, d := range listed.Manifests {
		img, err := index.Image(d.Digest)
		if err != nil {
			return nil, err
		}
		for _, name := range append([]string{""}, others...) {
			file := ""
			if name != "" {
				file = "/" + name
			}
			program, err := spdx.Read(d.Platform.String(), img, file)
			if err != nil {
				return nil, err
			}
			all = append(all, program)
		}
	}
	return all, nil
}
