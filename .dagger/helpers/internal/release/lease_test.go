package release

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
)

// The fence holds a write back while the lease is not fresh, lets it through once the
// lease is renewed, and refuses it when the lease is lost or stays old.
func TestFence(t *testing.T) {
	for name, test := range map[string]struct {
		renewed time.Duration // ago
		later   func(*Lease)  // what happens after 2 s
		after   time.Duration // how long the write is held back
		want    string        // of the error, "" for none
	}{
		"fresh":         {0, nil, 0, ""},
		"nearly old":    {safeAge - time.Millisecond, nil, 0, ""},
		"renewed later": {safeAge, func(l *Lease) { l.renewed = time.Now() }, 2 * time.Second, ""},
		"lost later":    {safeAge, func(l *Lease) { l.lost = errors.New("taken") }, 2 * time.Second, "taken"},
		"old for good":  {safeAge, nil, leaseDuration, "could not be renewed"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				l := &Lease{renewed: start.Add(-test.renewed)}
				if test.later != nil {
					time.AfterFunc(2*time.Second, func() {
						l.mu.Lock()
						defer l.mu.Unlock()
						test.later(l)
					})
				}
				err := l.fence()
				if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
					t.Errorf("error is %v, want %q", err, test.want)
				}
				if took := time.Since(start); took < test.after || took > test.after+2*fenceLooks {
					t.Errorf("it took %s, want %s", took, test.after)
				}
				time.Sleep(3 * time.Second) // what happens later has happened
			})
		})
	}
}

// A lease that is lost is refused at once, however fresh it is.
func TestFenceLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := make(chan error, 1)
		l := &Lease{renewed: time.Now(), cancel: func(err error) { cause <- err }}
		gone := errors.New("taken over")
		l.lose(gone)
		if err := l.fence(); !errors.Is(err, gone) {
			t.Errorf("%v", err)
		}
		if err := <-cause; !errors.Is(err, gone) {
			t.Errorf("the work goes on: %v", err)
		}
	})
}

// Between the last moment at which a holder writes and the first at which another may
// take the lease there is time for a write that is under way.
func TestLeaseTimes(t *testing.T) {
	if safeAge+2*fenceLooks >= leaseDuration || 2*leaseRenewal >= safeAge {
		t.Errorf("duration %s, safe %s, renewal %s", leaseDuration, safeAge, leaseRenewal)
	}
}

func TestAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		time.Sleep(5 * time.Second)
		if got := age(start); got != 5*time.Second {
			t.Errorf("%s", got)
		}
		// A clock that was set back makes nothing younger.
		if got := age(start.Round(0).Add(-time.Minute)); got != 65*time.Second {
			t.Errorf("%s", got)
		}
	})
}

func TestLock(t *testing.T) {
	client, server := connect(t)
	quiet := func(format string, args ...any) { t.Errorf(format, args...) }
	held, lease, err := Store{Client: client, Name: "web"}.Lock(t.Context(), time.Minute, quiet)
	if err != nil {
		t.Fatal(err)
	}
	live := server.live(t, client, Store{Client: client, Name: "web"}.lease())
	if holder := live.Text("spec", "holderIdentity"); holder != lease.identity || !strings.HasPrefix(holder, "u (") ||
		live.Text("spec", "acquireTime") != live.Text("spec", "renewTime") {
		t.Errorf("%v", live)
	}
	secret := thing("v1", "Secret", "s")
	if _, err := client.Create(held, secret); err != nil {
		t.Errorf("the holder may not write: %v", err)
	}

	// Another waits as long as it may and touches nothing.
	said := ""
	_, _, err = Store{Client: client, Name: "web"}.Lock(t.Context(), 0, func(format string, args ...any) { said += fmt.Sprintf(format, args...) })
	if err == nil || !strings.Contains(err.Error(), "release web is being changed by "+lease.identity) {
		t.Errorf("%v", err)
	}
	ended, cancel := context.WithCancelCause(t.Context())
	_, _, err = Store{Client: client, Name: "web"}.Lock(ended, time.Minute, func(format string, args ...any) {
		said += fmt.Sprintf(format, args...)
		cancel(errors.New("given up"))
	})
	if err == nil || err.Error() != "given up" || !strings.Contains(said, "waiting: release web is being changed by "+lease.identity) {
		t.Errorf("%v, %q", err, said)
	}
	if got := server.live(t, client, Store{Client: client, Name: "web"}.lease()); got.Text("spec", "holderIdentity") != lease.identity {
		t.Errorf("%v", got)
	}

	lease.Unlock(t.Context())
	if held.Err() == nil || server.live(t, client, Store{Client: client, Name: "web"}.lease()) != nil {
		t.Error("the lease is still held")
	}
	lease.lose(errors.New("lost")) // too late to matter
	if err := client.Delete(t.Context(), secret, kube.DeleteOptions{}); err != nil {
		t.Errorf("the fence stays: %v", err)
	}
}

