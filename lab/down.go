package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Down stops this instance's engine and cluster, and the registry when no other instance needs it.
func (l *Lab) Down(ctx context.Context) error {
	return l.alone(ctx, l.stop)
}

// Clean stops the instance and removes its state; of the default instance, all there is.
func (l *Lab) Clean(ctx context.Context) error {
	return l.alone(ctx, l.clean)
}

// alone does something while nobody else starts or stops daemons; where there is no lab, nothing.
func (l *Lab) alone(ctx context.Context, do func(context.Context) error) error {
	if _, err := os.Stat(l.cache); os.IsNotExist(err) {
		return nil
	}
	lock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Close()
	return do(ctx)
}

func (l *Lab) stop(ctx context.Context) error {
	_, alive := l.engine.Record()
	if err := l.engine.Stop(ctx); err != nil {
		return err
	}
	if alive {
		say("engine %s: stopped", l.instance)
	}
	if err := l.stopCluster(ctx); err != nil {
		return err
	}
	if err := removeNodeGroups(""); err != nil {
		return err
	}
	for _, e := range l.engines() {
		if _, alive := e.Record(); alive {
			return nil
		}
	}
	for _, c := range l.clusters() {
		if _, alive := c.Record(); alive {
			return nil
		}
	}
	return l.registry.Stop(ctx, 5*time.Second)
}

func (l *Lab) clean(ctx context.Context) error {
	if l.instance != defaultInstance {
		if err := l.stop(ctx); err != nil {
			return err
		}
		return errors.Join(removeTree(l.engine.dir), removeTree(l.cluster.dir))
	}
	for _, c := range l.clusters() {
		if err := c.Stop(ctx); err != nil {
			return err
		}
	}
	for _, e := range l.engines() {
		if err := e.Stop(ctx); err != nil {
			return err
		}
	}
	if err := l.stop(ctx); err != nil {
		return err
	}
	return removeTree(l.cache)
}

// removeTree deletes a directory that has no mount in it: deleting through one would delete what
// is mounted.
func removeTree(dir string) error {
	dir, err := filepath.EvalSymlinks(dir)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 1 && (f[1] == dir || strings.HasPrefix(f[1], dir+"/")) {
			return fmt.Errorf("%s is mounted; unmount it first", f[1])
		}
	}
	return os.RemoveAll(dir)
}
