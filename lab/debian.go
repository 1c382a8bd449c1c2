package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	arch  = runtime.GOARCH // also Debian's name for it, on the two architectures the preflight admits
	suite = "bookworm"

	// One fixed time for every file, so that building twice gives the same layers.
	sourceDateEpoch = "1767225600" // 2026-01-01

	aptSources = "/etc/apt/sources.list.d/debian.sources"
)

// What the official golang image has on top of Debian.
var goDebian = debian("debian-go", "Debian with build tools",
	"ca-certificates", "curl", "g++", "gcc", "git", "libc6-dev", "make", "openssh-client", "pkg-config")

// What Dagger's own Go SDK image has on top of Alpine: no C compiler.
var goSDKDebian = debian("debian-go-sdk", "Debian for the Go SDK", "ca-certificates", "git", "openssh-client")

// What the Dagger engine calls while it works.
var engineDebian = debian("debian-engine", "Debian for the engine",
	"ca-certificates", "containernetworking-plugins", "dnsmasq-base", "git", "iproute2", "iptables",
	"mount", "openssh-client", "pigz", "procps", "ripgrep", "runc", "tini", "xz-utils")

// debian is a step that makes root.tar, a Debian root file system with the given packages.
func debian(name, about string, packages ...string) *Step {
	return &Step{
		Name:   name,
		About:  about,
		Inputs: append([]string{suite, arch, sourceDateEpoch}, packages...),
		Files:  []string{"debian.go"},
		Build: func(ctx context.Context, b *Build) error {
			args := []string{"mmdebstrap", "--mode=root", "--variant=apt", "--include=" + strings.Join(packages, ",")}
			args = append(args,
				"--dpkgopt=force-unsafe-io", // a killed build is thrown away anyway
				// Otherwise apt's directories belong to whom it could drop its rights to, which depends
				// on where the cache is.
				`--aptopt=APT::Sandbox::User "root"`)
			for _, path := range []string{"doc", "man", "info", "locale", "lintian", "bug"} {
				args = append(args, "--dpkgopt=path-exclude=/usr/share/"+path+"/*")
			}
			args = append(args,
				// The engine adds the machine's own CAs to whatever it runs, and takes them out again: in
				// no time by itself, in seconds where it finds this program to call.
				"--customize-hook=rm -f $1/usr/sbin/update-ca-certificates",
				// Debian's own bundle is what services copy out, so nothing of this machine may get in.
				"--customize-hook=rm -f $1/etc/resolv.conf $1/etc/hostname",
				"--customize-hook=rm -rf $1/var/cache/debconf/* $1/var/log/* $1/var/lib/apt/lists/*",
				suite, filepath.Join(b.Dir, "root.tar"))
			sources, err := machineSources()
			if err != nil {
				return err
			}
			tmp := filepath.Join(b.Dir, "tmp")
			if err := os.Mkdir(tmp, 0o755); err != nil {
				return err
			}
			err = command{
				Args: append(args, sources...),
				Env:  []string{"SOURCE_DATE_EPOCH=" + sourceDateEpoch, "TMPDIR=" + tmp, "DEBIAN_FRONTEND=noninteractive"},
				Log:  b.Log,
			}.Run(ctx)
			if err != nil {
				return err
			}
			return os.RemoveAll(tmp)
		},
	}
}

// machineSources is where this machine gets Debian packages from, which may be a mirror of its own
// network. Files of other suites or vendors have no place in the root file systems.
func machineSources() ([]string, error) {
	for _, path := range []string{aptSources, "/etc/apt/sources.list"} {
		if content, err := os.ReadFile(path); err == nil && strings.Contains(string(content), suite) {
			return []string{path}, nil
		}
	}
	// Another Debian release or Ubuntu: mmdebstrap knows Debian's public mirrors.
	if _, err := os.Stat("/usr/share/keyrings/debian-archive-keyring.gpg"); err != nil {
		return nil, fmt.Errorf("no apt source for Debian %s and no Debian keyring; install debian-archive-keyring", suite)
	}
	return nil, nil
}