// Once the lease is lost, no write of the client goes out and the work ends.
func TestLockLost(t *testing.T) {
	client, server := connect(t)
	held, lease, err := Store{Client: client, Name: "web"}.Lock(t.Context(), 0, func(string, ...any) {})
	if err != nil {
		t.Fatal(err)
	}
	server.writes = nil
	lease.lose(errors.New("taken over"))
	if _, err := client.Create(t.Context(), thing("v1", "Secret", "s")); err == nil || !strings.Contains(err.Error(), "taken over") {
		t.Errorf("%v", err)
	}
	if len(server.writes) != 0 || fmt.Sprint(context.Cause(held)) != "taken over" {
		t.Errorf("%q, %v", server.writes, context.Cause(held))
	}
	lease.Unlock(t.Context())
}

func leaseOf(holder string) object.Object {
	o := thing("coordination.k8s.io/v1", "Lease", "slipway.web")
	o.Set(holder, "spec", "holderIdentity")
	return o
}

// A lease without a holder, or that vanished or came while it was read, is taken.
func TestLockFree(t *testing.T) {
	client, server := connect(t, leaseOf(""))
	quicker := 1
	server.refuse = func(r *http.Request) (int, string) {
		if r.Method == http.MethodPut && quicker > 0 {
			quicker--
			return http.StatusConflict, "Conflict"
		}
		return 0, ""
	}
	_, lease, err := Store{Client: client, Name: "web"}.Lock(t.Context(), 0, func(string, ...any) {})
	if err != nil || quicker != 0 {
		t.Fatal(err)
	}
	lease.Unlock(t.Context())

	server.refuse = func(r *http.Request) (int, string) {
		if r.Method == http.MethodPost {
			return http.StatusForbidden, "Forbidden"
		}
		return 0, ""
	}
	_, _, err = Store{Client: client, Name: "web"}.Lock(t.Context(), 0, func(string, ...any) {})
	if err == nil || !strings.Contains(err.Error(), "take the lease of release web: ") {
		t.Errorf("%v", err)
	}
}

func TestRenew(t *testing.T) {
	for name, test := range map[string]struct {
		holder  string        // in the cluster, "" for no lease
		age     time.Duration // of the last renewal
		renewed bool
		want    string // why the lease is lost
	}{
		"its own":             {"me", 0, true, ""},
		"its own, though old": {"me", time.Hour, true, ""},
		"another's":           {"you", 0, false, "you took over the release"},
		"gone a moment ago":   {"", 0, true, ""},
		"gone for long":       {"", leaseDuration, false, "the lease ended while this deploy could not renew it"},
	} {
		t.Run(name, func(t *testing.T) {
			var there []object.Object
			if test.holder != "" {
				there = append(there, leaseOf(test.holder))
			}
			client, server := connect(t, there...)
			last := time.Now().Add(-test.age)
			l := &Lease{client: client, store: Store{Client: client, Name: "web"}, identity: "me", renewed: last, cancel: func(error) {}}
			l.renew(t.Context())
			if got := l.renewed.After(last); got != test.renewed {
				t.Errorf("renewed: %v", got)
			}
			if fmt.Sprint(l.lost) != "<nil>" && test.want == "" || test.want != "" && !strings.Contains(fmt.Sprint(l.lost), test.want) {
				t.Errorf("lost: %v", l.lost)
			}
			live := server.live(t, client, Store{Client: client, Name: "web"}.lease())
			if test.renewed && live.Text("spec", "holderIdentity") != "me" || test.holder == "you" && live.Text("spec", "holderIdentity") != "you" {
				t.Errorf("%v", live)
			}
		})
	}
}

// A renewal that fails is no loss, as long as the lease may be renewed later.
func TestRenewFails(t *testing.T) {
	client, server := connect(t)
	server.refuse = func(*http.Request) (int, string) { return http.StatusForbidden, "Forbidden" }
	last := time.Now()
	l := &Lease{client: client, store: Store{Client: client, Name: "web"}, identity: "me", renewed: last}
	l.renew(t.Context())
	if l.lost != nil || l.renewed != last {
		t.Errorf("lost: %v", l.lost)
	}
}
