package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/aymanbagabas/go-udiff"
	"sigs.k8s.io/yaml"
)

// change is what applying does to an object. live is nil where the object is new.
type change struct{ wanted, live, merged object }

// diff prints what applying would change.
func diff(ctx context.Context, c *cluster, req request) error {
	there, err := c.enter(ctx)
	if err != nil {
		return err
	}
	objects := c.prepare(req)
	if !there {
		c.newcomers(os.Stdout, objects)
		return errDifferent
	}
	// What deploy would refuse to take over is part of the difference.
	req.ForceConflicts = true
	changes, err := c.judge(ctx, req, objects)
	if err != nil {
		return err
	}
	different, err := c.differences(ctx, os.Stdout, objects, changes)
	if err == nil && different {
		err = errDifferent
	}
	return err
}

// newcomers writes to w what differs where the namespace is not there yet.
func (c *cluster) newcomers(w io.Writer, objects []object) {
	fmt.Fprintf(w, "namespace %s is not there yet; with it would come:\n", c.namespace)
	for _, o := range objects {
		fmt.Fprintf(w, "  %s\n", o)
	}
}

// differences writes to w what the changes are, and what would be removed.
func (c *cluster) differences(ctx context.Context, w io.Writer, objects []object, changes []change) (different bool, err error) {
	for _, ch := range changes {
		text, err := ch.text()
		if err != nil {
			return false, err
		}
		different = different || text != ""
		fmt.Fprint(w, text)
	}
	records, err := c.records(ctx)
	if err != nil {
		return false, err
	}
	for _, o := range without(inventory(records), objects) {
		if o = c.served(o); o == nil {
			continue
		}
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

// text is the unified diff of a change, "" if nothing changes.
func (ch change) text() (string, error) {
	before, after := ch.live.bare(), ch.merged.bare()
	if ch.wanted.kind() == "Secret" {
		mask(before, after)
	}
	var text [2]string
	for i, o := range []object{before, after} {
		if o == nil {
			continue
		}
		out, err := yaml.Marshal(o)
		if err != nil {
			return "", err
		}
		text[i] = string(out)
	}
	return udiff.Unified("live "+ch.wanted.String(), "merged "+ch.wanted.String(), text[0], text[1]), nil
}

// mask leaves of a Secret's values only whether they change, as kubectl diff does.
func mask(before, after object) {
	for _, o := range []object{before, after} {
		// Where kubectl apply keeps the whole Secret.
		annotations, _ := o.at("metadata", "annotations").(map[string]any)
		delete(annotations, "kubectl.kubernetes.io/last-applied-configuration")
	}
	old, _ := before.at("data").(map[string]any)
	present, _ := after.at("data").(map[string]any)
	differs := map[string]bool{}
	for key, was := range old {
		value, stays := present[key]
		differs[key] = stays && was != value
	}
	hide := func(values map[string]any, when string) {
		for key := range values {
			values[key] = "***"
			if differs[key] {
				values[key] = "*** (" + when + ")"
			}
		}
	}
	hide(old, "before")
	hide(present, "after")
}
