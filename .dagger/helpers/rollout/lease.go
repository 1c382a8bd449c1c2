package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"time"
)

const (
	leaseDuration = 15 * time.Second // after which the holder counts as dead
	leaseRenewal  = 4 * time.Second
	leaseTime     = "2006-01-02T15:04:05.000000Z"
)

// lease is held by whoever changes the release.
func (c *cluster) lease() object {
	return object{
		"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
		"metadata": map[string]any{
			"name": "slipway." + c.release, "namespace": c.namespace,
			"labels": map[string]any{"app.kubernetes.io/managed-by": manager, releaseKey: c.release},
		},
	}
}

// lock takes the lease, waiting while another holds it. The context it returns
// ends when the lease is lost.
func (c *cluster) lock(ctx context.Context) (context.Context, func(), error) {
	identity := fmt.Sprintf("%s (%s)", c.kubectl.user, rand.Text()[:6])
	lease := c.lease()
	path, err := c.where(lease)
	if err != nil {
		return nil, nil, err
	}
	collection, err := c.where(object{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": map[string]any{"namespace": c.namespace}})
	if err != nil {
		return nil, nil, err
	}
	said, renewed := "", ""
	var seen time.Time // when renewed was first seen: clocks of two machines are not compared
	for start := time.Now(); ; pause(ctx, 500*time.Millisecond) {
		live, err := c.read(ctx, lease)
		if err != nil {
			return nil, nil, err
		}
		method, where, next := http.MethodPost, collection, lease
		if live != nil {
			method, where, next = http.MethodPut, path, live
			if now := live.text("spec", "renewTime"); now != renewed {
				renewed, seen = now, time.Now()
			}
			if time.Since(seen) < leaseDuration {
				holder, acquired := live.text("spec", "holderIdentity"), live.text("spec", "acquireTime")
				if time.Since(start) > c.limit {
					return nil, nil, fmt.Errorf("release %s is being changed by %s, since %s: nothing was touched; try again when that has ended", c.release, holder, acquired)
				}
				if said != holder {
					said = holder
					say("waiting: release %s is being changed by %s, since %s", c.release, holder, acquired)
				}
				continue
			}
		}
		now := time.Now().UTC().Format(leaseTime)
		next["spec"] = map[string]any{
			"holderIdentity": identity, "leaseDurationSeconds": int(leaseDuration.Seconds()),
			"acquireTime": now, "renewTime": now,
		}
		// resourceVersion makes the update fail if another was quicker.
		err = c.once(ctx, method, where, nil, next, nil)
		if err == nil {
			break
		}
		if !isReason(err, "Conflict", "AlreadyExists") {
			return nil, nil, err
		}
	}

	held, lost := context.WithCancelCause(ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(leaseRenewal)
		defer ticker.Stop()
		for {
			select {
			case <-held.Done():
				return
			case <-ticker.C:
			}
			live, err := c.read(held, lease)
			if err != nil || live == nil {
				continue // whoever works meets the same error; and with its namespace the lease goes first
			}
			if live.text("spec", "holderIdentity") != identity {
				lost(fmt.Errorf("another took over the release while this one could not renew its lease: %s", live.text("spec", "holderIdentity")))
				return
			}
			live.set(time.Now().UTC().Format(leaseTime), "spec", "renewTime")
			_ = c.once(held, http.MethodPut, path, nil, live, nil)
		}
	}()
	return held, func() {
		lost(nil)
		<-stopped
		if live, err := c.read(ctx, lease); err == nil && live.text("spec", "holderIdentity") == identity {
			_ = c.delete(ctx, lease)
		}
	}, nil
}
