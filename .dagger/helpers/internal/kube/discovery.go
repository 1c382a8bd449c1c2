package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"slipway/helpers/internal/object"
)

const (
	// Kubernetes 1.30 and newer answer with the first, 1.28 with the second, and a
	// server without aggregated discovery with plain lists.
	discoveryTypes = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList," +
		"application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList," +
		"application/json"

	// versionPatience is for one group version of a plain discovery: where it is the
	// aggregated server behind it that is down, waiting would not help.
	versionPatience = 5 * time.Second
)

// Resource is how a kind is reached.
type Resource struct {
	Name       string // plural, as in URLs and rights
	Namespaced bool
	Verbs      []string
}

type groupKind struct{ group, kind string }

// learned is what one discovery finds.
type learned struct {
	resources map[object.Type]Resource
	preferred map[groupKind]string
	stale     []string
}

// add notes a kind. The first of several that have the same name stays.
func (l *learned) add(t object.Type, r Resource) {
	if _, known := l.resources[t]; known || t.Kind == "" || strings.Contains(r.Name, "/") {
		return // with a slash it is a subresource
	}
	l.resources[t] = r
	key := groupKind{t.Group(), t.Kind}
	l.preferred[key] = cmp.Or(l.preferred[key], t.Version)
}

// Discover learns again what kinds the cluster serves. A group version whose aggregated
// server is down blocks nothing; what was known of it before stays known.
func (c *Client) Discover(ctx context.Context) error { return c.discover(ctx, Patience) }

func (c *Client) discover(ctx context.Context, patience time.Duration) error {
	found := &learned{resources: map[object.Type]Resource{}, preferred: map[groupKind]string{}}
	for _, root := range []string{"/api", "/apis"} {
		if err := c.discoverRoot(ctx, root, patience, found); err != nil {
			return err
		}
	}
	if len(found.resources) == 0 {
		return errors.New("it does not answer discovery requests as Kubernetes does: is the kubeconfig's server an API server?")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, wasPreferred := range []bool{true, false} {
		for t, r := range c.resources {
			if slices.Contains(found.stale, t.Version) && wasPreferred == (c.preferred[groupKind{t.Group(), t.Kind}] == t.Version) {
				found.add(t, r)
			}
		}
	}
	slices.Sort(found.stale)
	c.resources, c.preferred, c.stale = found.resources, found.preferred, found.stale
	return nil
}

// root is the answer of /api or /apis, in each of its forms.
type root struct {
	Kind     string
	Versions []string // of the core group
	Groups   []struct {
		Versions         []struct{ GroupVersion string }
		PreferredVersion struct{ GroupVersion string }
	}
	Items []struct { // of aggregated discovery
		Metadata struct{ Name string }
		Versions []struct {
			Version   string
			Freshness string
			Resources []struct {
				Resource, Scope string
				Verbs           []string
				ResponseKind    struct{ Kind string }
			}
		}
	}
}

func (c *Client) discoverRoot(ctx context.Context, path string, patience time.Duration, found *learned) error {
	var answer root
	r := request{method: http.MethodGet, path: path, accept: discoveryTypes, patience: patience, once: isUntrusted}
	if err := c.send(ctx, r, &answer); err != nil {
		return err
	}
	for _, group := range answer.Items {
		for _, v := range group.Versions {
			version := v.Version
			if group.Metadata.Name != "" {
				version = group.Metadata.Name + "/" + version
			}
			if v.Freshness == "Stale" {
				found.stale = append(found.stale, version)
			}
			for _, r := range v.Resources {
				found.add(object.Type{Version: version, Kind: r.ResponseKind.Kind}, Resource{r.Resource, r.Scope == "Namespaced", r.Verbs})
			}
		}
	}
	versions := answer.Versions
	for _, group := range answer.Groups {
		preferred := group.PreferredVersion.GroupVersion
		if preferred != "" {
			versions = append(versions, preferred)
		}
		for _, v := range group.Versions {
			if v.GroupVersion != preferred {
				versions = append(versions, v.GroupVersion)
			}
		}
	}
	return c.discoverVersions(ctx, path, versions, found)
}

// discoverVersions asks for each group version by itself, as a server without
// aggregated discovery wants it.
func (c *Client) discoverVersions(ctx context.Context, path string, versions []string, found *learned) error {
	type list struct {
		Resources []struct {
			Name, Kind string
			Namespaced bool
			Verbs      []string
		}
	}
	lists := make([]list, len(versions))
	errs := Each(versions, 8, func(i int, version string) error {
		return c.send(ctx, request{method: http.MethodGet, path: path + "/" + version, patience: versionPatience}, &lists[i])
	})
	for i, version := range versions {
		switch err := errs[i]; {
		case isDown(err):
			found.stale = append(found.stale, version)
		case NotFound(err), isPathGone(err): // went between the two questions
		case err != nil:
			return err
		}
		for _, r := range lists[i].Resources {
			found.add(object.Type{Version: version, Kind: r.Kind}, Resource{r.Name, r.Namespaced, r.Verbs})
		}
	}
	return nil
}

// isDown says whether the API server was there and the server behind it was not.
func isDown(err error) bool {
	var gone *GoneError
	var s *StatusError
	var silent *silentError
	return errors.As(err, &gone) &&
		(errors.As(gone.Last, &silent) || errors.As(gone.Last, &s) && s.Code > http.StatusInternalServerError)
}

// Resource is how a kind is reached; false where the cluster does not serve it.
func (c *Client) Resource(t object.Type) (Resource, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	r, ok := c.resources[t]
	return r, ok
}

// Kinds are all that the cluster serves, in each of their versions.
func (c *Client) Kinds() map[object.Type]Resource {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return maps.Clone(c.resources)
}

// Stale are the group versions whose aggregated server was down at the last discovery.
func (c *Client) Stale() []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.Clone(c.stale)
}

