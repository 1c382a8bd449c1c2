package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	spaceToBuild = 12 << 30
	spaceToRun   = 3 << 30
)

// packages the machine itself needs, by a program of theirs.
var machinePackages = map[string]string{"mmdebstrap": "mmdebstrap", "tar": "tar"}

// preflight finds everything that stands in the way before anything is built, and reports it in one
// message. Debian packages that are missing it installs.
func preflight(ctx context.Context, cache string, building bool) error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }

	if os.Geteuid() != 0 {
		problem("must run as root, to mount file systems and make networks: use sudo or a root shell")
	}
	if arch != "amd64" && arch != "arm64" {
		problem("needs an amd64 or arm64 machine; this is %s", runtime.GOARCH)
	}
	if err := privateDir(cache); err != nil {
		problem("%w: set XDG_CACHE_HOME to a directory that can be written", err)
	} else {
		if err := freeSpace(cache, building); err != nil {
			problems = append(problems, err)
		}
		if err := tryMounts(ctx, cache); err != nil && os.Geteuid() == 0 {
			problem("overlay mounts in new namespaces do not work (%w): a container must be privileged, and %s on a disk that is no overlay itself", err, cache)
		}
	}
	if err := goVersionAtLeast(ctx, 26); err != nil {
		problems = append(problems, err)
	}
	var install []string
	for program, pkg := range machinePackages {
		if _, err := exec.LookPath(program); err != nil && building {
			install = append(install, pkg)
		}
	}
	if len(install) > 0 {
		if _, err := exec.LookPath("apt-get"); err != nil {
			problem("no apt-get to install %s with: the lab needs Debian or a relative of it", strings.Join(install, ", "))
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("this machine is not ready:\n%w", errors.Join(problems...))
	}
	if len(install) > 0 {
		return aptInstall(ctx, install)
	}
	return nil
}

func freeSpace(cache string, building bool) error {
	need := uint64(spaceToRun)
	if building {
		need = spaceToBuild
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(cache, &fs); err != nil {
		return err
	}
	if free := fs.Bavail * uint64(fs.Bsize); free < need {
		return fmt.Errorf("needs %d GiB of free disk at %s; there are %d: free some, or set XDG_CACHE_HOME to another disk",
			need>>30, cache, free>>30)
	}
	return nil
}

// tryMounts does in short what the engine's start does.
func tryMounts(ctx context.Context, cache string) error {
	dir, err := os.MkdirTemp(cache, "preflight-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"lower", "upper", "work", "root", "root/old"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	script := `mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work root
cd root; mkdir old; PATH=$PATH:/usr/sbin:/sbin; pivot_root . old`
	cmd := exec.CommandContext(ctx, "/bin/sh", "-euc", script)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Unshareflags: syscall.CLONE_NEWNS}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

func goVersionAtLeast(ctx context.Context, minor int) error {
	out, err := exec.CommandContext(ctx, "go", "env", "GOVERSION").Output()
	if err != nil {
		return fmt.Errorf("no usable Go (%w): get 1.%d or newer from https://go.dev/dl/", err, minor)
	}
	var have int
	if _, err := fmt.Sscanf(string(out), "go1.%d", &have); err != nil || have < minor {
		return fmt.Errorf("needs Go 1.%d or newer; there is %s: get it from https://go.dev/dl/", minor, strings.TrimSpace(string(out)))
	}
	return nil
}

// aptInstall refreshes the package lists only if without that a package is not found.
func aptInstall(ctx context.Context, packages []string) error {
	say("installing %s", strings.Join(packages, ", "))
	apt := func(args ...string) error {
		var log strings.Builder
		// Somebody else's apt-get is waited for, at most five minutes.
		err := command{
			Args: append([]string{"apt-get", "-o", "DPkg::Lock::Timeout=300", "-qq"}, args...),
			Env:  []string{"DEBIAN_FRONTEND=noninteractive"},
			Log:  &log,
		}.Run(ctx)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, strings.TrimSpace(log.String()))
		}
		return nil
	}
	install := append([]string{"install", "-y", "--no-install-recommends"}, packages...)
	if apt(install...) == nil {
		return nil
	}
	if err := apt("update"); err != nil {
		return err
	}
	return apt(install...)
}
