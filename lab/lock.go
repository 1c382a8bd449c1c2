package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Lock takes an exclusive lock that the kernel drops when its holder dies. It calls waiting once
// if somebody else holds it, and gives up after patience.
func Lock(ctx context.Context, path string, patience time.Duration, waiting func()) (*os.File, error) {
	f, err := privateFile(path)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		waiting()
		err = poll(ctx, patience, 100*time.Millisecond, func() bool {
			return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
		})
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}

var errPatience = errors.New("gave up waiting")

// poll waits until done, at most for patience.
func poll(ctx context.Context, patience, every time.Duration, done func() bool) error {
	deadline := time.Now().Add(patience)
	for !done() {
		if time.Now().After(deadline) {
			return fmt.Errorf("%w after %s", errPatience, patience)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
	}
	return nil
}
