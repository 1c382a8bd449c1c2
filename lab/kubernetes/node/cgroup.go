package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	cgroupRoot   = "/sys/fs/cgroup"
	cgroupPrefix = "k3s-"
)

// A hierarchy is one tree of control groups: the only one of version 2, or one of several of version 1.
type hierarchy struct {
	root    string // where it is mounted
	options string // of its mount, version 1 only
	own     string // this process's group in it
}

func (h hierarchy) unified() bool { return h.options == "" }

// hierarchies reads what /proc/self/cgroup says. A version 2 tree beside others of version 1 has no
// controllers, so it is left out.
func hierarchies(self string) []hierarchy {
	var v1, v2 []hierarchy
	for line := range strings.Lines(self) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		// A group outside the namespace's root cannot be reached; its root can.
		own := f[2]
		if strings.HasPrefix(own, "/..") {
			own = "/"
		}
		name, named := strings.CutPrefix(f[1], "name=")
		switch {
		case f[0] == "0":
			v2 = append(v2, hierarchy{root: cgroupRoot, own: own})
		case named:
			v1 = append(v1, hierarchy{root: filepath.Join(cgroupRoot, name), options: "none,name=" + name, own: own})
		default:
			v1 = append(v1, hierarchy{root: filepath.Join(cgroupRoot, name), options: name, own: own})
		}
	}
	if len(v1) > 0 {
		return v1
	}
	return v2
}

// mountHierarchies mounts what there is as the cgroup namespace of this process sees it.
func mountHierarchies() ([]hierarchy, error) {
	self, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	all := hierarchies(string(self))
	if len(all) == 0 {
		return nil, errors.New("this kernel has no control groups")
	}
	if all[0].unified() {
		return all, unix.Mount("cgroup2", cgroupRoot, "cgroup2", 0, "")
	}
	if err := unix.Mount("tmpfs", cgroupRoot, "tmpfs", 0, "mode=755"); err != nil {
		return nil, err
	}
	for _, h := range all {
		if err := os.MkdirAll(h.root, 0o755); err != nil {
			return nil, err
		}
		if err := unix.Mount("cgroup", h.root, "cgroup", 0, h.options); err != nil {
			return nil, fmt.Errorf("mount %s: %w", h.options, err)
		}
	}
	return all, nil
}

// group is where a node of the given name has its own group.
func (h hierarchy) group(name string) string {
	if h.unified() {
		// Beside the group that evacuated processes are in, not below it.
		return filepath.Join(h.root, name)
	}
	return filepath.Join(h.root, h.own, name)
}

// makeGroups makes the node's groups.
func makeGroups(all []hierarchy, name string) error {
	for _, h := range all {
		group := h.group(name)
		if h.unified() {
			if err := delegate(h.root); err != nil {
				return err
			}
		}
		if err := os.MkdirAll(group, 0o755); err != nil {
			return err
		}
		// A version 1 cpuset admits nobody until it is told which processors it has.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			if content, err := os.ReadFile(filepath.Join(filepath.Dir(group), file)); err == nil && !h.unified() {
				if err := os.WriteFile(filepath.Join(group, file), content, 0o644); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// delegate hands a version 2 group's controllers to the groups below it. Then no process may be in
// it, so those that are move into one below. It changes nothing where the caller has done so before.
func delegate(group string) error {
	controllers, err := os.ReadFile(filepath.Join(group, "cgroup.controllers"))
	if err != nil {
		return err
	}
	control := filepath.Join(group, "cgroup.subtree_control")
	enabled, err := os.ReadFile(control)
	if err != nil {
		return err
	}
	have := strings.Fields(string(enabled))
	var add []string
	for _, c := range strings.Fields(string(controllers)) {
		if !slices.Contains(have, c) {
			add = append(add, "+"+c)
		}
	}
	if len(add) == 0 {
		return nil
	}
	if os.WriteFile(control, []byte(strings.Join(add, " ")), 0o644) == nil {
		return nil
	}
	inner := filepath.Join(group, "init")
	if err := os.MkdirAll(inner, 0o755); err != nil {
		return err
	}
	// Processes may start others meanwhile.
	for range 20 {
		procs, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
		if err != nil {
			return err
		}
		for _, pid := range strings.Fields(string(procs)) {
			// One that ends, or that belongs to the kernel, need not move.
			_ = os.WriteFile(filepath.Join(inner, "cgroup.procs"), []byte(pid), 0o644)
		}
		if err = os.WriteFile(control, []byte(strings.Join(add, " ")), 0o644); err == nil {
			return nil
		}
	}
	var last error
	for _, c := range add {
		// One that the machine keeps to itself is one the node may do without.
		if err := os.WriteFile(control, []byte(c), 0o644); err != nil {
			last = errors.Join(last, fmt.Errorf("controller %s: %w", c[1:], err))
		}
	}
	if last != nil {
		say("%v", last)
	}
	return nil
}

// enterGroups moves this process into the node's groups, which become the roots of what it sees.
func enterGroups(all []hierarchy, name string) error {
	for _, h := range all {
		group := h.group(name)
		if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte("0"), 0o644); err != nil {
			return fmt.Errorf("enter control group %s: %w", group, err)
		}
	}
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return err
	}
	if err := unix.Unmount(cgroupRoot, unix.MNT_DETACH); err != nil {
		return err
	}
	all, err := mountHierarchies()
	if err != nil {
		return err
	}
	if all[0].unified() {
		return delegate(cgroupRoot)
	}
	return nil
}

// removeGroups removes the node's groups once its processes are gone.
func removeGroups(all []hierarchy, name string) error {
	var errs []error
	for _, h := range all {
		errs = append(errs, removeGroup(h.group(name)))
	}
	return errors.Join(errs...)
}

func removeGroup(top string) error {
	var groups []string
	_ = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			groups = append(groups, path)
		}
		return nil
	})
	slices.Reverse(groups) // inner ones first
	for _, group := range groups {
		err := unix.Rmdir(group)
		for range 100 {
			if err != unix.EBUSY {
				break
			}
			time.Sleep(20 * time.Millisecond) // the kernel is still burying a process
			err = unix.Rmdir(group)
		}
		if err != nil && err != unix.ENOENT {
			return fmt.Errorf("remove control group %s: %w", group, err)
		}
	}
	return nil
}

// removeStale removes what nodes that were killed left. Whose processes those are cannot be seen from
// another PID namespace, but their number can; one that is just starting has none yet.
func removeStale(all []hierarchy) {
	var dead []string
	for _, h := range all {
		tops, _ := filepath.Glob(h.group(cgroupPrefix + "*"))
		for _, top := range tops {
			info, err := os.Stat(top)
			if err != nil || time.Since(info.ModTime()) < 10*time.Second {
				continue
			}
			count, _ := os.ReadFile(filepath.Join(top, "pids.current"))
			events, _ := os.ReadFile(filepath.Join(top, "cgroup.events"))
			if strings.TrimSpace(string(count)) == "0" || strings.Contains(string(events), "populated 0") {
				dead = append(dead, filepath.Base(top))
			}
		}
	}
	for _, name := range dead {
		_ = removeGroups(all, name) // the next start tries again
	}
}
