package release

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/sanitize"
)

const (
	leaseDuration = 15 * time.Second // after which the holder counts as dead
	leaseRenewal  = 3 * time.Second
	// safeAge is the age of the last renewal up to which its holder writes. It leaves
	// time for a write that is under way before another may take the lease.
	safeAge     = 9 * time.Second
	leaseTime   = "2006-01-02T15:04:05.000000Z"
	leaseLooks  = 500 * time.Millisecond
	fenceLooks  = 50 * time.Millisecond
	renewsLimit = 10 * time.Second // for one renewal
)

// Lease is held by whoever changes a release.
type Lease struct {
	client   *kube.Client
	store    Store
	identity string

	mu      sync.Mutex
	renewed time.Time // when the last renewal that succeeded was sent
	lost    error
	cancel  context.CancelCauseFunc
	stopped chan struct{}
}

func (s Store) lease() object.Object {
	return object.Object{
		"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
		"metadata": map[string]any{"name": "slipway." + s.name(), "namespace": s.Place(), "labels": s.labels()},
	}
}

// Lock takes the lease of a release. It waits up to limit while another holds it, and
// says so with say. The context it returns ends when the lease is lost, and until
// Unlock no write of the client goes out unless the lease was renewed lately.
func (s Store) Lock(ctx context.Context, limit time.Duration, say func(string, ...any)) (context.Context, *Lease, error) {
	client, name := s.Client, s.Name
	l := &Lease{client: client, store: s, identity: fmt.Sprintf("%s (%s)", client.User(), rand.Text()[:6]), stopped: make(chan struct{})}
	var seen struct {
		renewal, holder string
		at              time.Time // when the renewal was first seen: clocks of two machines are not compared
	}
	for start := time.Now(); ; kube.Pause(ctx, leaseLooks) {
		if err := context.Cause(ctx); err != nil {
			return nil, nil, err
		}
		live, err := client.Read(ctx, s.lease())
		if err != nil {
			return nil, nil, fmt.Errorf("read the lease of release %s: %w", name, err)
		}
		if live != nil && live.Text("spec", "holderIdentity") != "" {
			if renewal := live.Text("spec", "renewTime"); renewal != seen.renewal {
				seen.renewal, seen.at = renewal, time.Now()
			}
			if age(seen.at) < leaseDuration {
				holder := sanitize.Line(live.Text("spec", "holderIdentity"))
				since := sanitize.Line(live.Text("spec", "acquireTime"))
				if age(start) > limit {
					return nil, nil, fmt.Errorf("release %s is being changed by %s, since %s: nothing was touched; try again when that has ended, "+
						"or if nothing of the kind runs anywhere, clear its lease: kubectl --namespace %s delete lease %s",
						name, holder, since, s.Place(), s.lease().Name())
				}
				if seen.holder != holder {
					seen.holder = holder
					say("waiting: release %s is being changed by %s, since %s", name, holder, since)
				}
				continue
			}
		}
		err = l.write(ctx, live, true)
		if err == nil {
			break
		}
		if kube.NotFound(err) && s.apart() {
			return nil, nil, fmt.Errorf("the namespace of the records, %s, is not there: make it first (kubectl create namespace %[1]s)", s.Namespace)
		}
		if !kube.IsReason(err, "Conflict", "AlreadyExists") {
			return nil, nil, fmt.Errorf("take the lease of release %s: %w", name, err)
		}
	}
	held, cancel := context.WithCancelCause(ctx)
	l.cancel = cancel
	client.SetFence(l.fence)
	go l.keep(held)
	return held, l, nil
}

// write takes or renews the lease; live is what it is now, nil if there is none. The
// resourceVersion of live has the write fail if another was quicker.
func (l *Lease) write(ctx context.Context, live object.Object, acquire bool) error {
	ctx, cancel := context.WithTimeout(kube.Unfenced(ctx), renewsLimit)
	defer cancel()
	sent := time.Now()
	now := sent.UTC().Format(leaseTime)
	next := live.Clone()
	if next == nil {
		next = l.store.lease()
		acquire = true
	}
	next.Set(l.identity, "spec", "holderIdentity")
	next.Set(int(leaseDuration.Seconds()), "spec", "leaseDurationSeconds")
	next.Set(now, "spec", "renewTime")
	if acquire {
		next.Set(now, "spec", "acquireTime")
	}
	var err error
	if live == nil {
		_, err = l.client.Create(ctx, next)
	} else {
		_, err = l.client.Update(ctx, next)
	}
	if err == nil {
		l.mu.Lock()
		l.renewed = sent
		l.mu.Unlock()
	}
	return err
}

// keep renews the lease until ctx ends.
func (l *Lease) keep(ctx context.Context) {
	defer close(l.stopped)
	for kube.Pause(ctx, leaseRenewal) {
		l.renew(ctx)
	}
}

// renew writes the lease again if it is still this holder's. A failure is no loss: the
// next renewal may succeed, and until then the fence holds back what would be written.
func (l *Lease) renew(ctx context.Context) {
	short, cancel := context.WithTimeout(ctx, renewsLimit)
	defer cancel()
	live, err := l.client.Read(short, l.store.lease())
	if err != nil {
		return
	}
	l.mu.Lock()
	renewed := l.renewed
	l.mu.Unlock()
	switch holder := live.Text("spec", "holderIdentity"); {
	case live != nil && holder != l.identity:
		l.lose(fmt.Errorf("%s took over the release while this one could not renew its lease", sanitize.Line(holder)))
	case live == nil && l.namespaceGoes(short): // with its lease; nothing can be written there
	case live == nil && age(renewed) >= leaseDuration:
		l.lose(errors.New("the lease ended while this deploy could not renew it, and another may have changed the release since"))
	default:
		_ = l.write(short, live, false)
	}
}

// namespaceGoes says whether the namespace is being deleted, or gone.
func (l *Lease) namespaceGoes(ctx context.Context) bool {
	ns, err := l.client.Read(ctx, object.Object{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": l.store.Place()},
	})
	return err == nil && (ns == nil || ns.Text("metadata", "deletionTimestamp") != "")
}

func (l *Lease) lose(err error) {
	l.mu.Lock()
	l.lost = err
	l.mu.Unlock()
	l.cancel(err)
}

// fence holds a write back while the lease is older than safeAge, and refuses it once
// the lease is lost.
func (l *Lease) fence() error {
	for start := time.Now(); ; time.Sleep(fenceLooks) {
		l.mu.Lock()
		lost, renewed := l.lost, l.renewed
		l.mu.Unlock()
		switch {
		case lost != nil:
			return lost
		case age(renewed) < safeAge:
			return nil
		case age(start) > leaseDuration:
			return errors.New("the lease of the release could not be renewed, so nothing more is written")
		}
	}
}

// Unlock gives the lease back.
func (l *Lease) Unlock(ctx context.Context) {
	l.cancel(nil)
	<-l.stopped
	l.client.SetFence(nil)
	ctx, cancel := context.WithTimeout(ctx, renewsLimit) // An API server that is away has been waited for already.
	defer cancel()
	live, err := l.client.Read(ctx, l.store.lease())
	if err == nil && live.Text("spec", "holderIdentity") == l.identity {
		// One that stays ends by itself.
		_ = l.client.Delete(ctx, live, kube.DeleteOptions{UID: live.UID(), Propagation: "Background"})
	}
}

// age is the time since t, by the wall clock if that says more: the monotonic one
// stands still while a machine is suspended.
func age(t time.Time) time.Duration {
	return max(time.Since(t), time.Now().Round(0).Sub(t.Round(0)))
}
