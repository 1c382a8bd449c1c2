package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
)

// leavingLimit is the least time for what was being deleted before it was to be removed.
const leavingLimit = 10 * time.Second

// removal is what came of removing objects.
type removal struct {
	removed []object.Object
	kept    []string // what stays on purpose, each with the reason
	left    []string // what could not be removed, each with the reason
}

func (r *removal) add(other removal) {
	r.removed = append(r.removed, other.removed...)
	r.kept = append(r.kept, other.kept...)
	r.left = append(r.left, other.left...)
}

// remove deletes those objects that are there and the release's own, group by group: what
// a group needs to go is still there while it goes. What somebody else made, or took over
// since, is never touched. What does not go is named, and stops nothing else: only an
// error of the API itself ends it.
func (s *session) remove(ctx context.Context, objects []object.Object) (removal, error) {
	var all removal
	if len(objects) == 0 {
		return all, nil
	}
	if err := s.client.Discover(ctx); err != nil { // Kinds may have gone since the start.
		return all, err
	}
	groups := map[int][]object.Object{}
	for _, o := range objects {
		groups[removalGroup(o)] = append(groups[removalGroup(o)], o)
	}
	for _, n := range slices.Sorted(maps.Keys(groups)) {
		result, err := s.removeGroup(ctx, groups[n])
		all.add(result)
		if err != nil {
			return all, err
		}
		if custom := stuckCustom(result.left, groups[n], objects); custom != "" {
			all.left = append(all.left, "everything else stays with it: the release's own operator may have to clear "+custom)
			return all, nil
		}
	}
	return all, nil
}

// stuckCustom names a custom resource that did not go and whose definition is in the same
// release, and so probably its operator.
func stuckCustom(left []string, group, objects []object.Object) string {
	for _, o := range group {
		stuck := slices.ContainsFunc(left, func(text string) bool { return strings.HasPrefix(text, o.String()+" ") })
		if stuck && o.IsCustom() && definitionOf(o, objects) != nil {
			return o.String()
		}
	}
	return ""
}

func (s *session) removeGroup(ctx context.Context, objects []object.Object) (removal, error) {
	var result removal
	used, err := s.usedByPods(ctx, objects)
	if kube.IsReason(err, "Forbidden") {
		for _, o := range objects {
			result.left = append(result.left, fmt.Sprintf("%s stays: a pod may use it, and the kubeconfig's user may not list pods", o))
		}
		return result, nil
	}
	if err != nil {
		return result, err
	}
	lives := make([]object.Object, len(objects))
	words := make([]string, len(objects))
	claims := make([][]object.Object, len(objects))
	errs := kube.Each(objects, parallel, func(i int, o object.Object) error {
		live, err := s.ownLive(ctx, o)
		if kube.NotFound(err) || live == nil || live.Kind() == "Namespace" && live.Name() == s.Namespace {
			return nil
		}
		if err != nil {
			return err
		}
		if why := release.Keep(o, live, s.DeleteData); why != "" {
			words[i] = fmt.Sprintf("%s is kept: %s", o, why)
			return nil
		}
		if pod := used[live.ID()]; pod != "" {
			words[i] = fmt.Sprintf("%s is kept: pod %s uses it; the next deploy looks again", o, pod)
			return nil
		}
		if words[i], err = s.detachClaims(ctx, live); err != nil || words[i] != "" {
			return err
		}
		if claims[i], err = s.claimsOf(ctx, live); err != nil {
			return err
		}
		if err := s.client.Delete(ctx, live, kube.DeleteOptions{UID: live.UID()}); err != nil {
			return fmt.Errorf("delete %s: %w", o, err)
		}
		lives[i] = live
		return nil
	})
	var refused *kube.StatusError
	for i, err := range errs {
		switch {
		case errors.As(err, &refused):
			result.left = append(result.left, fmt.Sprintf("%s cannot be removed: %v", objects[i], err))
		case err != nil:
			return result, err
		case words[i] != "":
			result.kept = append(result.kept, words[i])
		case lives[i] != nil:
			s.say("removed %s", objects[i])
			result.removed = append(result.removed, lives[i])
		}
	}
	left, err := s.gone(ctx, result.removed, max(s.limit, removeLimit))
	result.left = append(result.left, left...)
	if err != nil {
		return result, err
	}
	made, err := s.removeClaims(ctx, slices.Concat(claims...))
	result.add(made)
	return result, err
}

