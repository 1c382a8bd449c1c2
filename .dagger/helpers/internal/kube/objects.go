package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"slipway/helpers/internal/object"
)

const (
	pageSize  = 500     // objects of a list in one answer
	listLimit = 100_000 // objects of a list
	logLimit  = 64 << 10
	logWait   = 10 * time.Second
)

// ApplyOptions are those of server-side apply.
type ApplyOptions struct {
	Force   bool   // takes fields over from other managers
	DryRun  bool   // stores nothing
	Manager string // of the fields; slipway if empty
}

// DeleteOptions narrow a deletion.
type DeleteOptions struct {
	UID         string // only this very object; any of the name if empty
	Version     string // only if it has not been written since it had this resourceVersion
	Propagation string // Foreground if empty: what depends on the object goes first
}

// LogOptions choose a part of a container's log.
type LogOptions struct {
	Container string // may be empty for a pod that has one only
	Lines     int    // the last so many; all if zero
	Previous  bool   // of the run before the present one
}

// Get reads a URL path, which may have a query. A *string gets the text of the answer,
// anything else is decoded from JSON.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.send(ctx, request{method: http.MethodGet, path: path, repeat: isLock}, out)
}

// Read is the live object, nil when there is none.
func (c *Client) Read(ctx context.Context, o object.Object) (object.Object, error) {
	path, err := c.itemPath(o)
	if err != nil {
		return nil, err
	}
	var live object.Object
	switch err := c.Get(ctx, path, &live); {
	case NotFound(err):
		return nil, nil
	case isPathGone(err):
		return nil, c.confirmGone(ctx, o.Type(), err)
	case err != nil:
		return nil, err
	}
	return live, nil
}

// List are all objects of a kind in a namespace, or in all of them if it is empty.
// query may hold selectors. Each object says its apiVersion and kind. Of a kind that has
// vanished since the last discovery there are none.
func (c *Client) List(ctx context.Context, t object.Type, namespace string, query url.Values) ([]object.Object, error) {
	items, _, err := c.list(ctx, t, namespace, query)
	if isPathGone(err) {
		return nil, c.confirmGone(ctx, t, err)
	}
	return items, err
}

// list also is the resource version from which a watch goes on.
func (c *Client) list(ctx context.Context, t object.Type, namespace string, query url.Values) ([]object.Object, string, error) {
	path, err := c.collection(t, namespace)
	if err != nil {
		return nil, "", err
	}
	query = copied(query)
	query.Set("limit", strconv.Itoa(pageSize))
	var items []object.Object
	for {
		var page struct {
			Metadata struct{ Continue, ResourceVersion string }
			Items    []object.Object
		}
		err := c.send(ctx, request{method: http.MethodGet, path: path, query: query, repeat: isLock}, &page)
		if query.Has("continue") && isExpired(err) {
			// The list took longer than the API server keeps it: all of it at once.
			query.Del("continue")
			query.Del("limit")
			items = nil
			continue
		}
		if err != nil {
			return nil, "", err
		}
		for _, item := range page.Items {
			items = append(items, typed(item, t))
		}
		if len(items) > listLimit {
			return nil, "", fmt.Errorf("there are more than %d objects of kind %s, which is more than Slipway reads", listLimit, t.Kind)
		}
		if page.Metadata.Continue == "" {
			return items, page.Metadata.ResourceVersion, nil
		}
		query.Set("continue", page.Metadata.Continue)
	}
}

// typed gives the item of a list the two fields that only the list has.
func typed(item object.Object, t object.Type) object.Object {
	if item == nil {
		item = object.Object{}
	}
	item["apiVersion"], item["kind"] = t.Version, t.Kind
	return item
}

func isExpired(err error) bool {
	var s *StatusError
	return errors.As(err, &s) && s.Code == http.StatusGone
}

func copied(query url.Values) url.Values {
	c := url.Values{}
	for name, values := range query {
		c[name] = values
	}
	return c
}

// Create makes an object that is not there yet. After a request whose answer was lost
// it asks again; an AlreadyExists then says so, because the object may be the one that
// the lost request made. An object with generateName is not asked for again: that
// could make two.
func (c *Client) Create(ctx context.Context, o object.Object) (object.Object, error) {
	path, err := c.collection(o.Type(), cmp.Or(o.Namespace(), c.namespace))
	if err != nil {
		return nil, err
	}
	var lost error
	r := request{method: http.MethodPost, path: path, query: written(manager), body: o, repeat: isLock}
	r.failed = func(err error) {
		if isExecuted(err) && !isLock(err) {
			lost = err
		}
	}
	if o.Name() == "" {
		r.once = isExecuted
	}
	created, err := c.write(ctx, r)
	if lost != nil && IsReason(err, "AlreadyExists") {
		return nil, fmt.Errorf("%w (perhaps made by this request's first attempt, which failed: %s)", err, lost.Error())
	}
	return created, err
}

