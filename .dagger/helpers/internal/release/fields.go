package release

import (
	"slices"
	"strings"

	"slipway/helpers/internal/object"
)

// makers are the field managers of tools with which people make objects, or the first word
// of them.
// What such a tool set passes to the release that takes its object over; what a
// controller set stays the controller's.
var makers = []string{
	Manager, "kubectl", "helm", "before-first-apply", "kapp", "argocd", "kustomize", "werf", "nelm", "terraform", "Terraform", "HashiCorp",
	"pulumi", "skaffold", "okteto", "Go-http-client", "Mozilla", "ko", "tilt", "devspace", "client-go",
}

// TakeOver returns the managedFields of a live object after the release took it over:
// fields of the tools that made it are the release's, so that one which the manifests
// drop goes away. nil where there is nothing to take over.
func TakeOver(live object.Object) []any {
	var rest, taken []object.Object
	var own object.Object
	for _, entry := range live.List("metadata", "managedFields") {
		switch {
		case entry.Text("manager") == Manager && entry.Text("operation") == "Apply" && entry.Text("subresource") == "":
			own = entry.Clone()
		case entry.Text("subresource") == "" && entry.Text("apiVersion") == live.Version() && isMaker(entry.Text("manager")):
			taken = append(taken, entry)
		default:
			rest = append(rest, entry)
		}
	}
	if len(taken) == 0 {
		return nil
	}
	if own == nil {
		own = taken[0].Clone()
		own["manager"], own["operation"], own["fieldsV1"] = Manager, "Apply", map[string]any{}
	}
	for _, entry := range taken {
		own["fieldsV1"] = map[string]any(union(own.Map("fieldsV1"), entry.Map("fieldsV1")))
	}
	all := make([]any, 0, len(rest)+1)
	for _, entry := range append(rest, own) {
		all = append(all, map[string]any(entry))
	}
	return all
}

func isMaker(manager string) bool {
	return slices.ContainsFunc(makers, func(name string) bool {
		rest, found := strings.CutPrefix(manager, name)
		return found && (rest == "" || strings.ContainsAny(rest[:1], "-_/."))
	})
}

// union of two sets of fields, which are trees of maps.
func union(a, b object.Object) object.Object {
	sum := object.Object{}
	for key := range a {
		sum[key] = map[string]any(union(a.Map(key), b.Map(key)))
	}
	for key := range b {
		if _, ok := a[key]; !ok {
			sum[key] = map[string]any(union(nil, b.Map(key)))
		}
	}
	return sum
}

// OwnsField says whether the release's last apply set a field of a live object.
func OwnsField(live object.Object, path ...string) bool {
	return slices.ContainsFunc(live.List("metadata", "managedFields"), func(entry object.Object) bool {
		return entry.Text("manager") == Manager && entry.Text("operation") == "Apply" && entry.At(fieldPath(path)...) != nil
	})
}

// OthersField says whether anybody but the release set a field of a live object.
func OthersField(live object.Object, path ...string) bool {
	return slices.ContainsFunc(live.List("metadata", "managedFields"), func(entry object.Object) bool {
		return entry.Text("manager") != Manager && entry.At(fieldPath(path)...) != nil
	})
}

func fieldPath(path []string) []string {
	fields := []string{"fieldsV1"}
	for _, field := range path {
		fields = append(fields, "f:"+field)
	}
	return fields
}

// ByHand are the fields of a live object that somebody set with kubectl, each with the
// manager's name.
func ByHand(live object.Object) []string {
	var found []string
	for _, entry := range live.List("metadata", "managedFields") {
		manager := entry.Text("manager")
		if entry.Text("subresource") != "" || entry.Text("operation") != "Update" || !strings.HasPrefix(manager, "kubectl") {
			continue
		}
		for _, path := range leaves(entry.Map("fieldsV1"), "") {
			if !strings.HasPrefix(path, "metadata.annotations.kubectl.kubernetes.io/last-applied") {
				found = append(found, path+" ("+manager+")")
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// leaves are the paths of a set of fields, in the words of kubectl explain.
func leaves(fields object.Object, path string) []string {
	var found []string
	for _, key := range sortedKeys(fields) {
		name := ""
		switch kind, rest, _ := strings.Cut(key, ":"); kind {
		case "f":
			name = rest
			if path != "" {
				name = path + "." + rest
			}
		case "k", "v":
			name = path + "[" + strings.Trim(rest, "{}") + "]"
		default: // ".", the field itself
			continue
		}
		if below := leaves(fields.Map(key), name); len(below) > 0 {
			found = append(found, below...)
		} else {
			found = append(found, name)
		}
	}
	return found
}

// Claim returns the managedFields of a live object after the release's last apply is
// said to have set the field at path, which nobody set: a default. The next apply can
// then drop it. nil where somebody else set it, or the release applied nothing.
func Claim(live object.Object, path ...string) []any {
	if live.At(path...) == nil || OthersField(live, path...) {
		return nil
	}
	var all []any
	claimed := false
	for _, entry := range live.Clone().List("metadata", "managedFields") {
		if entry.Text("manager") == Manager && entry.Text("operation") == "Apply" && entry.Text("subresource") == "" {
			entry.Set(map[string]any{}, fieldPath(path)...)
			claimed = true
		}
		all = append(all, map[string]any(entry))
	}
	if !claimed {
		return nil
	}
	return all
}