// isStale says whether a group has a version whose server is down.
func (c *Client) isStale(group string) bool {
	return slices.ContainsFunc(c.Stale(), func(version string) bool { return object.Type{Version: version}.Group() == group })
}

// InServedVersion is o in a version that the cluster serves: its own, or the preferred
// one of its kind. It is nil if the kind is gone, and all objects of the kind with it.
// While the group's server is down nobody can say that: o then stays as it is, and its
// path is an UnknownKindError.
func (c *Client) InServedVersion(o object.Object) object.Object {
	if _, ok := c.Resource(o.Type()); ok {
		return o
	}
	c.mu.RLock()
	version := c.preferred[groupKind{o.Group(), o.Kind()}]
	c.mu.RUnlock()
	switch {
	case version != "":
		o = o.Clone()
		o["apiVersion"] = version
		return o
	case c.isStale(o.Group()):
		return o
	}
	return nil
}

// Complete is a copy of o in which a namespaced object has a namespace, the release's
// where it named none.
func (c *Client) Complete(o object.Object) object.Object {
	o = o.Clone()
	if r, ok := c.Resource(o.Type()); ok && r.Namespaced && o.Namespace() == "" {
		o.Set(c.namespace, "metadata", "namespace")
	}
	return o
}

// Path is the URL path of an object, or of its collection when it has no name. It is
// an UnknownKindError where the cluster does not serve the kind.
func (c *Client) Path(o object.Object) (string, error) {
	path, err := c.collection(o.Type(), cmp.Or(o.Namespace(), c.namespace))
	if err != nil || o.Name() == "" {
		return path, err
	}
	return path + "/" + url.PathEscape(o.Name()), nil
}

// itemPath is the path of one object: without a name, a deletion would be one of the
// whole collection.
func (c *Client) itemPath(o object.Object) (string, error) {
	if o.Name() == "" {
		return "", fmt.Errorf("a %s without a name is no object of the cluster", o.Kind())
	}
	return c.Path(o)
}

// collection is the path of all objects of a kind in a namespace, or in all of them if
// it is empty.
func (c *Client) collection(t object.Type, namespace string) (string, error) {
	r, ok := c.Resource(t)
	if !ok {
		return "", &UnknownKindError{Type: t, stale: c.isStale(t.Group())}
	}
	path := "/api/" + t.Version
	if t.Group() != "" {
		path = "/apis/" + t.Version
	}
	if r.Namespaced && namespace != "" {
		path += "/namespaces/" + url.PathEscape(namespace)
	}
	return path + "/" + r.Name, nil
}