// Apply is server-side apply; unknown and duplicate fields are refused. What it returns
// is the object as it is, or in a dry run as it would be.
func (c *Client) Apply(ctx context.Context, o object.Object, opts ApplyOptions) (object.Object, error) {
	query := written(cmp.Or(opts.Manager, manager))
	query.Set("fieldValidation", "Strict")
	query.Set("force", strconv.FormatBool(opts.Force))
	if opts.DryRun {
		query.Set("dryRun", "All")
	}
	r := request{contentType: "application/apply-patch+yaml", query: query, harmless: opts.DryRun}
	if o.ResourceVersion() == "" {
		r.repeat = isLock // of another client's write in the same moment
	}
	return c.patch(ctx, o, o, r)
}

// Update replaces an object. If o has a resourceVersion and the live object has another,
// the answer is a Conflict; also when the write was carried out and its answer lost.
func (c *Client) Update(ctx context.Context, o object.Object) (object.Object, error) {
	path, err := c.itemPath(o)
	if err != nil {
		return nil, err
	}
	return c.write(ctx, request{method: http.MethodPut, path: path, query: written(manager), body: o})
}

// JSONPatch changes the object that o names by the operations of RFC 6902. They may be
// carried out twice when an answer is lost.
func (c *Client) JSONPatch(ctx context.Context, o object.Object, patch []map[string]any) (object.Object, error) {
	return c.patch(ctx, o, patch, request{contentType: "application/json-patch+json", query: written(manager)})
}

// MergePatch changes the object that o names by RFC 7386: null takes a field away. The
// patch must not have a resourceVersion: that another client wrote in the same moment is
// no reason to give up.
func (c *Client) MergePatch(ctx context.Context, o, patch object.Object) (object.Object, error) {
	return c.patch(ctx, o, patch, request{contentType: "application/merge-patch+json", query: written(manager), repeat: isLock})
}

func (c *Client) patch(ctx context.Context, o object.Object, body any, r request) (object.Object, error) {
	path, err := c.itemPath(o)
	if err != nil {
		return nil, err
	}
	r.method, r.path, r.body = http.MethodPatch, path, body
	return c.write(ctx, r)
}

func written(manager string) url.Values { return url.Values{"fieldManager": {manager}} }

func (c *Client) write(ctx context.Context, r request) (object.Object, error) {
	var live object.Object
	if err := c.send(ctx, r, &live); err != nil {
		return nil, err
	}
	return live, nil
}

// Delete asks for the removal of an object; it may take a while after that. It is no
// error when the object is gone already, when the name has gone to another object than
// the one with opts.UID, or when its kind is served no longer.
func (c *Client) Delete(ctx context.Context, o object.Object, opts DeleteOptions) error {
	path, err := c.itemPath(o)
	var unknown *UnknownKindError
	if errors.As(err, &unknown) && !unknown.stale {
		return nil
	}
	if err != nil {
		return err
	}
	body := map[string]any{
		"apiVersion": "v1", "kind": "DeleteOptions",
		"propagationPolicy": cmp.Or(opts.Propagation, "Foreground"),
	}
	preconditions := map[string]any{}
	if opts.UID != "" {
		preconditions["uid"] = opts.UID
	}
	if opts.Version != "" {
		preconditions["resourceVersion"] = opts.Version
	}
	if len(preconditions) > 0 {
		body["preconditions"] = preconditions
	}
	err = c.send(ctx, request{method: http.MethodDelete, path: path, body: body, repeat: isLock}, nil)
	if isPathGone(err) {
		return c.confirmGone(ctx, o.Type(), err)
	}
	if NotFound(err) || opts.UID != "" && isOtherUID(err) {
		return nil
	}
	return err
}

// confirmGone is nil if the cluster serves a kind no longer, and err if it does: then
// something on the way has said so that has lost its way itself, such as a load balancer.
func (c *Client) confirmGone(ctx context.Context, t object.Type, err error) error {
	if failed := c.Discover(ctx); failed != nil {
		return failed
	}
	if _, served := c.Resource(t); served {
		return err
	}
	return nil
}

// Log is at most 64 KiB of a container's log. It is asked for once and for 10 s: a log is
// never worth waiting for a node that is gone.
func (c *Client) Log(ctx context.Context, namespace, pod string, o LogOptions) (string, error) {
	query := url.Values{
		"previous":   {strconv.FormatBool(o.Previous)},
		"limitBytes": {strconv.Itoa(logLimit)},
	}
	if o.Container != "" {
		query.Set("container", o.Container)
	}
	if o.Lines > 0 {
		query.Set("tailLines", strconv.Itoa(o.Lines))
	}
	limited, cancel := context.WithTimeoutCause(ctx, logWait, fmt.Errorf("no log within %s", logWait))
	defer cancel()
	path := "/api/v1/namespaces/" + url.PathEscape(namespace) + "/pods/" + url.PathEscape(pod) + "/log"
	always := func(error) bool { return true }
	var text string
	err := c.send(limited, request{method: http.MethodGet, path: path, query: query, once: always}, &text)
	if len(text) > logLimit {
		text = text[:logLimit]
	}
	return text, err
}
