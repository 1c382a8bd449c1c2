package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"
)

const (
	releaseKey = "slipway/release" // label of records and the lease, annotation of what was applied
	numberKey  = "slipway/number"
	statusKey  = "slipway/status"

	// A release is pending from before its first object is applied, so that no
	// crash can leave an object which no record lists.
	pending    = "pending"
	deployed   = "deployed"
	superseded = "superseded"
	failed     = "failed"

	historyLimit = 10 // records kept

	// A short --timeout is meant for the new release, not for what must go.
	removeLimit = 90 * time.Second
)

// record is one release: a Secret, since manifests may hold secrets.
type record struct {
	Number   int
	Status   string
	Note     string // why it failed
	Image    string
	Revision string
	Version  string
	Started  time.Time
	Objects  []object
	Taken    []object // what others had made and the release took over, as it was
	Smoke    string   // what the release must answer, and
	Port     int      // on which port of its pods
}

// hasServed says whether the release came to serve.
func (r record) hasServed() bool { return r.Status == superseded || r.Status == deployed }

func (c *cluster) secret(name string) object {
	return object{
		"apiVersion": "v1", "kind": "Secret",
		"metadata": map[string]any{"name": name, "namespace": c.namespace},
	}
}

// records lists the releases, oldest first.
func (c *cluster) records(ctx context.Context) ([]record, error) {
	path, err := c.where(c.secret(""))
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []struct{ Data map[string]string }
	}
	selector := url.Values{"labelSelector": {releaseKey + "=" + c.release}}
	if err := c.get(ctx, path+"?"+selector.Encode(), &list); err != nil {
		return nil, err
	}
	all := make([]record, len(list.Items))
	for i, item := range list.Items {
		if err := unpack(item.Data["record"], &all[i]); err != nil {
			return nil, fmt.Errorf("a record of release %s is damaged: %w", c.release, err)
		}
	}
	slices.SortFunc(all, func(a, b record) int { return a.Number - b.Number })
	return all, nil
}

// save writes a record whole; who writes holds the lease.
func (c *cluster) save(ctx context.Context, r record) error {
	data, err := pack(r)
	if err != nil {
		return err
	}
	s := c.secret(fmt.Sprintf("slipway.%s.v%d", c.release, r.Number))
	s["type"] = "slipway/release"
	s["data"] = map[string]any{"record": data}
	s.at("metadata").(map[string]any)["labels"] = map[string]any{
		"app.kubernetes.io/managed-by": manager,
		releaseKey:                     c.release,
		numberKey:                      strconv.Itoa(r.Number),
		statusKey:                      r.Status,
	}
	return c.apply(ctx, s, true)
}

func (c *cluster) forget(ctx context.Context, r record) error {
	return c.delete(ctx, c.secret(fmt.Sprintf("slipway.%s.v%d", c.release, r.Number)))
}

func pack(r record) (string, error) {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if err := json.NewEncoder(w).Encode(r); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(buf.Bytes()), nil
}

func unpack(data string, r *record) error {
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return err
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	return json.NewDecoder(z).Decode(r)
}

// serving is the release that last served, nil when none did.
func serving(records []record) *record {
	for _, r := range slices.Backward(records) {
		if r.Status == deployed {
			return &r
		}
	}
	return nil
}

// inventory is everything that any of the releases applied, without duplicates.
func inventory(records []record) []object {
	var all []object
	seen := map[string]bool{}
	for _, r := range slices.Backward(records) {
		for _, o := range r.Objects {
			if !seen[o.id()] {
				seen[o.id()] = true
				all = append(all, o)
			}
		}
	}
	return all
}

// owner is what an object of the release carries. Objects without a namespace
// may have the same name in two releases, so the release's is part of it.
func (c *cluster) owner() string { return c.namespace + "." + c.release }

func (c *cluster) owns(live object) bool {
	return live != nil && live.text("metadata", "annotations", releaseKey) == c.owner()
}

// remove deletes those objects that are there and the release's own, and waits
// until they are gone. What somebody else made, or took over since, is never
// touched.
func (c *cluster) remove(ctx context.Context, objects []object) ([]object, error) {
	var removed []object
	sorted := slices.Clone(objects)
	sortForApply(sorted)
	for _, o := range slices.Backward(sorted) {
		o = c.served(o)
		if o == nil || o.kind() == "Namespace" {
			continue
		}
		live, err := c.read(ctx, o)
		if err != nil {
			return removed, fmt.Errorf("%s: %w", o, err)
		}
		if !c.owns(live) {
			continue
		}
		if err := c.delete(ctx, o); err != nil {
			return removed, err
		}
		say("removed %s", o)
		removed = append(removed, o)
	}
	return removed, c.gone(ctx, removed)
}

// gone waits until none of the objects is there.
func (c *cluster) gone(ctx context.Context, objects []object) error {
	limit := max(c.limit, removeLimit)
	deadline := time.Now().Add(limit)
	for _, o := range objects {
		for {
			live, err := c.read(ctx, o)
			if err != nil {
				return err
			}
			if live == nil {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("%s is still being deleted after %s (finalizers: %v)", o, limit, live.at("metadata", "finalizers"))
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
	return nil
}
