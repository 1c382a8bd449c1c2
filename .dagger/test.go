package main

import (
	"context"
	"strings"
)

// Run the unit tests and then the smoke tests.
//
// Returns both reports and fails with what the failing part says: see unit and smoke, which can also
// be called alone.
//
//	dagger call test
func (s *Slipway) Test(ctx context.Context) (string, error) {
	unit, err := s.Unit(ctx)
	if err != nil {
		return "", err
	}
	smoke, err := s.Smoke(ctx)
	if err != nil {
		return "", err
	}
	return unit + "\n" + smoke, nil
}

// Run the Go tests of the whole module.
//
// With the race detector, in shuffled order and with coverage; returns what go
// test says.
//
//	dagger call unit
//
// +check
func (s *Slipway) Unit(ctx context.Context) (string, error) {
	out, err := s.workspace().
		WithExec([]string{"go", "test", "-race", "-shuffle=on", "-cover", "-tags", strings.Join(s.Tags, ","), "./..."}).
		Stdout(ctx)
	return out, execCause(err)
}
