package main

import (
	"context"
	"os"
	"path/filepath"
)

// The engine starts dnsmasq so that it takes port 53 of every address of the machine, which only one
// engine can. Bound to its own bridge, which is there before it, it leaves the port to others. With
// --bind-dynamic it would look at every interface whenever one comes or goes, and not answer meanwhile.
const dnsmasqWrapper = `#!/bin/sh
exec /usr/sbin/dnsmasq --bind-interfaces "$@"
`

// The engine's root file system as a directory: Debian and, where the engine expects them, its own
// programs and the CNI plugins it uses. It is only ever mounted read-only, below an overlay.
var engineRoot = &Step{
	Name:  "engine-root",
	About: "engine root file system",
	Files: []string{"engineroot.go"},
	Deps:  []*Step{engineDebian, daggerPrograms},
	Build: func(ctx context.Context, b *Build) error {
		err := command{
			Args: []string{"tar", "-C", b.Dir, "-xf", filepath.Join(b.Part(engineDebian), "root.tar")},
			Log:  b.Log,
		}.Run(ctx)
		if err != nil {
			return err
		}
		for _, dir := range []string{"opt/cni/bin", "etc/dagger", "usr/local/share/dagger/content/blobs", "var/lib/dagger", "usr/local/share/ca-certificates"} {
			if err := os.MkdirAll(filepath.Join(b.Dir, dir), 0o755); err != nil {
				return err
			}
		}
		links := map[string]string{
			"usr/local/bin/runc": filepath.Join(b.Dir, "usr/sbin/runc"),
			// The engine looks for both in /usr/bin.
			"usr/bin/xtables-legacy-multi": filepath.Join(b.Dir, "usr/sbin/xtables-legacy-multi"),
			"usr/bin/xtables-nft-multi":    filepath.Join(b.Dir, "usr/sbin/xtables-nft-multi"),
		}
		for _, plugin := range []string{"bridge", "firewall", "host-local", "loopback"} {
			links["opt/cni/bin/"+plugin] = filepath.Join(b.Dir, "usr/lib/cni", plugin)
		}
		for program, path := range map[string]string{
			"engine":    "usr/local/bin/dagger-engine",
			"init":      "usr/local/bin/dagger-init",
			"dialstdio": "usr/bin/dial-stdio",
			"dnsname":   "opt/cni/bin/dnsname",
		} {
			links[path] = filepath.Join(b.Part(daggerPrograms), program)
		}
		for path, target := range links {
			if err := os.Link(target, filepath.Join(b.Dir, path)); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(b.Dir, "usr/local/sbin/dnsmasq"), []byte(dnsmasqWrapper), 0o755); err != nil {
			return err
		}
		// Without this file the engine logs a warning at every start.
		return os.WriteFile(filepath.Join(b.Dir, "etc/dagger/engine.toml"), nil, 0o644)
	},
}
