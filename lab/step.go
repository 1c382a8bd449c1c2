package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// A Step is one part of the lab that is built once per content key and kept.
type Step struct {
	Name  string
	About string // what the user reads in progress lines

	// The key covers everything below, so a changed recipe, package list or version is a new part.
	Inputs []string // values
	Files  []string // files and directories, relative to the lab's source
	Deps   []*Step

	Build func(ctx context.Context, b *Build) error
}

// Build is what a step's recipe works with.
type Build struct {
	Dir    string // the part's content goes here
	Source string // the lab's source directory
	Log    io.Writer
	parts  func(*Step) string
}

// Part is the directory of a step this one depends on.
func (b *Build) Part(s *Step) string { return b.parts(s) }

// Steps builds steps into a cache directory.
type Steps struct {
	Cache  string // holds parts/, locks/ and logs/
	Source string
	Say    func(format string, args ...any)

	mu   sync.Mutex
	keys map[*Step]string
	runs map[*Step]func() error
}

const (
	buildPatience = 45 * time.Minute // then a download hangs, or the machine is far too small
	lockPatience  = buildPatience + time.Minute
)

// Key identifies what the step would build.
func (r *Steps) Key(s *Step) (string, error) {
	r.mu.Lock()
	key, ok := r.keys[s]
	r.mu.Unlock()
	if ok {
		return key, nil
	}
	h := sha256.New()
	fmt.Fprintf(h, "%q %q\n", s.Name, s.Inputs)
	for _, name := range s.Files {
		if err := hashTree(h, r.Source, name); err != nil {
			return "", fmt.Errorf("inputs of %s: %w", s.Name, err)
		}
	}
	for _, d := range s.Deps {
		dk, err := r.Key(d)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %s\n", d.Name, dk)
	}
	key = hex.EncodeToString(h.Sum(nil))[:16]
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys == nil {
		r.keys = map[*Step]string{}
	}
	r.keys[s] = key
	return key, nil
}

func hashTree(h io.Writer, root, name string) error {
	return filepath.WalkDir(filepath.Join(root, name), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%q %x\n", rel, sha256.Sum256(content))
		return nil
	})
}

// Part is where the step's content is, or would be.
func (r *Steps) Part(s *Step) string {
	key, err := r.Key(s)
	if err != nil {
		key = "unknown" // Missing has reported the error by the time a part is used
	}
	return filepath.Join(r.Cache, "parts", s.Name+"-"+key)
}

// Missing lists the steps, dependencies included, that have yet to be built.
func (r *Steps) Missing(steps ...*Step) ([]*Step, error) {
	var missing []*Step
	for _, s := range closure(steps) {
		if _, err := r.Key(s); err != nil {
			return nil, err
		}
		if _, err := os.Stat(r.Part(s)); err != nil {
			missing = append(missing, s)
		}
	}
	return missing, nil
}

// closure is steps and all they depend on, dependencies first.
func closure(steps []*Step) []*Step {
	var all []*Step
	seen := map[*Step]bool{}
	var visit func([]*Step)
	visit = func(steps []*Step) {
		for _, s := range steps {
			if !seen[s] {
				seen[s] = true
				visit(s.Deps)
				all = append(all, s)
			}
		}
	}
	visit(steps)
	return all
}

// Ensure builds what is missing, independent steps side by side.
func (r *Steps) Ensure(ctx context.Context, steps ...*Step) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range steps {
		g.Go(func() error { return r.once(ctx, s)() })
	}
	return g.Wait()
}

// again looks at what is there anew: a run of another state of the source may have pruned what this one built
// or found, until it holds the lock on the daemons.
func (r *Steps) again() *Steps { return &Steps{Cache: r.Cache, Source: r.Source, Say: r.Say} }

func (r *Steps) once(ctx context.Context, s *Step) func() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.runs == nil {
		r.runs = map[*Step]func() error{}
	}
	if r.runs[s] == nil {
		r.runs[s] = sync.OnceValue(func() error {
			if _, err := os.Stat(r.Part(s)); err == nil {
				return nil
			}
			if err := r.Ensure(ctx, s.Deps...); err != nil {
				return err
			}
			return r.build(ctx, s)
		})
	}
	return r.runs[s]
}

func (r *Steps) build(ctx context.Context, s *Step) error {
	if _, err := r.Key(s); err != nil {
		return err
	}
	lock, err := Lock(ctx, r.lockPath(s), lockPatience, func() {
		r.Say("%s: waiting for another run that is building it", s.About)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", s.About, err)
	}
	defer lock.Close()

	part := r.Part(s)
	if _, err := os.Stat(part); err == nil {
		return nil // the run we waited for built it
	}
	// Under the lock a half-built directory can only be what a killed run left.
	stale, _ := filepath.Glob(filepath.Join(r.Cache, "parts", "."+s.Name+"-????????????????.partial"))
	for _, dir := range stale {
		if err := removeTree(dir); err != nil {
			return fmt.Errorf("%s: remove what a killed run left: %w", s.About, err)
		}
	}
	if err := privateDir(filepath.Dir(part)); err != nil {
		return err
	}
	// Its mode may become that of the root directory of an engine or a node.
	partial := filepath.Join(r.Cache, "parts", "."+filepath.Base(part)+".partial")
	if err := os.MkdirAll(partial, 0o755); err != nil {
		return err
	}
	logPath := filepath.Join(r.Cache, "logs", s.Name+".log")
	log, err := privateFile(logPath)
	if err != nil {
		return err
	}
	defer log.Close()

	start := time.Now()
	limited, cancel := context.WithTimeoutCause(ctx, buildPatience, fmt.Errorf("given up after %s", buildPatience))
	defer cancel()
	err = s.Build(limited, &Build{Dir: partial, Source: r.Source, Log: log, parts: r.Part})
	if err == nil {
		err = os.Rename(partial, part)
	}
	if err != nil {
		if ctx.Err() == nil && limited.Err() != nil {
			err = context.Cause(limited)
		}
		_ = removeTree(partial)
		if errors.Is(ctx.Err(), context.Canceled) {
			return context.Canceled // another step failed, or the user gave up: that is the story to tell
		}
		return fmt.Errorf("%s failed after %.0f s: %w\n%swhole log: %s",
			s.About, time.Since(start).Seconds(), err, indentTail(logPath, 15), logPath)
	}
	r.Say("%s: built in %.0f s", s.About, time.Since(start).Seconds())
	return nil
}

// Building says whether some run is building the step.
func (r *Steps) Building(s *Step) bool {
	f, err := os.Open(r.lockPath(s))
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}

func (r *Steps) lockPath(s *Step) string { return filepath.Join(r.Cache, "locks", s.Name) }

// indentTail is the end of a log, ready to stand inside a message.
func indentTail(path string, n int) string {
	content, err := os.ReadFile(path)
	if err != nil || len(bytes.TrimSpace(content)) == 0 {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	lines = lines[max(0, len(lines)-n):]
	return "    " + strings.Join(lines, "\n    ") + "\n"
}
