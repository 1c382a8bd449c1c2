package main

import (
	"context"
	"fmt"
)

// destroy deletes what the inventory lists and is still the release's, then the
// release's records, and its namespace if the release made it.
func destroy(ctx context.Context, c *cluster, req request) error {
	records, err := c.present(ctx)
	if err != nil {
		return err
	}
	if req.Confirm != c.release {
		text := ""
		for _, o := range inventory(records) {
			text += "  " + o.String() + "\n"
		}
		return fmt.Errorf("destroy would delete from namespace %s:\n%sif this is meant, add: --confirm %s", c.namespace, text, c.release)
	}
	held, unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	// Again: another may have deployed while this one waited for the lease.
	if records, err = c.records(held); err != nil {
		return err
	}
	removed, err := c.remove(held, inventory(records))
	for _, o := range removed {
		say("deleted %s", o)
	}
	if err == nil {
		err = c.gone(held, removed)
	}
	if err == nil {
		err = c.abandon(held)
	}
	// The records go last, so that a destroy that breaks off can be repeated.
	for _, r := range records {
		if err == nil {
			err = c.forget(held, r)
		}
	}
	if err != nil {
		return fmt.Errorf("release %s is not all gone: %w\nrun destroy again", c.release, err)
	}
	fmt.Printf("release %s is gone from namespace %s: %d objects, %d records\n", c.release, c.namespace, len(removed), len(records))
	return nil
}
