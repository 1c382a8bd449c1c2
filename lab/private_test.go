package main

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"
)

// TestTheLabsFilesArePrivate lets everything write that keeps state, in a cache that an earlier lab left open
// and with a shell that masks nothing.
func TestTheLabsFilesArePrivate(t *testing.T) {
	old := unix.Umask(0)
	defer unix.Umask(old)
	home := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", home)
	cache := filepath.Join(home, "slipway", "lab")
	for _, dir := range []string{"registry", "logs", "locks", "parts", "engines/default", "clusters/default"} {
		if err := os.MkdirAll(filepath.Join(cache, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{
		"registry/address", "registry/spec.json", "registry/-test.run=^$.log", "locks/daemons", "locks/part", "logs/part.log",
		"engines/default/spec.json", "clusters/default/kubeconfig",
	} {
		if err := os.WriteFile(filepath.Join(cache, file), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}

	lab, err := newLab(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	lock, err := lab.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lock.Close()
	part := &Step{Name: "part", About: "part", Build: func(_ context.Context, b *Build) error {
		return os.WriteFile(filepath.Join(b.Dir, "for-a-root-file-system"), nil, 0o644)
	}}
	if err := lab.steps.Ensure(t.Context(), part); err != nil {
		t.Fatal(err)
	}
	// Daemons of every kind, each with what its start writes; the program they become ends at once.
	for _, d := range []*Daemon{&lab.registry.Daemon, &lab.engine.Daemon, &lab.cluster.Daemon} {
		d.name = "-test.run=^$"
	}
	file, address, err := lab.registry.listen()
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	if err := writeJSON(filepath.Join(lab.registry.dir, "spec.json"), registrySpec{}); err != nil {
		t.Fatal(err)
	}
	if err := lab.registry.Start(record{Address: address}, 0); err != nil {
		t.Fatal(err)
	}
	if err := lab.registry.Stop(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	spec := engineSpec{Env: []string{"HTTPS_PROXY=http://user:password@proxy"}}
	if err := lab.engine.prepare(spec); err != nil {
		t.Fatal(err)
	}
	if err := lab.cluster.prepare(clusterSpec{}); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(lab.cluster.kubeconfig(), []byte("key")); err != nil {
		t.Fatal(err)
	}
	h, _, err := v1.SHA256(strings.NewReader("blob"))
	if err != nil {
		t.Fatal(err)
	}
	store := uploads{dir: filepath.Join(lab.registry.dir, "uploads")}
	if err := store.Put(t.Context(), "hello", h, io.NopCloser(strings.NewReader("blob"))); err != nil {
		t.Fatal(err)
	}

	seen := 0
	err = filepath.WalkDir(cache, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		seen++
		name := strings.TrimPrefix(path, cache)
		info, err := d.Info()
		if err != nil {
			return err
		}
		// A part and a node's state need the modes of a root file system; nobody else gets there.
		if strings.HasPrefix(name, "/parts/") || strings.Contains(name, "/state/") {
			return fs.SkipDir
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%q is %s", name, info.Mode())
		}
		return nil
	})
	if err != nil || seen < 25 {
		t.Errorf("%d files, %v", seen, err)
	}
}
