package release

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
)

// Store is where the records of one release are: Secrets in its namespace, since
// manifests may hold secrets.
type Store struct {
	Client *kube.Client
	Name   string // of the release
}

// pageSize is small because a page of records may be megabytes.
const pageSize = 8

func (s Store) secret(number, part int) object.Object {
	return object.Object{
		"apiVersion": "v1", "kind": "Secret",
		"metadata": map[string]any{"name": secretName(s.Name, number, part), "namespace": s.Client.Namespace()},
	}
}

// List are the records, oldest first; those that cannot be read have status
// Unreadable.
func (s Store) List(ctx context.Context) ([]Record, error) {
	secrets, err := s.secrets(ctx, Key+"="+s.Name)
	if err != nil {
		return nil, fmt.Errorf("list the records of release %s: %w", s.Name, err)
	}
	return assemble(s.Name, secrets), nil
}

// secrets are those in the release's namespace that have a label.
func (s Store) secrets(ctx context.Context, label string) ([]object.Object, error) {
	head := object.Object{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"namespace": s.Client.Namespace()}}
	path, err := s.Client.Path(head)
	if err != nil {
		return nil, err
	}
	var secrets []object.Object
	query := url.Values{"labelSelector": {label}, "limit": {strconv.Itoa(pageSize)}}
	for {
		var page struct {
			Metadata struct{ Continue string }
			Items    []object.Object
		}
		if err := s.Client.Get(ctx, path+"?"+query.Encode(), &page); err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			item["apiVersion"], item["kind"] = head.Version(), head.Kind()
			secrets = append(secrets, item)
		}
		if page.Metadata.Continue == "" {
			return secrets, nil
		}
		query.Set("continue", page.Metadata.Continue)
	}
}

// Save writes a record whole. Its first part is written last, so that a record which
// can be seen is complete.
func (s Store) Save(ctx context.Context, r Record) error {
	r.Note = shorten(r.Note)
	parts, sum, err := encode(r)
	if err != nil {
		return err
	}
	for i := len(parts) - 1; i >= 0; i-- {
		secret := s.secret(r.Number, i)
		secret["type"] = secretType
		secret["data"] = map[string]any{"record": base64.StdEncoding.EncodeToString(parts[i])}
		labels := map[string]any{
			"app.kubernetes.io/managed-by": Manager,
			Key:                            s.Name,
			numberKey:                      strconv.Itoa(r.Number),
		}
		if i > 0 {
			labels[partKey] = strconv.Itoa(i)
		} else {
			labels[statusKey] = r.Status
			secret.Set(map[string]any{partKey: strconv.Itoa(len(parts)), sumKey: sum, noteKey: r.Note}, "metadata", "annotations")
		}
		secret.Set(labels, "metadata", "labels")
		if _, err := s.Client.Apply(ctx, secret, kube.ApplyOptions{Force: true}); err != nil {
			return fmt.Errorf("write the record of release %d: %w", r.Number, err)
		}
	}
	return nil
}

// Mark notes what became of a release. The rest of its record stays as it is, readable
// or not.
func (s Store) Mark(ctx context.Context, number int, status, note string) error {
	metadata := map[string]any{"labels": map[string]any{statusKey: status}}
	if note != "" {
		metadata["annotations"] = map[string]any{noteKey: shorten(note)}
	}
	if _, err := s.Client.MergePatch(ctx, s.secret(number, 0), object.Object{"metadata": metadata}); err != nil {
		return fmt.Errorf("note that release %d is %s: %w", number, status, err)
	}
	return nil
}

// Forget deletes a record. Its first part goes first: without it the others are not a
// record.
func (s Store) Forget(ctx context.Context, r Record) error {
	head := s.secret(r.Number, 0)
	err := s.Client.Delete(ctx, head, kube.DeleteOptions{Propagation: "Background"})
	if err == nil {
		err = s.deleteAll(ctx, numberKey+"="+strconv.Itoa(r.Number))
	}
	if err != nil {
		return fmt.Errorf("delete the record of release %d: %w", r.Number, err)
	}
	return nil
}

// Clear deletes all records, and what is left of those that were damaged.
func (s Store) Clear(ctx context.Context) error {
	if err := s.deleteAll(ctx, Key+"="+s.Name); err != nil {
		return fmt.Errorf("delete the records of release %s: %w", s.Name, err)
	}
	return nil
}

// deleteAll deletes what there is of the release's records with a label.
func (s Store) deleteAll(ctx context.Context, label string) error {
	secrets, err := s.secrets(ctx, label)
	if err != nil {
		return err
	}
	for _, secret := range secrets {
		if secret.Text("type") != secretType || secret.Label(Key) != s.Name {
			continue
		}
		if err := s.Client.Delete(ctx, secret, kube.DeleteOptions{UID: secret.UID(), Propagation: "Background"}); err != nil {
			return err
		}
	}
	return nil
}

// Holds says whether a live object is part of a record, or the lease.
func (s Store) Holds(live object.Object) bool {
	lease := leaseObject(s.Client, s.Name)
	return live.Label(Key) == s.Name && (live.Kind() == "Secret" && live.Text("type") == secretType || live.ID() == lease.ID())
}

// ServingSelector selects the records, in all namespaces, of releases of a name that
// serve.
func ServingSelector(name string) string { return Key + "=" + name + "," + statusKey + "=" + Deployed }
