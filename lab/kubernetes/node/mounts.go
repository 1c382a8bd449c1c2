package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const runDir = "/run/k3s" // in memory, of this run only

// Settings of the whole machine that kubelet would write, with the values it wants. It is shown
// these instead, so that it leaves the machine as it is.
var sysctls = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

// mountNode makes what the components expect of a machine, in the mount namespace of the node.
func mountNode() error {
	// Volumes are mounted where containers already running must see them.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("share mounts: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := os.MkdirAll(runDir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", runDir, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount %s: %w", runDir, err)
	}
	for name, value := range sysctls {
		file, target := filepath.Join(runDir, "sysctl", name), filepath.Join("/proc/sys", name)
		if _, err := os.Stat(target); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := unix.Mount(file, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount over %s: %w", target, err)
		}
	}
	if _, err := os.Stat("/dev/kmsg"); errors.Is(err, fs.ErrNotExist) {
		if err := unix.Mknod("/dev/kmsg", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 11))); err != nil {
			return fmt.Errorf("make /dev/kmsg: %w", err)
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return fmt.Errorf("let pods reach out: %w", err)
	}
	return nil
}

// tryOverlay finds out whether containerd can stack layers on the file system of dir, which cannot
// be told from its kind alone.
func tryOverlay(dir string) error {
	tmp, err := os.MkdirTemp(dir, ".overlay-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	for _, name := range []string{"lower", "upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(tmp, name), 0o755); err != nil {
			return err
		}
	}
	options := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", tmp)
	if err := unix.Mount("overlay", filepath.Join(tmp, "root"), "overlay", 0, options); err != nil {
		return fmt.Errorf("overlay mounts do not work in %s (%w): mount a volume or tmpfs there, or use --snapshotter=native", dir, err)
	}
	return unix.Unmount(filepath.Join(tmp, "root"), unix.MNT_DETACH)
}
