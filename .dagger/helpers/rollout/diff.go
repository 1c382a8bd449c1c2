package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"
)

// diff prints what applying would change.
func diff(ctx context.Context, c *cluster, req request) error {
	there, err := c.enter(ctx)
	if err != nil {
		return err
	}
	different, err := c.differences(ctx, os.Stdout, c.prepare(req), there)
	if err == nil && different {
		err = errDifferent
	}
	return err
}

// differences writes to w what kubectl diff finds, and what would be removed.
func (c *cluster) differences(ctx context.Context, w io.Writer, objects []object, there bool) (different bool, err error) {
	if !there {
		fmt.Fprintf(w, "namespace %s is not there yet; with it would come:\n", c.namespace)
		for _, o := range objects {
			fmt.Fprintf(w, "  %s\n", o)
		}
		return true, nil
	}
	file, err := writeObjects(objects)
	if err != nil {
		return false, err
	}
	self, err := os.Executable()
	if err != nil {
		return false, err
	}
	// Conflicts are refused elsewhere; here they would hide the difference.
	cmd := c.kubectl.command(ctx, "diff", "--server-side", "--force-conflicts", "--field-manager="+manager, "--filename="+file)
	cmd.Env = append(os.Environ(), "KUBECTL_EXTERNAL_DIFF="+self+" difference")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		return false, fmt.Errorf("kubectl diff: %s", oneLine(said.String()))
	}
	different = err != nil
	fmt.Fprint(w, out.String())

	records, err := c.records(ctx)
	if err != nil {
		return false, err
	}
	for _, o := range without(inventory(records), objects) {
		live, err := c.read(ctx, o)
		if err != nil {
			return false, err
		}
		if c.owns(live) && o.kind() != "Namespace" {
			different = true
			fmt.Fprintf(w, "%s would be removed: the manifests no longer have it\n", o)
		}
	}
	if !different {
		fmt.Fprintln(w, "no difference")
	}
	return different, nil
}

// difference is the diff program that kubectl calls with two directories; the
// image with kubectl has none. Exit status as diff's.
func difference(w io.Writer, live, merged string) int {
	names := map[string]bool{}
	for _, dir := range []string{live, merged} {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				names[filepath.Base(path)] = true
			}
			return nil
		})
	}
	status := 0
	sorted := make([]string, 0, len(names))
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	for _, name := range sorted {
		before, _ := os.ReadFile(filepath.Join(live, name)) // absent: an object that is new
		after, _ := os.ReadFile(filepath.Join(merged, name))
		if !bytes.Equal(before, after) {
			status = 1
			fmt.Fprint(w, udiff.Unified("live/"+name, "merged/"+name, settle(before), settle(after)))
		}
	}
	return status
}

// settle leaves out what changes with every write and tells nobody anything.
func settle(text []byte) string {
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "  generation: ") && !strings.HasPrefix(line, "  resourceVersion: ") {
			b.WriteString(line)
		}
	}
	return b.String()
}
