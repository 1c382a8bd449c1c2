package release

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
)

// leavingLimit is how long what was there before may take to go, until it is made again.
const (
	leavingLimit = 60 * time.Second
	leavingLooks = 300 * time.Millisecond
)

// controllersAnnotations are annotations that a controller sets and that are true of the
// object as it is now, whatever it was before.
var controllersAnnotations = []string{
	"deployment.kubernetes.io/revision", "pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller",
}

// Revert makes an object what it was before the release changed it: before is the live
// object of then, after what applying made of it, nil if that is not known. What others
// changed since is left as they made it. One that is gone is made again.
func Revert(ctx context.Context, client *kube.Client, before, after object.Object) error {
	before = client.InServedVersion(before)
	if before == nil {
		return fmt.Errorf("the cluster no longer knows its kind")
	}
	if before.At("metadata", "managedFields") == nil { // It is not known as it was, only as it was applied.
		_, err := client.Apply(ctx, before.Bare(), kube.ApplyOptions{Force: true})
		return err
	}
	live, err := Settled(ctx, client, before, leavingLimit, func() {})
	if err != nil {
		return err
	}
	if Leaves(live) {
		return fmt.Errorf("is still being deleted after %s", leavingLimit)
	}
	if live == nil {
		made, err := client.Create(ctx, withoutControllers(before.Bare()))
		if err != nil {
			return err
		}
		return setManagedFields(ctx, client, made, before)
	}
	if after != nil && live.UID() != after.UID() && live.UID() != before.UID() && live.Annotation(Key) != after.Annotation(Key) {
		return fmt.Errorf("somebody made it anew meanwhile, and it stays as they made it")
	}
	if live.Version() != before.Version() || after == nil || after.UID() != live.UID() {
		after = live
	}
	patch := changes(relevant(after), relevant(before))
	if replicasAreScaled(live) && patch.At("spec", "replicas") != nil {
		patch.Delete("spec", "replicas")
	}
	if len(patch) > 0 {
		patch.Set(live.UID(), "metadata", "uid") // of no other object of that name
		if live, err = client.MergePatch(ctx, before, patch); err != nil {
			return err
		}
	}
	return setManagedFields(ctx, client, live, before)
}

// Settled is the live object, nil when there is none, once it is not on its way out any
// more. One that still is after limit is returned as it is. waits is called each time that
// it is waited for, before the next look.
func Settled(ctx context.Context, client *kube.Client, o object.Object, limit time.Duration, waits func()) (object.Object, error) {
	for start := time.Now(); ; {
		live, err := client.Read(ctx, o)
		if err != nil || !Leaves(live) || time.Since(start) > limit {
			return live, err
		}
		waits()
		if !kube.Pause(ctx, leavingLooks) {
			return nil, context.Cause(ctx)
		}
	}
}

// Leaves says whether a live object is on its way out.
func Leaves(live object.Object) bool { return live.Text("metadata", "deletionTimestamp") != "" }

// relevant is the part of an object that is reverted.
func relevant(o object.Object) object.Object {
	o = o.Clone()
	metadata := map[string]any{}
	for _, field := range []string{"labels", "annotations", "finalizers", "ownerReferences"} {
		if value := o.At("metadata", field); value != nil {
			metadata[field] = value
		}
	}
	for _, field := range []string{"apiVersion", "kind", "status"} {
		delete(o, field)
	}
	o["metadata"] = metadata
	return withoutControllers(o)
}

func withoutControllers(o object.Object) object.Object {
	for _, key := range controllersAnnotations {
		o.Delete("metadata", "annotations", key)
	}
	return o
}

// changes is the JSON merge patch (RFC 7386) that leads from one object to the other.
func changes(from, to object.Object) object.Object {
	patch := object.Object{}
	for key, old := range from {
		value, stays := to[key]
		switch {
		case !stays:
			patch[key] = nil
		case from.Map(key) != nil && to.Map(key) != nil:
			if below := changes(from.Map(key), to.Map(key)); len(below) > 0 {
				patch[key] = map[string]any(below)
			}
		case !reflect.DeepEqual(old, value):
			patch[key] = value
		}
	}
	for key, value := range to {
		if _, known := from[key]; !known {
			patch[key] = value
		}
	}
	return patch
}

// replicasAreScaled says whether an autoscaler, or kubectl scale, set the number of pods
// that a live object has now.
func replicasAreScaled(live object.Object) bool {
	for _, entry := range live.List("metadata", "managedFields") {
		if entry.Text("subresource") == "scale" && entry.At("fieldsV1", "f:spec", "f:replicas") != nil {
			return true
		}
	}
	return false
}

// setManagedFields gives the fields of a live object back to those who had set them
// before. What was set through a subresource other than scale, such as status, belongs to
// controllers and stays as it is.
func setManagedFields(ctx context.Context, client *kube.Client, live, before object.Object) error {
	for range 10 {
		var fields []any
		given := []string{"", "scale"}
		if replicasAreScaled(live) {
			given = given[:1] // The number of pods is theirs who scaled since.
		}
		for _, entry := range before.List("metadata", "managedFields") {
			if slices.Contains(given, entry.Text("subresource")) {
				fields = append(fields, map[string]any(entry))
			}
		}
		for _, entry := range live.List("metadata", "managedFields") {
			if !slices.Contains(given, entry.Text("subresource")) {
				fields = append(fields, map[string]any(entry))
			}
		}
		err := SetManagedFields(ctx, client, live, fields)
		if err == nil || len(fields) == 0 {
			return nil
		}
		if !conflicts(err) {
			return err
		}
		if live, err = client.Read(ctx, before); err != nil || live == nil {
			return err
		}
	}
	return nil // Somebody writes it all the time; what the object says is right, only not who said it.
}

// SetManagedFields says anew who set which field of a live object, if the object has not
// changed since it was read.
func SetManagedFields(ctx context.Context, client *kube.Client, live object.Object, fields []any) error {
	if len(fields) == 0 || reflect.DeepEqual(live.At("metadata", "managedFields"), fields) {
		return nil
	}
	_, err := client.JSONPatch(ctx, live, []map[string]any{
		{"op": "test", "path": "/metadata/resourceVersion", "value": live.ResourceVersion()},
		{"op": "replace", "path": "/metadata/managedFields", "value": fields},
	})
	return err
}

// conflicts says whether a patch of an object failed because it has changed meanwhile.
func conflicts(err error) bool {
	// A test in a JSON patch that fails makes the patch invalid.
	return kube.IsReason(err, "Conflict") || kube.IsReason(err, "Invalid") && strings.Contains(err.Error(), "rejected our request")
}
