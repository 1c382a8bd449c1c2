package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"slipway/helpers/internal/object"
)

// stage is an API with one kind: each list and each watch gets the next of its answers,
// and the last again.
type stage struct {
	lists, watches *script
}

func (s stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("watch") {
		s.watches.ServeHTTP(w, r)
		return
	}
	s.lists.ServeHTTP(w, r)
}

func listed(version string, names ...string) reply {
	items := make([]string, len(names))
	for i, name := range names {
		items[i] = item(name, "1")
	}
	return text(200, fmt.Sprintf(`{"metadata":{"resourceVersion":%q},"items":[%s]}`, version, strings.Join(items, ",")))
}

func item(name, version string) string {
	return fmt.Sprintf(`{"metadata":{"name":%q,"uid":"uid-%[1]s","resourceVersion":%q,"managedFields":[{}]},"n":1234567890123456789}`,
		name, version)
}

func event(kind, object string) string {
	return fmt.Sprintf(`{"type":%q,"object":%s}`+"\n", kind, object)
}

// events sends some and then stays silent.
func events(events ...string) reply {
	return func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, strings.Join(events, ""))
		<-r.Context().Done()
	}
}

// closing sends some events and then ends in good order.
func closing(events ...string) reply { return text(200, strings.Join(events, "")) }

func names(m *Mirror) string {
	var all []string
	for _, o := range m.Items() {
		all = append(all, o.Name()+"@"+o.ResourceVersion())
	}
	return strings.Join(all, " ")
}

var maps1 = object.Type{Version: "v1", Kind: "ConfigMap"}

// watching runs a mirror for a while of a bubble's time.
func watching(t *testing.T, s stage, lasts time.Duration, then func(m *Mirror)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		m := connected(t, s).Watch(ctx, maps1, "shop", nil)
		time.Sleep(lasts)
		synctest.Wait()
		then(m)
		cancel()
		synctest.Wait()
	})
}

func TestWatch(t *testing.T) {
	tooOld := event("ERROR", `{"kind":"Status","code":410,"reason":"Expired","message":"too old"}`)
	broken := event("ERROR", `{"kind":"Status","code":500,"message":"etcd"}`)
	bookmark := event("BOOKMARK", `{"metadata":{"resourceVersion":"77"}}`)
	for name, test := range map[string]struct {
		lists, watches []reply
		lasts          time.Duration
		want           string
		gone           string // name
		from           string // what the last watch asks for
		listings       int
	}{
		"events": {
			[]reply{listed("5", "a", "b")},
			[]reply{events(event("ADDED", item("c", "6")), event("MODIFIED", item("a", "7")), event("DELETED", item("b", "8")))},
			time.Second, "a@7 c@6", "b", "resourceVersion=5", 1},
		"goes on where it was": {
			[]reply{listed("5", "a")}, []reply{closing(event("MODIFIED", item("a", "6"))), events()},
			time.Second, "a@6", "", "resourceVersion=6", 1},
		"goes on from a bookmark": {
			[]reply{listed("5", "a")}, []reply{closing(bookmark), events()},
			time.Second, "a@1", "", "resourceVersion=77", 1},
		"too old": {
			[]reply{listed("5", "a", "b"), listed("9", "b", "c")}, []reply{closing(tooOld), events()},
			time.Second, "b@1 c@1", "a", "resourceVersion=9", 2},
		"too old at once": {
			[]reply{listed("5", "a"), listed("9", "a")}, []reply{status(410, "Expired", "too old"), events()},
			time.Second, "a@1", "", "resourceVersion=9", 2},
		"broken off": {
			[]reply{listed("5", "a"), listed("9", "b")}, []reply{closing(broken), events()},
			time.Second, "b@1", "a", "resourceVersion=9", 2},
		"refused for a while": {
			[]reply{listed("5", "a")}, []reply{status(429, "TooManyRequests", "wait"), text(500, "kubectl's own"), cut, events()},
			5 * time.Second, "a@1", "", "resourceVersion=5", 4},
		"silent connection": {
			[]reply{listed("5", "a"), listed("9", "a", "b")}, []reply{events()},
			silence + time.Second, "a@1 b@1", "", "resourceVersion=9", 2},
		"no watch allowed": {
			[]reply{listed("5", "a"), listed("9", "b")}, []reply{status(403, "Forbidden", "cannot watch")},
			pollPeriod + time.Second, "b@1", "a", "resourceVersion=5", 3},
		"no version": {
			[]reply{listed("", "a"), listed("", "b")}, []reply{text(500, "not asked for")},
			pollPeriod + time.Second, "b@1", "a", "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := stage{replies(test.lists...), replies(test.watches...)}
			watching(t, s, test.lasts, func(m *Mirror) {
				if got := names(m); got != test.want || !m.Synced() || m.Err() != nil {
					t.Errorf("%s, synced %t, %v", got, m.Synced(), m.Err())
				}
				if test.gone != "" && m.Gone("uid-"+test.gone).Name() != test.gone || m.Gone("uid-x") != nil {
					t.Error("what is gone is not known")
				}
				for _, o := range m.Items() {
					if n, _ := o.Int("n"); o.Type() != maps1 || o.At("metadata", "managedFields") != nil || n != 1234567890123456789 {
						t.Error(o)
					}
				}
				if n := s.watches.count(); n > 0 && !strings.Contains(s.watches.seen[n-1], test.from) {
					t.Error(s.watches.seen)
				}
				if n := s.lists.count(); n != test.listings {
					t.Errorf("%d lists", n)
				}
				select {
				case <-m.Changed():
				default:
					t.Error("no signal")
				}
			})
		})
	}
}

