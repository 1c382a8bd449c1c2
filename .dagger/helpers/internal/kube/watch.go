package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"slipway/helpers/internal/object"
)

const (
	// watchPeriod is after how many seconds the API server ends a watch, which then
	// goes on where it was. It bounds how long a dead connection can go unnoticed.
	watchPeriod = 60
	silence     = (watchPeriod + 10) * time.Second

	pollPeriod = 2 * time.Second
)

// Mirror is what a cluster has of one kind, kept up to date. Its objects are shared and
// must not be changed; they have no managedFields, which nobody here reads and which are
// half of their size.
type Mirror struct {
	client    *Client
	of        object.Type
	namespace string
	query     url.Values
	changed   chan struct{}

	mu     sync.Mutex
	items  map[string]object.Object // by UID
	gone   map[string]object.Object // by UID
	synced bool
	err    error
}

// errListAgain ends a watch that cannot go on where it was.
var errListAgain = errors.New("the resource version is too old")

// Watch starts a mirror of the objects of a kind in a namespace, or in all of them if it
// is empty. query may hold selectors. The mirror ends with ctx.
func (c *Client) Watch(ctx context.Context, t object.Type, namespace string, query url.Values) *Mirror {
	m := &Mirror{
		client: c, of: t, namespace: namespace, query: copied(query), changed: make(chan struct{}, 1),
		items: map[string]object.Object{}, gone: map[string]object.Object{},
	}
	go m.run(ctx)
	return m
}

// Items are the objects, sorted by namespace and name.
func (m *Mirror) Items() []object.Object {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.items), func(a, b object.Object) int {
		return cmp.Or(cmp.Compare(a.Namespace(), b.Namespace()), cmp.Compare(a.Name(), b.Name()), cmp.Compare(a.UID(), b.UID()))
	})
}

// Synced says whether the first list is complete. Before that, Items says nothing.
func (m *Mirror) Synced() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.synced
}

// Changed gets a value after every change, the first list and the mirror's end among
// them; several changes may be one value.
func (m *Mirror) Changed() <-chan struct{} { return m.changed }

// Gone is the last state of an object that was deleted since the mirror began, nil for
// others.
func (m *Mirror) Gone(uid string) object.Object {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.gone[uid]
}

// Err is what ended the mirror: a refusal, such as a Forbidden list, or a GoneError. It
// is nil while the mirror goes on, and when it ended with its context.
func (m *Mirror) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

func (m *Mirror) signal() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

func (m *Mirror) run(ctx context.Context) {
	r, _ := m.client.Resource(m.of)
	polls := !slices.Contains(r.Verbs, "watch")
	wait := firstPause
	for ctx.Err() == nil {
		items, version, err := m.client.list(ctx, m.of, m.namespace, m.query)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			m.mu.Lock()
			m.err = err
			m.mu.Unlock()
			m.signal()
			return
		}
		m.replace(items)
		if polls || version == "" {
			Pause(ctx, pollPeriod)
			continue
		}
		start := time.Now()
		switch err := m.follow(ctx, version); {
		case isNotOffered(err):
			polls = true
			continue
		case errors.Is(err, errListAgain) && time.Since(start) > longestPause:
			wait = firstPause
			continue
		case time.Since(start) > longestPause:
			wait = firstPause
		}
		Pause(ctx, wait)
		wait = min(2*wait, longestPause)
	}
}

// isNotOffered says whether a kind may be listed but not watched.
func isNotOffered(err error) bool {
	var s *StatusError
	return errors.As(err, &s) &&
		slices.Contains([]int{http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotImplemented}, s.Code)
}

// replace takes over a complete list.
func (m *Mirror) replace(items []object.Object) {
	now := make(map[string]object.Object, len(items))
	for _, o := range items {
		now[key(o)] = trimmed(o)
	}
	m.mu.Lock()
	for uid, o := range m.items {
		if now[uid] == nil {
			m.gone[uid] = o
		}
	}
	m.items, m.synced = now, true
	m.mu.Unlock()
	m.signal()
}

// follow watches from a resource version on, through as many watches as the API server
// ends in good order, and returns why it cannot go on.
func (m *Mirror) follow(ctx context.Context, version string) error {
	for {
		start := time.Now()
		next, err := m.watch(ctx, version)
		if err != nil {
			return err
		}
		if next == version && time.Since(start) < time.Second {
			Pause(ctx, time.Second) // A server that ends empty watches at once is not asked without end.
		}
		version = next
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// watch is one watch. It returns the resource version that it came to.
func (m *Mirror) watch(ctx context.Context, version string) (string, error) {
	path, err := m.client.collection(m.of, m.namespace)
	if err != nil {
		return version, err
	}
	query := copied(m.query)
	query.Set("watch", "true")
	query.Set("allowWatchBookmarks", "true")
	query.Set("resourceVersion", version)
	query.Set("timeoutSeconds", strconv.Itoa(watchPeriod))

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := time.AfterFunc(callLimit, cancel)
	defer quiet.Stop()
	resp, err := m.client.roundTrip(ctx, request{method: http.MethodGet, path: path, query: query})
	if isExpired(err) {
		return version, errListAgain
	}
	if err != nil {
		return version, err
	}
	defer resp.Body.Close()

	body := &io.LimitedReader{R: resp.Body}
	dec := json.NewDecoder(body)
	dec.UseNumber()
	for {
		quiet.Reset(silence)
		body.N = answerLimit
		var event struct {
			Type   string
			Object object.Object
		}
		switch err := dec.Decode(&event); {
		case ctx.Err() != nil:
			return version, ctx.Err()
		case body.N <= 0:
			return version, fmt.Errorf("an event is larger than %d MiB", answerLimit>>20)
		case errors.Is(err, io.EOF):
			return version, nil
		case err != nil:
			return version, err
		}
		if event.Type == "ERROR" {
			if code, _ := event.Object.Int("code"); code == http.StatusGone {
				return version, errListAgain
			}
			return version, errors.New("the API server broke off a watch: " + event.Object.Text("message"))
		}
		version = cmp.Or(event.Object.ResourceVersion(), version)
		m.take(event.Type, event.Object)
	}
}

// take carries out one event.
func (m *Mirror) take(event string, o object.Object) {
	if o == nil || event == "BOOKMARK" {
		return
	}
	o = trimmed(typed(o, m.of))
	m.mu.Lock()
	if event == "DELETED" {
		delete(m.items, key(o))
		m.gone[key(o)] = o
	} else {
		m.items[key(o)] = o
	}
	m.mu.Unlock()
	m.signal()
}

// key is the UID, which kinds that are made up for each answer (metrics) do not have.
func key(o object.Object) string { return cmp.Or(o.UID(), o.Namespace()+"/"+o.Name()) }

func trimmed(o object.Object) object.Object {
	o.Delete("metadata", "managedFields")
	return o
}
