package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"slipway/helpers/internal/kube"
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
		back, err := s.giveBack(ctx, records)
		if err != nil {
			return fmt.Errorf("release %s is not all gone: %w\nrun destroy again", s.Release, err)
		}
		result, err := s.remove(ctx, inventory)
		result.add(back)
		if err != nil {
			return fmt.Errorf("release %s is not all gone: %w\nrun destroy again", s.Release, err)
		}
		if len(result.left) > 0 {
			return fmt.Errorf("release %s is not all gone:\n%s\nrun destroy again when that is cleared", s.Release, strings.Join(result.left, "\n"))
		}
		if err := s.store.Clear(ctx); err != nil {
			return fmt.Errorf("%w\nrun destroy again", err)
		}
		stays, err := s.removeNamespace(ctx)
		if err != nil {
			return fmt.Errorf("%w\nrun destroy again", err)
		}
		fmt.Fprintf(s.out, "release %s is gone from namespace %s: %d objects, %d records\n",
			s.Release, s.Namespace, len(result.removed), len(records))
		for _, line := range result.kept {
			fmt.Fprintln(s.out, line)
		}
		if stays != "" {
			fmt.Fprintln(s.out, stays)
		}
		if said := s.leaveUsers(ctx); said != "" {
			fmt.Fprintln(s.out, said)
		}
		return nil
	})
}

// giveBack puts back what interrupted releases took over from others and no release has
// kept: it is not the release's to delete.
func (s *session) giveBack(ctx context.Context, records []release.Record) (removal, error) {
	var result removal
	records, err := s.believe(ctx, records)
	if err != nil {
		return result, err
	}
	seen := map[object.ID]bool{}
	for _, r := range release.Interrupted(records) {
		for _, o := range r.Before {
			if seen[o.ID()] || release.Owns(s.owner, o) {
				continue
			}
			seen[o.ID()] = true
			live, err := s.ownLive(ctx, o)
			if err == nil && live != nil {
				err = release.Revert(ctx, s.client, o, nil)
			}
			var refused *kube.StatusError
			switch {
			case errors.As(err, &refused):
				result.left = append(result.left, fmt.Sprintf("%s, which an interrupted release had taken over, cannot be put back: %v", o, err))
			case err != nil:
				return result, err
			case live != nil:
				result.kept = append(result.kept, fmt.Sprintf("%s is put back as it was before an interrupted release took it over", o))
			}
		}
	}
	return result, nil
}

// mustInventory is what a release that must exist applied, and its records. The cluster is
// asked for what no record lists any more, such as a claim that stayed.
func (s *session) mustInventory(ctx context.Context) ([]object.Object, []release.Record, error) {
	state, err := s.lookAtNamespace(ctx)
	if err != nil {
		return nil, nil, err
	}
	records, err := s.store.List(ctx)
	if err != nil {
		return nil, nil, err
	}
	inventory := release.Inventory(records)
	found, err := s.findOwn(ctx)
	inventory = append(inventory, object.Without(found, inventory)...)
	if err == nil && len(inventory)+len(records) == 0 && state != namespaceOwn {
		err = s.noRelease()
	}
	return inventory, records, err
}
