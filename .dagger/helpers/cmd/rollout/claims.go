package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
)

const (
	// claimsLimit is how long a StatefulSet's controller may take to let its claims go.
	claimsLimit = 30 * time.Second
	ownersLimit = 5 // owners of owners that are looked at
)

var claimType = object.Type{Version: "v1", Kind: "PersistentVolumeClaim"}

// claimsOf are the claims that a StatefulSet made, as far as the account may list them.
func (s *session) claimsOf(ctx context.Context, set object.Object) ([]object.Object, error) {
	if set.Kind() != "StatefulSet" || set.Group() != "apps" {
		return nil, nil
	}
	claims, err := s.client.List(ctx, claimType, set.Namespace(), url.Values{})
	if kube.IsReason(err, "Forbidden") {
		return nil, nil
	}
	return slices.DeleteFunc(claims, func(c object.Object) bool { return !isClaimOf(c, set) }), err
}

// isClaimOf says whether a claim has the name and labels that a StatefulSet gives to its
// claims.
func isClaimOf(claim, set object.Object) bool {
	return object.Selects(set.Strings("spec", "selector", "matchLabels"), claim.Strings("metadata", "labels")) &&
		slices.ContainsFunc(set.List("spec", "volumeClaimTemplates"), func(t object.Object) bool {
			ordinal, found := strings.CutPrefix(claim.Name(), t.Name()+"-"+set.Name()+"-")
			return found && ordinal != "" && strings.Trim(ordinal, "0123456789") == ""
		})
}

// removeClaims deletes claims that StatefulSets made, if data may be deleted, and names
// them if not.
func (s *session) removeClaims(ctx context.Context, claims []object.Object) (removal, error) {
	var result removal
	for _, c := range claims {
		if why := release.Keep(c, nil, s.DeleteData); why != "" {
			result.kept = append(result.kept, fmt.Sprintf("%s is kept: %s", c, why))
			continue
		}
		if err := s.client.Delete(ctx, c, kube.DeleteOptions{UID: c.UID()}); err != nil {
			result.left = append(result.left, fmt.Sprintf("%s cannot be removed: %v", c, err))
			continue
		}
		s.say("removed %s", c)
		result.removed = append(result.removed, c)
	}
	left, err := s.gone(ctx, result.removed, max(s.limit, removeLimit))
	result.left = append(result.left, left...)
	return result, err
}

// detachClaims has claims outlive an object that is to be deleted, unless data may be
// deleted: those which Kubernetes would delete with their owner. It returns why the object
// must stay, "" if it may go.
func (s *session) detachClaims(ctx context.Context, live object.Object) (string, error) {
	isSet := live.Kind() == "StatefulSet" && live.Group() == "apps"
	if s.DeleteData || !isSet && !live.IsCustom() || live.Namespace() == "" {
		return "", nil
	}
	deletes := live.Text("spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted") == "Delete"
	if isSet && deletes {
		patch := object.Object{}
		patch.Set(live.UID(), "metadata", "uid")
		patch.Set(map[string]any{"whenDeleted": "Retain", "whenScaled": "Retain"}, "spec", "persistentVolumeClaimRetentionPolicy")
		if _, err := s.client.MergePatch(ctx, live, patch); err != nil {
			return "", fmt.Errorf("have the claims of %s outlive it: %w", live, err)
		}
	}
	for start := time.Now(); ; {
		claim, err := s.dependingClaim(ctx, live)
		if kube.IsReason(err, "Forbidden") && !deletes {
			return "", nil // Nobody may say more, and nothing says that claims depend on it.
		}
		switch {
		case err != nil:
			return "", err
		case claim == nil:
			return "", nil
		case !isSet || time.Since(start) > claimsLimit:
			return fmt.Sprintf("%s stays: %s, which holds data, would go with it; --delete-data deletes both", live, claim), nil
		}
		if !kube.Pause(ctx, 200*time.Millisecond) {
			return "", context.Cause(ctx)
		}
	}
}

// dependingClaim is a claim that Kubernetes would delete with owner, nil if there is none.
func (s *session) dependingClaim(ctx context.Context, owner object.Object) (object.Object, error) {
	claims, err := s.client.List(ctx, claimType, owner.Namespace(), url.Values{})
	if err != nil {
		return nil, err
	}
	for _, c := range claims {
		if depends, err := s.dependsOn(ctx, c, owner, ownersLimit); depends || err != nil {
			return c, err
		}
	}
	return nil, nil
}

// dependsOn says whether owner, or something that depends on it, owns an object.
func (s *session) dependsOn(ctx context.Context, o, owner object.Object, limit int) (bool, error) {
	for _, ref := range o.List("metadata", "ownerReferences") {
		if ref.Text("uid") == owner.UID() {
			return true, nil
		}
		next := s.client.Complete(object.Object{
			"apiVersion": ref.Text("apiVersion"), "kind": ref.Text("kind"),
			"metadata": map[string]any{"name": ref.Text("name"), "namespace": o.Namespace()},
		})
		if _, known := s.client.Resource(next.Type()); !known || limit == 0 {
			continue
		}
		live, err := s.client.Read(ctx, next)
		if err != nil && !kube.IsReason(err, "Forbidden") {
			return false, err
		}
		if live.UID() == ref.Text("uid") {
			if depends, err := s.dependsOn(ctx, live, owner, limit-1); depends || err != nil {
				return depends, err
			}
		}
	}
	return false, nil
}
