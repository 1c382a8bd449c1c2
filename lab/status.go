package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"syscall"
	"text/tabwriter"
	"time"
)

// Status prints what is built and what runs, and fails unless that is everything.
func (l *Lab) Status(out io.Writer) error {
	missing, err := l.steps.Missing(targets()...)
	if err != nil {
		return err
	}
	absent := map[*Step]string{}
	onDemand, err := l.steps.Missing(allTargets()...)
	if err != nil {
		return err
	}
	for _, s := range onDemand {
		absent[s] = "built when asked for"
	}
	for _, s := range missing {
		absent[s] = "missing"
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STEP\tSTATE\tKEY\tSIZE")
	counted := map[uint64]bool{}
	for _, s := range closure(allTargets()) {
		key, _ := l.steps.Key(s)
		state, size := "built", ""
		if absent[s] != "" {
			state = absent[s]
			if l.steps.Building(s) {
				state = "building"
			}
		} else {
			size = fmt.Sprintf("%d MiB", diskUse(l.steps.Part(s), counted)>>20)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", s.About, state, key, size)
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, "DAEMON\tSTATE\tPID\tADDRESS\tSINCE")
	row := func(name string, d Daemon) {
		if r, alive := d.Record(); alive {
			fmt.Fprintf(w, "%s\trunning\t%d\t%s\t%s\n", name, r.PID, r.Address, r.Since.Format(time.DateTime))
		} else {
			fmt.Fprintf(w, "%s\tstopped\n", name)
		}
	}
	row("engine "+l.instance+" v"+daggerVersion, l.engine.Daemon)
	row("cluster "+l.instance+" v"+kubectlVersion, l.cluster.Daemon)
	row("registry", l.registry.Daemon)
	if err := w.Flush(); err != nil {
		return err
	}
	if len(missing) > 0 || !l.running() {
		return errors.New("not everything is up: lab/run up")
	}
	return nil
}

// diskUse is what a tree takes on disk beyond the hard links counted before.
func diskUse(dir string, counted map[uint64]bool) (total int64) {
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		stat := info.Sys().(*syscall.Stat_t)
		if stat.Nlink > 1 && !d.IsDir() {
			if counted[stat.Ino] {
				return nil
			}
			counted[stat.Ino] = true
		}
		total += stat.Blocks * 512
		return nil
	})
	return total
}
