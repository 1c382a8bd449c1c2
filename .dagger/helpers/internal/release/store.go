package release

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
)

// Store is where the records of one release are: Secrets, since manifests may hold
// secrets.
type Store struct {
	Client    *kube.Client
	Name      string // of the release
	Namespace string // of records and lease; "" for the release's
	Key       string // signs records; "" for records that anyone may have written
}

const (
	// pageSize is small because a page of records may be megabytes.
	pageSize = 8
	// allLimit is the bytes of all records of a release. The history that is kept is a
	// small part of it.
	allLimit = 512 << 20
)

// apart says whether records and lease are in another namespace than the release.
func (s Store) apart() bool { return s.Namespace != "" && s.Namespace != s.Client.Namespace() }

// Place is the namespace of records and lease.
func (s Store) Place() string { return cmp.Or(s.Namespace, s.Client.Namespace()) }

// name is the release's as part of names beside those of other namespaces' releases.
func (s Store) name() string {
	if s.apart() {
		return s.Client.Namespace() + "." + s.Name
	}
	return s.Name
}

// labels are those of all that is the release's.
func (s Store) labels() map[string]any {
	labels := map[string]any{"app.kubernetes.io/managed-by": Manager, Key: s.Name}
	if s.apart() {
		labels[placeKey] = s.Client.Namespace()
	}
	return labels
}

// selector selects the release's by its labels.
func (s Store) selector() string {
	if s.apart() {
		return Key + "=" + s.Name + "," + placeKey + "=" + s.Client.Namespace()
	}
	return Key + "=" + s.Name
}

// carries says whether a live object has the labels of all that is the release's.
func (s Store) carries(live object.Object) bool {
	place, _ := s.labels()[placeKey].(string)
	return live.Label(Key) == s.Name && live.Label(placeKey) == place
}

func (s Store) secret(number, part int) object.Object {
	return object.Object{
		"apiVersion": "v1", "kind": "Secret",
		"metadata": map[string]any{"name": secretName(s.name(), number, part), "namespace": s.Place()},
	}
}

// List are the records, oldest first; those that cannot be read have status
// Unreadable.
func (s Store) List(ctx context.Context) ([]Record, error) {
	secrets, err := s.secrets(ctx, s.selector())
	if err != nil {
		return nil, fmt.Errorf("list the records of release %s: %w", s.Name, err)
	}
	return assemble(s.name(), secrets, s.verify), nil
}

// secrets are those among the records that have a label.
func (s Store) secrets(ctx context.Context, label string) ([]object.Object, error) {
	head := object.Object{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"namespace": s.Place()}}
	path, err := s.Client.Path(head)
	if err != nil {
		return nil, err
	}
	var secrets []object.Object
	size := 0
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
			if item == nil {
				continue
			}
			item["apiVersion"], item["kind"] = head.Version(), head.Kind()
			secrets = append(secrets, item)
			size += len(item.Text("data", "record"))
		}
		if size > allLimit {
			return nil, fmt.Errorf("they are more than %d MiB, which Slipway never writes: look through kubectl --namespace %s get secrets "+
				"--selector=%s, and delete what others made", allLimit>>20, s.Place(), label)
		}
		if page.Metadata.Continue == "" {
			return secrets, nil
		}
		query.Set("continue", page.Metadata.Continue)
	}
}

// Save writes a record whole. Its first part is written last, so that a record which
// can be seen is complete. Mark works on the record as it is then.
func (s Store) Save(ctx context.Context, r *Record) error {
	if r.Number > numberLimit {
		return fmt.Errorf("there is no number left for a release: delete the record with number %d, which nobody but its author needs "+
			"(kubectl --namespace %s delete secret %s)", r.Number-1, s.Place(), secretName(s.name(), r.Number-1, 0))
	}
	r.Note = shorten(r.Note)
	parts, sum, err := encode(*r)
	if err != nil {
		return err
	}
	r.seal = seal{sum, len(parts)}
	for i := len(parts) - 1; i >= 0; i-- {
		secret := s.secret(r.Number, i)
		secret["type"] = secretType
		secret["data"] = map[string]any{"record": base64.StdEncoding.EncodeToString(parts[i])}
		labels := s.labels()
		labels[numberKey] = strconv.Itoa(r.Number)
		if i > 0 {
			labels[partKey] = strconv.Itoa(i)
		} else {
			labels[statusKey] = r.Status
			annotations := map[string]any{partKey: strconv.Itoa(len(parts)), sumKey: sum, noteKey: r.Note}
			if s.Key != "" {
				annotations[signKey] = s.sign(r.seal, r.Number, r.Status, r.Note)
			}
			secret.Set(annotations, "metadata", "annotations")
		}
		secret.Set(labels, "metadata", "labels")
		if _, err := s.Client.Apply(ctx, secret, kube.ApplyOptions{Force: true}); err != nil {
			return fmt.Errorf("write the record of release %d, Secret %s in namespace %s: %w", r.Number, secret.Name(), s.Place(), err)
		}
	}
	return nil
}

// Mark notes what became of a release. The rest of its record stays as it is.
func (s Store) Mark(ctx context.Context, r Record, status, note string) error {
	metadata := map[string]any{"labels": map[string]any{statusKey: status}}
	if note = shorten(note); note != "" || s.Key != "" {
		note = cmp.Or(note, shorten(r.Note))
		annotations := map[string]any{noteKey: note}
		if s.Key != "" {
			annotations[signKey] = s.sign(r.seal, r.Number, status, note)
		}
		metadata["annotations"] = annotations
	}
	if _, err := s.Client.MergePatch(ctx, s.secret(r.Number, 0), object.Object{"metadata": metadata}); err != nil {
		return fmt.Errorf("note that release %d is %s: %w", r.Number, status, err)
	}
	return nil
}

// Forget deletes a record. Its first part goes first: without it the others are not a
// record.
func (s Store) Forget(ctx context.Context, r Record) error {
	head := s.secret(r.Number, 0)
	err := s.Client.Delete(ctx, head, kube.DeleteOptions{Propagation: "Background"})
	if err == nil {
		err = s.deleteAll(ctx, s.selector()+","+numberKey+"="+strconv.Itoa(r.Number))
	}
	if err != nil {
		return fmt.Errorf("delete the record of release %d: %w", r.Number, err)
	}
	return nil
}

// Clear deletes all records, and what is left of those that were damaged.
func (s Store) Clear(ctx context.Context) error {
	if err := s.deleteAll(ctx, s.selector()); err != nil {
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
		if secret.Text("type") != secretType || !s.carries(secret) {
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
	record := live.Kind() == "Secret" && live.Text("type") == secretType && live.Namespace() == s.Place()
	return s.carries(live) && (record || live.ID() == s.lease().ID())
}

// IsRecord says whether a live Secret is a record's, of whatever release.
func IsRecord(live object.Object) bool { return live.Text("type") == secretType }

// ReleaseNamespace is the namespace of the release that a record's Secret is about.
func ReleaseNamespace(secret object.Object) string {
	return cmp.Or(secret.Label(placeKey), secret.Namespace())
}

// ServingSelector selects the records, in all namespaces, of releases of a name that
// serve.
func ServingSelector(name string) string { return Key + "=" + name + "," + statusKey + "=" + Deployed }
