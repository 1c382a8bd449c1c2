package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestKubernetesIsBuiltBesideTheEngine(t *testing.T) {
	for command, want := range map[string]bool{
		"dagger call rehearse":                            true,
		"dagger -m . call --source ../other rehearse":     true,
		"dagger check":                                    true,
		"dagger call preview up --ports 8080:80":          true,
		"dagger call cluster server up":                   true,
		"dagger call build":                               false,
		"dagger call --kubeconfig file:kubeconfig deploy": false,
		"dagger version":                                  false,
		"sh -c check":                                     false,
		"":                                                false,
	} {
		steps := closure(append(targets(), ahead(strings.Fields(command))...))
		if got := slices.Contains(steps, kubernetesPrograms); got != want {
			t.Errorf("%q builds Kubernetes at once: %v", command, got)
		}
	}
	for _, s := range closure([]*Step{k3sImage}) {
		if slices.Contains(s.Deps, daggerPrograms) {
			t.Errorf("%s waits for the engine", s.About)
		}
	}
}

// TestIndependentStepsRunSideBySide: each of the two ends only when the other has begun.
func TestIndependentStepsRunSideBySide(t *testing.T) {
	begun := map[string]chan struct{}{"left": make(chan struct{}), "right": make(chan struct{})}
	step := func(name, other string) *Step {
		return &Step{Name: name, About: name, Build: func(context.Context, *Build) error {
			close(begun[name])
			select {
			case <-begun[other]:
				return nil
			case <-time.After(10 * time.Second):
				return fmt.Errorf("%s has not begun", other)
			}
		}}
	}
	if err := newSteps(t).Ensure(t.Context(), step("left", "right"), step("right", "left")); err != nil {
		t.Error(err)
	}
}

func TestMinutesAreAnnounced(t *testing.T) {
	for name := range minutes {
		if !slices.ContainsFunc(closure(allTargets()), func(s *Step) bool { return s.Name == name }) {
			t.Errorf("no step is called %q", name)
		}
	}
	if got := howLong(closure(allTargets())); !strings.Contains(got, "minutes") {
		t.Errorf("%q", got)
	}
	if got := howLong([]*Step{engineRoot}); got != "" {
		t.Errorf("a step of a second is announced: %q", got)
	}
}
