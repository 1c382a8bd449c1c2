package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
)

// destroy deletes the release, if that is confirmed: what its deploys made and what is
// still its own, its namespace if it made that, and the records. These go last, so that
// an end halfway can be repeated.
func (s *session) destroy(ctx context.Context) error {
	inventory, _, err := s.mustInventory(ctx)
	if err != nil {
		return err
	}
	if s.Confirm != s.Release {
		var text strings.Builder
		for _, o := range inventory {
			why := ""
			if kept := release.Keep(o, nil, s.DeleteData); kept != "" {
				why = " (stays: " + kept + ")"
			}
			fmt.Fprintf(&text, "  %s%s\n", o, why)
		}
		return fmt.Errorf("destroy would delete from namespace %s:\n%sif this is meant, add: --confirm %s", s.Namespace, text.String(), s.Release)
	}
	return s.locked(ctx, func(ctx context.Context) error {
		// Again: another may have deployed while this one waited for the lease.
		inventory, records, err := s.mustInventory(ctx)
		if err != nil {
			return err
		}
		result, err := s.remove(ctx, inventory)
		if err != nil {
			return fmt.Errorf("release %s is not all gone: %w\nrun destroy again", s.Release, err)
		}
		if len(result.left) > 0 {
			return fmt.Errorf("release %s is not all gone:\n%s\nrun destroy again when that is cleared", s.Release, strings.Join(result.left, "\n"))
		}
		for _, r := range slices.Backward(records) {
			if err := s.store.Forget(ctx, r); err != nil {
				return fmt.Errorf("%w\nrun destroy again", err)
			}
		}
		stays, err := s.removeNamespace(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "release %s is gone from namespace %s: %d objects, %d records\n", s.Release, s.Namespace, len(result.removed), len(records))
		for _, line := range result.kept {
			fmt.Fprintln(s.out, line)
		}
		if stays != "" {
			fmt.Fprintln(s.out, stays)
		}
		return nil
	})
}

// mustInventory is what a release that must exist applied, and its records.
func (s *session) mustInventory(ctx context.Context) ([]object.Object, []release.Record, error) {
	if _, err := s.lookAtNamespace(ctx); err != nil {
		return nil, nil, err
	}
	records, err := s.store.List(ctx)
	if err != nil {
		return nil, nil, err
	}
	inventory, err := s.inventory(ctx, records)
	if err == nil && len(inventory)+len(records) == 0 {
		err = s.noRelease()
	}
	return inventory, records, err
}
