package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/release"
	"slipway/helpers/internal/sanitize"
)

// isImmutable says whether a refusal means that the object cannot be changed, only
// made again.
func isImmutable(err *kube.StatusError) bool {
	return err.Reason == "Invalid" && (strings.Contains(err.Message, "field is immutable") || strings.Contains(err.Message, "pod updates may not change fields"))
}

// conflictsWithItself says whether a refusal is about nothing but fields that the release
// itself set, in another way than by applying them.
func conflictsWithItself(refused *kube.StatusError) bool {
	for _, cause := range refused.Details.Causes {
		if cause.Reason != "FieldManagerConflict" || !strings.Contains(cause.Message, `"`+release.Manager+`"`) {
			return false
		}
	}
	return len(refused.Details.Causes) > 0
}

// defaultsInTheWay are the fields that the API server refuses beside what is wanted,
// though only its own defaults set them: a Deployment that goes to Recreate still has
// the limits of the rolling update that was its default.
func defaultsInTheWay(wanted, live object.Object, refused *kube.StatusError) [][]string {
	var claim [][]string
	for _, cause := range refused.Details.Causes {
		path := strings.Split(cause.Field, ".")
		if cause.Reason != "FieldValueForbidden" && cause.Reason != "FieldValueInvalid" || strings.Contains(cause.Field, "[") || wanted.At(path...) != nil ||
			release.Claim(live, path...) == nil {
			return nil
		}
		claim = append(claim, path)
	}
	return claim
}

// bringsAlong says whether an object is refused only because another of the release is
// not there yet, as a RoleBinding before its Role.
func (p *plan) bringsAlong(refused *kube.StatusError, o object.Object) bool {
	if !strings.Contains(refused.Message, "not found") && !strings.Contains(refused.Message, "was found") {
		return false
	}
	return slices.ContainsFunc(p.changes, func(ch *change) bool {
		other := ch.wanted
		return other.ID() != o.ID() && (strings.Contains(refused.Message, `"`+other.Name()+`"`) ||
			strings.Contains(refused.Message, "name "+other.Name()+" was found"))
	})
}

// explain makes a line of each thing that the API server has against an object. Of a
// Secret no value is shown.
func (s *session) explain(at string, o object.Object, refused *kube.StatusError) []string {
	var lines []string
	for _, cause := range refused.Details.Causes {
		if cause.Reason == "FieldManagerConflict" {
			other := strings.TrimPrefix(cause.Message, "conflict with ")
			lines = append(lines, fmt.Sprintf("%s: %s: is set by %s: remove it from the manifest, or take it over with --force-conflicts",
				at, strings.TrimPrefix(cause.Field, "."), other))
		} else if cause.Field != "" {
			lines = append(lines, fmt.Sprintf("%s: %s: %s%s", at, cause.Field, cause.Message, wayOut(o, cause.Message)))
		}
	}
	if len(lines) == 0 {
		lines = []string{at + ": " + refused.Error() + wayOut(o, refused.Message)}
	}
	for i, line := range lines {
		if isSecret(o) {
			line = sanitize.Secret(line, o)
		}
		lines[i] = sanitize.Line(line)
	}
	return lines
}

// wayOut is what to do about a field that cannot be changed, "" where a message says
// nothing of the kind.
func wayOut(o object.Object, message string) string {
	signs := []string{"immutable", "may not change", "cannot change", "can not be unset", "updates to statefulset spec"}
	switch {
	case !slices.ContainsFunc(signs, func(sign string) bool { return strings.Contains(message, sign) }):
		return ""
	case release.HoldsData(o):
		return ": it cannot be changed in place: leave the field as it was, or give the object another name"
	}
	return fmt.Sprintf(": it cannot be changed in place: give the object another name, or delete it yourself and deploy again (kubectl delete %s/%s)",
		strings.ToLower(o.Kind()), o.Name())
}

// gather joins the findings of several objects; an error of another kind comes first.
func (s *session) gather(errs []error) error {
	var all findings
	for _, err := range errs {
		var f findings
		switch {
		case errors.As(err, &f):
			all = append(all, f...)
		case err != nil:
			return err
		}
	}
	if len(all) > 0 {
		return all
	}
	return nil
}

// findings are several things that are wrong, each a line.
type findings []string

func (f findings) Error() string {
	sorted := slices.Clone(f)
	for i, finding := range sorted {
		sorted[i] = object.InLine(finding) // It may hold names of any kind.
	}
	slices.Sort(sorted)
	return strings.Join(slices.Compact(sorted), "\n")
}

// whose says whose a live object is that is not the release's.
func whose(live object.Object) string {
	if other := live.Annotation(release.Key); other != "" {
		return "belongs to release " + sanitize.Line(other)
	}
	if helm := live.Annotation("meta.helm.sh/release-name"); helm != "" {
		return "belongs to the Helm release " + sanitize.Line(helm)
	}
	return "was not made by Slipway"
}