// gone waits until none of the objects is there, and says what holds those that are still
// there at the end. One that was on its way out already when it was read has had a part of
// that time.
func (s *session) gone(ctx context.Context, objects []object.Object, limit time.Duration) ([]string, error) {
	words := make([]string, len(objects))
	start := time.Now()
	errs := kube.Each(objects, parallel, func(i int, o object.Object) error {
		patience := limit
		if since, err := time.Parse(time.RFC3339, o.Text("metadata", "deletionTimestamp")); err == nil {
			patience = max(leavingLimit, limit-start.Sub(since))
		}
		for {
			live, err := s.client.Read(ctx, o)
			if kube.NotFound(err) || err == nil && (live == nil || o.UID() != "" && live.UID() != o.UID()) {
				return nil
			}
			if _, known := s.client.Resource(o.Type()); err != nil && known {
				return err
			}
			if err != nil {
				return nil // Its kind is gone, and the object with it.
			}
			if time.Since(start) > patience {
				words[i] = fmt.Sprintf("%s is still being deleted after %s%s", o, patience, s.holder(ctx, live))
				return nil
			}
			if !kube.Pause(ctx, 200*time.Millisecond) {
				return context.Cause(ctx)
			}
		}
	})
	left := slices.DeleteFunc(words, func(text string) bool { return text == "" })
	return left, errors.Join(errs...)
}

// holder says what an object that is being deleted waits for, as far as it can be seen.
func (s *session) holder(ctx context.Context, live object.Object) string {
	finalizers, _ := live.At("metadata", "finalizers").([]any)
	foreign := slices.DeleteFunc(slices.Clone(finalizers), func(f any) bool { return f == "foregroundDeletion" })
	if len(foreign) > 0 {
		return fmt.Sprintf(": finalizers %v hold it", foreign)
	}
	pods, err := s.client.List(ctx, podType, live.Namespace(), url.Values{})
	if err != nil {
		return ""
	}
	labels := live.PodLabels()
	for _, p := range pods {
		if p.Text("metadata", "deletionTimestamp") != "" && len(labels) > 0 && object.Selects(labels, p.Strings("metadata", "labels")) {
			return fmt.Sprintf(": its pod %s on node %s does not end", p.Name(), p.Text("spec", "nodeName"))
		}
	}
	return ""
}

// usedByPods maps those of the objects that live pods mount or refer to, to one of the
// pods.
func (s *session) usedByPods(ctx context.Context, objects []object.Object) (map[object.ID]string, error) {
	var pods []object.Object
	seen := map[string]bool{}
	for _, o := range objects {
		refers := o.Group() == "" && slices.Contains([]string{"Secret", "ConfigMap", "PersistentVolumeClaim", "ServiceAccount"}, o.Kind())
		if !refers || seen[o.Namespace()] {
			continue
		}
		seen[o.Namespace()] = true
		there, err := s.client.List(ctx, podType, o.Namespace(), url.Values{})
		if err != nil {
			return nil, err
		}
		pods = append(pods, there...)
	}
	used := map[object.ID]string{}
	for _, p := range pods {
		phase := p.Text("status", "phase")
		if phase == "Succeeded" || phase == "Failed" || p.Text("metadata", "deletionTimestamp") != "" {
			continue
		}
		for _, id := range references(p) {
			used[id] = p.Name()
		}
	}
	return used, nil
}

// references are the objects of its namespace that a pod mounts or refers to.
func references(pod object.Object) []object.ID {
	var ids []object.ID
	add := func(kind, name string) {
		if name != "" {
			ids = append(ids, object.ID{Kind: kind, Namespace: pod.Namespace(), Name: name})
		}
	}
	add("ServiceAccount", pod.Text("spec", "serviceAccountName"))
	for _, s := range pod.List("spec", "imagePullSecrets") {
		add("Secret", s.Text("name"))
	}
	for _, v := range pod.List("spec", "volumes") {
		for source := range v { // of storage that is logged in to
			add("Secret", v.Text(source, "secretRef", "name"))
		}
		add("Secret", v.Text("csi", "nodePublishSecretRef", "name"))
		add("Secret", v.Text("azureFile", "secretName"))
		add("Secret", v.Text("secret", "secretName"))
		add("ConfigMap", v.Text("configMap", "name"))
		add("PersistentVolumeClaim", v.Text("persistentVolumeClaim", "claimName"))
		for _, source := range v.List("projected", "sources") {
			add("Secret", source.Text("secret", "name"))
			add("ConfigMap", source.Text("configMap", "name"))
		}
	}
	for _, ctr := range pod.Containers() {
		for _, from := range ctr.List("envFrom") {
			add("Secret", from.Text("secretRef", "name"))
			add("ConfigMap", from.Text("configMapRef", "name"))
		}
		for _, env := range ctr.List("env") {
			add("Secret", env.Text("valueFrom", "secretKeyRef", "name"))
			add("ConfigMap", env.Text("valueFrom", "configMapKeyRef", "name"))
		}
	}
	return ids
}
