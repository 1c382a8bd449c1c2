package kube

import (
	"context"
	"fmt"
	"net/http"
)

// Right is one thing that a user may be allowed to do.
type Right struct {
	Verb, Group, Resource, Subresource string
	Namespace                          string // empty for the whole cluster
}

// String is the right as a role would say it, for example: patch deployments.apps in
// namespace shop.
func (r Right) String() string {
	name := r.Resource
	if r.Group != "" {
		name += "." + r.Group
	}
	if r.Subresource != "" {
		name += "/" + r.Subresource
	}
	if r.Namespace != "" {
		return fmt.Sprintf("%s %s in namespace %s", r.Verb, name, r.Namespace)
	}
	return fmt.Sprintf("%s %s", r.Verb, name)
}

// Missing are those of the rights that the kubeconfig's user does not have, in their
// order, as kubectl auth can-i would say of each.
func (c *Client) Missing(ctx context.Context, rights []Right) ([]Right, error) {
	allowed := make([]bool, len(rights))
	errs := Each(rights, 16, func(i int, r Right) error {
		review := map[string]any{
			"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
			"spec": map[string]any{"resourceAttributes": map[string]any{
				"verb": r.Verb, "group": r.Group, "resource": r.Resource, "subresource": r.Subresource, "namespace": r.Namespace,
			}},
		}
		var answer struct{ Status struct{ Allowed bool } }
		err := c.send(ctx, request{
			method: http.MethodPost, path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
			body: review, harmless: true,
		}, &answer)
		allowed[i] = answer.Status.Allowed
		return err
	})
	var missing []Right
	for i, r := range rights {
		if errs[i] != nil {
			return nil, errs[i]
		}
		if !allowed[i] {
			missing = append(missing, r)
		}
	}
	return missing, nil
}
