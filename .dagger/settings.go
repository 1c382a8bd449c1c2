package main

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"

	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/settings"
)

const (
	// settingsFile is where Dagger finds settings.
	settingsFile = ".env"
	// settingsPrefix is that of this module, also where it is installed under another name.
	settingsPrefix = "SLIPWAY_"
)

// itself has the arguments that there are.
//
//go:embed *.go
var itself embed.FS

// notSettings are variables that tools beside the module read of the environment, and that
// some people keep in .env.
var notSettings = []string{"ENGINE"}

// checkSettings refuses a .env with a setting that there is not: Dagger would pass it over,
// and a cluster or a registry that is not meant would be used. Like Dagger it looks where
// the caller stands, and from there upward, but no further than to the workspace's top.
func checkSettings(ctx context.Context, workspace *dagger.Workspace) error {
	file, err := workspace.FindUp(ctx, settingsFile)
	if err != nil || file == "" {
		return err
	}
	dir := strings.TrimSuffix(file, settingsFile)
	text, err := workspace.Directory(dir, dagger.WorkspaceDirectoryOpts{Include: []string{settingsFile}}).File(settingsFile).Contents(ctx)
	if err != nil || !strings.Contains(strings.ToUpper(text), settingsPrefix) {
		return nil // Dagger did not read it either.
	}
	names, err := settings.Names(itself, "Slipway")
	if err != nil {
		return err
	}
	if err := settings.Check(text, settingsPrefix, slices.Concat(names, notSettings)); err != nil {
		return fmt.Errorf("%s: %w; docs/settings.md lists them", strings.TrimPrefix(file, "/"), err)
	}
	return nil
}
