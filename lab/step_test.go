package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func newSteps(t *testing.T) *Steps {
	t.Helper()
	return &Steps{Cache: t.TempDir(), Source: t.TempDir(), Say: t.Logf}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func counting(name string, builds *atomic.Int32, deps ...*Step) *Step {
	return &Step{Name: name, About: name, Deps: deps, Build: func(_ context.Context, b *Build) error {
		builds.Add(1)
		return os.WriteFile(filepath.Join(b.Dir, "content"), []byte(name), 0o644)
	}}
}

func TestKeyCoversEveryInput(t *testing.T) {
	source := t.TempDir()
	write(t, filepath.Join(source, "recipe.go"), "one")
	write(t, filepath.Join(source, "tree/a/b"), "one")
	make := func() (*Step, *Step) {
		dep := &Step{Name: "dep", Inputs: []string{"1"}}
		return &Step{Name: "step", Inputs: []string{"x", "y"}, Files: []string{"recipe.go", "tree"}, Deps: []*Step{dep}}, dep
	}
	key := func(s *Step) string {
		t.Helper()
		k, err := (&Steps{Source: source}).Key(s)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	s, _ := make()
	original := key(s)
	if s, _ := make(); key(s) != original {
		t.Fatal("the key differs between two runs")
	}
	changes := map[string]func(s, dep *Step){
		"value":              func(s, _ *Step) { s.Inputs = []string{"x", "z"} },
		"split of values":    func(s, _ *Step) { s.Inputs = []string{"x y"} },
		"dependency":         func(_, dep *Step) { dep.Inputs = []string{"2"} },
		"file":               func(*Step, *Step) { write(t, filepath.Join(source, "recipe.go"), "two") },
		"file in a tree":     func(*Step, *Step) { write(t, filepath.Join(source, "tree/a/b"), "two") },
		"new file in a tree": func(*Step, *Step) { write(t, filepath.Join(source, "tree/a/c"), "") },
	}
	seen := map[string]string{original: "nothing"}
	for what, change := range changes {
		s, dep := make()
		change(s, dep)
		k := key(s)
		if other, ok := seen[k]; ok {
			t.Errorf("changing %s gives the key of changing %s", what, other)
		}
		seen[k] = what
	}
}

func TestBuildsOnceAndOnlyWhatIsMissing(t *testing.T) {
	var base, left, right atomic.Int32
	b := counting("base", &base)
	l, r := counting("left", &left, b), counting("right", &right, b)
	steps := newSteps(t)
	for range 3 {
		if err := steps.again().Ensure(t.Context(), l, r, b); err != nil {
			t.Fatal(err)
		}
	}
	if base.Load() != 1 || left.Load() != 1 || right.Load() != 1 {
		t.Fatalf("built base %d, left %d, right %d times", base.Load(), left.Load(), right.Load())
	}
	if err := os.RemoveAll(steps.Part(l)); err != nil {
		t.Fatal(err)
	}
	if err := steps.again().Ensure(t.Context(), l, r); err != nil {
		t.Fatal(err)
	}
	if base.Load() != 1 || left.Load() != 2 || right.Load() != 1 {
		t.Fatalf("after deleting left: built base %d, left %d, right %d times", base.Load(), left.Load(), right.Load())
	}
}

func TestPartThatIsPrunedMeanwhileIsBuiltAgain(t *testing.T) {
	var builds atomic.Int32
	s := counting("part", &builds)
	steps := newSteps(t)
	if err := steps.Ensure(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(steps.Part(s)); err != nil {
		t.Fatal(err)
	}
	if err := steps.again().Ensure(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(steps.Part(s)); err != nil || builds.Load() != 2 {
		t.Errorf("%v, built %d times", err, builds.Load())
	}
}

func TestFailureTellsCauseAndLogAndLeavesNothing(t *testing.T) {
	steps := newSteps(t)
	broken := &Step{Name: "broken", About: "the broken part", Build: func(_ context.Context, b *Build) error {
		for i := range 40 {
			fmt.Fprintf(b.Log, "line %d\n", i)
		}
		write(t, filepath.Join(b.Dir, "half"), "half")
		return errors.New("no luck")
	}}
	err := steps.Ensure(t.Context(), broken)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"the broken part failed", "no luck", "line 39", "line 25", filepath.Join(steps.Cache, "logs", "broken.log")} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing from: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "line 24\n") {
		t.Errorf("more than the last 15 lines in: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Join(steps.Cache, "parts")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestKilledRunLeavesNoPart kills a real process in the middle of a build.
func TestKilledRunLeavesNoPart(t *testing.T) {
	if cache := os.Getenv("STEP_TEST_HANG"); cache != "" {
		hang := &Step{Name: "slow", About: "slow", Build: func(_ context.Context, b *Build) error {
			os.WriteFile(filepath.Join(b.Dir, "half"), nil, 0o644)
			fmt.Println("building")
			select {}
		}}
		(&Steps{Cache: cache, Say: t.Logf}).Ensure(t.Context(), hang)
		return
	}
	steps := newSteps(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledRunLeavesNoPart$")
	cmd.Env = append(os.Environ(), "STEP_TEST_HANG="+steps.Cache)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("building"))); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	cmd.Wait()

	var builds atomic.Int32
	slow := counting("slow", &builds)
	if _, err := os.Stat(steps.Part(slow)); err == nil {
		t.Fatal("the killed run left a part that looks built")
	}
	if err := steps.Ensure(t.Context(), slow); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(steps.Cache, "parts"))
	if err != nil || len(entries) != 1 {
		t.Fatalf("beside the part: %v %v", entries, err)
	}
	if _, err := os.Stat(filepath.Join(steps.Part(slow), "half")); err == nil {
		t.Fatal("the killed run's files are in the part")
	}
}

func TestTwoRunsAtOnceBuildOnce(t *testing.T) {
	steps := newSteps(t)
	var builds atomic.Int32
	slow := &Step{Name: "slow", About: "slow", Build: func(context.Context, *Build) error {
		builds.Add(1)
		time.Sleep(300 * time.Millisecond)
		return nil
	}}
	var said atomic.Int32
	var wg sync.WaitGroup
	for range 2 {
		run := steps.again()
		run.Say = func(format string, _ ...any) {
			if strings.Contains(format, "waiting") {
				said.Add(1)
			}
		}
		wg.Go(func() {
			if err := run.Ensure(t.Context(), slow); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if builds.Load() != 1 {
		t.Errorf("built %d times", builds.Load())
	}
	if said.Load() != 1 {
		t.Errorf("%d runs said that they wait", said.Load())
	}
}

func TestMountsEndWithTheCommand(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount")
	}
	dir := t.TempDir()
	mount := command{Args: []string{"mount", "-t", "tmpfs", "tmpfs", dir}, Log: io.Discard}
	if err := mount.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), dir) {
		t.Errorf("%s is still mounted; a build that is killed would leave its mounts behind", dir)
	}
}