// A server that ends watches at once is asked a bounded number of times.
func TestWatchEndsAtOnce(t *testing.T) {
	s := stage{replies(listed("5", "a")), replies(closing())}
	watching(t, s, 10*time.Second, func(*Mirror) {
		if n := s.watches.count(); n > 12 {
			t.Errorf("%d watches", n)
		}
	})
	s = stage{replies(listed("5", "a")), replies(status(410, "Expired", "too old"))}
	watching(t, s, 10*time.Second, func(*Mirror) {
		if n := s.lists.count(); n > 12 {
			t.Errorf("%d lists", n)
		}
	})
}

func TestWatchFails(t *testing.T) {
	var gone *GoneError
	for name, test := range map[string]struct {
		lists  []reply
		lasts  time.Duration
		synced bool
		right  func(error) bool
	}{
		"forbidden": {[]reply{status(403, "Forbidden", "cannot list")}, time.Second, false,
			func(err error) bool { return IsReason(err, "Forbidden") }},
		"kind gone":  {[]reply{text(404, "404 page not found")}, time.Second, false, isPathGone},
		"patient":    {[]reply{cut}, Patience - time.Second, false, func(err error) bool { return err == nil }},
		"went away":  {[]reply{cut}, Patience + time.Second, false, func(err error) bool { return errors.As(err, &gone) }},
		"went later": {[]reply{listed("5"), cut}, Patience + 3*time.Second, true, func(err error) bool { return errors.As(err, &gone) }},
	} {
		t.Run(name, func(t *testing.T) {
			watching(t, stage{replies(test.lists...), replies(cut)}, test.lasts, func(m *Mirror) {
				if !test.right(m.Err()) || m.Synced() != test.synced {
					t.Error(m.Synced(), m.Err())
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		m := connected(t, http.NotFoundHandler()).Watch(t.Context(), object.Type{Version: "x/v1", Kind: "X"}, "", nil)
		<-m.Changed()
		contains(t, m.Err(), "knows no kind X")
	})
}

// The end of its context is no failure of a mirror.
func TestWatchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		m := connected(t, stage{replies(listed("5", "a")), replies(events())}).Watch(ctx, maps1, "shop", nil)
		<-m.Changed()
		cancel()
		synctest.Wait()
		if m.Err() != nil || names(m) != "a@1" {
			t.Error(m.Err(), names(m))
		}
	})
}
