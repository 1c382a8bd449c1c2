package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// becomeEngine runs as the first process of new mount and PID namespaces and ends as the engine.
// The network stays the machine's: the engine pulls from 127.0.0.1 and makes its bridge there.
func becomeEngine(dir string) error {
	runtime.LockOSThread() // a control group namespace belongs to a thread
	var spec engineSpec
	if err := readJSON(filepath.Join(dir, "spec.json"), &spec); err != nil {
		return err
	}
	root, tmp := filepath.Join(spec.Dir, "root"), filepath.Join(spec.Dir, "tmp")
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.Mkdir(tmp, 0o1777); err != nil {
		return err
	}
	err := mountRoot(spec.Root, root, []mount{
		{"proc", "proc", "proc", 0},
		{"sysfs", "sys", "sysfs", 0},
		{"/dev", "dev", "", unix.MS_BIND | unix.MS_REC},
		{"tmpfs", "run", "tmpfs", 0},
		{filepath.Join(spec.Dir, "run"), "run/dagger", "", unix.MS_BIND},
		{tmp, "tmp", "", unix.MS_BIND},
		{filepath.Join(spec.Dir, "state"), "var/lib/dagger", "", unix.MS_BIND},
		{filepath.Join(spec.Content, "blobs"), "usr/local/share/dagger/content/blobs", "", unix.MS_BIND},
	})
	if err != nil {
		return err
	}
	if err := mountCgroup(spec.Network.Name, filepath.Join(root, "sys/fs/cgroup")); err != nil {
		return fmt.Errorf("control group: %w", err)
	}
	if err := copyFromMachine(spec, root); err != nil {
		return err
	}
	if err := enterRoot(root); err != nil {
		return err
	}
	// tini reaps what containers leave behind and passes signals on.
	return unix.Exec("/usr/bin/tini", []string{"tini", "--", "/usr/local/bin/dagger-engine",
		"--config", "/etc/dagger/engine.toml",
		"--addr", "unix:///run/dagger/engine.sock",
		"--network-name", spec.Network.Name,
		"--network-cidr", spec.Network.CIDR,
		// Networks are made ahead of use; the usual 128 cost seconds of a small machine's start.
		"--oci-cni-pool-size", "24",
	}, spec.Env)
}

// copyFromMachine gives the engine the machine's name servers and extra certificate authorities.
// The engine installs those into the containers it runs by itself; no image has them.
func copyFromMachine(spec engineSpec, root string) error {
	if err := os.WriteFile(filepath.Join(root, "etc/dagger/engine.json"), spec.Config, 0o644); err != nil {
		return err
	}
	for _, name := range []string{"etc/resolv.conf", "etc/hosts"} {
		content, err := os.ReadFile("/" + name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, name), content, 0o644); err != nil {
			return err
		}
	}
	const authorities = "/usr/local/share/ca-certificates"
	return filepath.WalkDir(authorities, func(path string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil || d.IsDir() || filepath.Ext(path) != ".crt" {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(root, authorities, filepath.Base(path)), content, 0o644)
	})
}

// cgroup2 is where the machine has the version 2 hierarchy, which is elsewhere where version 1 is
// still in use.
func cgroup2() string {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			return f[1]
		}
	}
	return ""
}

// mountCgroup gives the engine a control group of its own as the root of what it sees, so that its
// containers' groups go when it goes.
func mountCgroup(name, target string) error {
	if hierarchy := cgroup2(); hierarchy != "" {
		own := filepath.Join(hierarchy, name)
		inner := filepath.Join(own, "init")
		if err := os.MkdirAll(inner, 0o755); err != nil {
			return err
		}
		// Processes may not stay in a group that hands controllers down, hence the inner one.
		if err := os.WriteFile(filepath.Join(own, "cgroup.procs"), []byte("0"), 0o644); err != nil {
			return err
		}
		if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(inner, "cgroup.procs"), []byte("0"), 0o644); err != nil {
			return err
		}
		controllers, err := os.ReadFile(filepath.Join(own, "cgroup.controllers"))
		if err != nil {
			return err
		}
		for _, c := range strings.Fields(string(controllers)) {
			// One that the machine keeps to itself is one the engine does without.
			os.WriteFile(filepath.Join(own, "cgroup.subtree_control"), []byte("+"+c), 0o644)
		}
	}
	return unix.Mount("cgroup2", target, "cgroup2", 0, "")
}

// removeCgroup removes the engine's control group once its processes are gone.
func removeCgroup(name string) error {
	return removeGroupTree(filepath.Join(cgroup2(), name))
}

func removeGroupTree(own string) error {
	var groups []string
	err := filepath.WalkDir(own, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			groups = append(groups, path)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := len(groups) - 1; i >= 0; i-- { // inner ones first
		err = unix.Rmdir(groups[i])
		for range 100 {
			if err != unix.EBUSY {
				break
			}
			time.Sleep(20 * time.Millisecond) // the kernel is still burying a process
			err = unix.Rmdir(groups[i])
		}
		if err != nil && err != unix.ENOENT {
			return fmt.Errorf("remove control group %s: %w", groups[i], err)
		}
	}
	return nil
}
