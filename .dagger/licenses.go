package main

import (
	"context"
	"encoding/json"
	"path"

	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/spdx"
)

const (
	licensesRequest = "/licenses.json"
	licenseTexts    = "/licenses.txt"
)

// List the licences of what is in the image, and refuse those that will not do.
//
// The modules are those that the binaries hold, for each of --platforms, and Go's own
// library; the licences are what the files at the top of each module say, in SPDX's words. A
// module without a licence that is known is an error, and so is one that --allow does not list.
// What a --base holds is not looked at.
//
//	dagger call licenses --allow MIT,Apache-2.0,BSD-3-Clause
func (s *Slipway) Licenses(
	ctx context.Context,
	// SPDX identifiers of licences to allow. Default: all that are known.
	//
	// +optional
	allow []string,
) (string, error) {
	ctr, err := s.licensed(ctx, allow)
	if err != nil {
		return "", err
	}
	out, err := ctr.Stdout(ctx)
	return out, verdict(err)
}

// Collect the texts of the licences that an image must be shipped with, in one file.
//
// It has the licence and notice files of all modules that the binaries hold.
//
//	dagger call license-texts export --path THIRD-PARTY.txt
func (s *Slipway) LicenseTexts(ctx context.Context) (*dagger.File, error) {
	ctr, err := s.licensed(ctx, nil)
	if err != nil {
		return nil, err
	}
	if ctr, err = ctr.Sync(ctx); err != nil {
		return nil, verdict(err)
	}
	return ctr.File(licenseTexts), nil
}

// licensed is a container in which the modules' files were read.
func (s *Slipway) licensed(ctx context.Context, allow []string) (*dagger.Container, error) {
	pkg, err := s.mainPackage(ctx)
	if err != nil {
		return nil, err
	}
	index, _, err := s.index(ctx)
	if err != nil {
		return nil, err
	}
	programs, err := s.linked(ctx, index)
	if err != nil {
		return nil, err
	}
	platforms, err := s.allSupported(ctx)
	if err != nil {
		return nil, err
	}
	code, err := s.program(ctx, pkg, s.buildsFor(platforms[0])) // The modules of one are those of all.
	if err != nil {
		return nil, err
	}
	workspace, err := s.workspace(ctx, scanCaches, code)
	if err != nil {
		return nil, err
	}
	request := struct {
		Modules []spdx.Module
		Allow   []string
		Vendor  string
	}{spdx.Modules(programs), allow, ""}
	if code.vendored {
		request.Vendor = path.Join("/src", code.dir, "vendor")
	}
	text, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	return workspace.
		WithMountedFile("/licenses", s.helper("licenses")).
		WithNewFile(licensesRequest, string(text)).
		WithExec([]string{"/licenses", licensesRequest, licenseTexts}), nil
}
