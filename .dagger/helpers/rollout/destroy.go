package main

import (
	"context"
	"fmt"
)

// destroy erases the release, if that is confirmed.
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
	removed, err := c.erase(held, records)
	if err != nil {
		return fmt.Errorf("release %s is not all gone: %w\nrun destroy again", c.release, err)
	}
	fmt.Printf("release %s is gone from namespace %s: %d objects, %d records\n", c.release, c.namespace, len(removed), len(records))
	return nil
}

// erase deletes what the records list and is still the release's, its namespace if
// the release made it, and the records. These go last, so that an end halfway can
// be repeated. It returns the objects that it deleted.
func (c *cluster) erase(ctx context.Context, records []record) ([]object, error) {
	removed, err := c.remove(ctx, inventory(records))
	if err == nil {
		err = c.abandon(ctx)
	}
	for _, r := range records {
		if err == nil {
			err = c.forget(ctx, r)
		}
	}
	return removed, err
}
