package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"slipway/helpers/internal/kube"
	"slipway/helpers/internal/object"
	"slipway/helpers/internal/registry"
	"slipway/helpers/internal/release"
	"slipway/helpers/internal/sanitize"
)

const (
	// carryParallel is how many nodes get the image at once: all of it goes through the
	// API server.
	carryParallel = 4
	carryAttempts = 3
	// copyLimit is the least time for one node: a short --timeout is meant for the release.
	copyLimit = time.Minute
)

// carry brings the image to every node: into a registry that only the node itself reaches,
// through the API server. What a node has is not sent again.
func (s *session) carry(ctx context.Context) (err error) {
	repository, digest, err := carried(s.Image)
	if err != nil {
		return err
	}
	layout, err := registry.OpenLayout(s.Layout, digest)
	if err != nil {
		return err
	}
	if err := s.registryState(ctx); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.leave(context.WithoutCancel(ctx)))
		}
	}()
	s.say("carrying the image in: no repository is set, so a registry on %s of each node gets it (namespace %s)",
		registry.Address, registry.Namespace)
	if err := s.makeRegistry(ctx); err != nil {
		return err
	}
	state, err := s.awaitRegistry(ctx)
	if err != nil {
		return fmt.Errorf("the image cannot be carried in: %w", err)
	}
	for _, why := range state.Away {
		s.say("%s", why)
	}
	var total int64
	var mu sync.Mutex
	errs := kube.Each(state.Copies, carryParallel, func(_ int, c registry.Copy) error {
		var sent int64
		err := s.withCopy(ctx, c, repository, func(ctx context.Context, p registry.Pusher) error {
			has, err := p.Has(ctx, digest)
			if err != nil || has {
				return err
			}
			n, err := p.Push(ctx, layout)
			sent += n
			return err
		})
		mu.Lock()
		defer mu.Unlock()
		total += sent
		switch {
		case err != nil:
			return fmt.Errorf("the image cannot be carried to node %s: %w", c.Node, err)
		case sent == 0:
			s.say("node %s has the image", c.Node)
		default:
			s.say("node %s got the image, %.1f MB", c.Node, float64(sent)/1e6)
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "carried %s to %d nodes, %d bytes\n", s.Image, len(state.Copies), total)
	return nil
}

// carried is the repository and the digest of an image that was carried in.
func carried(image string) (repository, digest string, err error) {
	name, found := strings.CutPrefix(image, registry.Address+"/")
	repository, digest, pinned := strings.Cut(name, "@")
	if !found || !pinned {
		return "", "", fmt.Errorf("%s is no image that was carried in", sanitize.Line(image))
	}
	return repository, digest, nil
}

// makeRegistry applies what the registry is made of, and notes that the release uses it.
func (s *session) makeRegistry(ctx context.Context) error {
	apply := func(o object.Object) error {
		_, err := s.client.Apply(ctx, o, kube.ApplyOptions{Force: true})
		if err != nil {
			return fmt.Errorf("the image cannot be carried in: %s in namespace %s is refused: %w", o, registry.Namespace, err)
		}
		return nil
	}
	if live, err := s.client.Read(ctx, registry.NamespaceObject()); err != nil || live == nil {
		if err := apply(registry.NamespaceObject()); err != nil {
			return err
		}
	}
	if err := s.joinUsers(ctx); err != nil {
		return err
	}
	return apply(registry.DaemonSet(s.RegistryImage))
}

// readRegistry is the state of the registry now.
func (s *session) readRegistry(ctx context.Context) (registry.State, error) {
	nodes, err := s.client.List(ctx, registry.NodeType, "", url.Values{})
	if err != nil {
		return registry.State{}, err
	}
	pods, err := s.client.List(ctx, registry.PodType, registry.Namespace, url.Values{"labelSelector": {registry.Selector}})
	if err != nil {
		return registry.State{}, err
	}
	daemonSet, err := s.client.Read(ctx, registry.DaemonSet(""))
	if err != nil {
		return registry.State{}, err
	}
	events, err := s.client.List(ctx, registry.EventType, registry.Namespace, url.Values{"fieldSelector": {"involvedObject.kind=DaemonSet"}})
	if err != nil {
		events = nil // They only say why.
	}
	return registry.Judge(nodes, pods, daemonSet, events), nil
}

// awaitRegistry waits until each node has its copy, and gives up as soon as one cannot come up.
func (s *session) awaitRegistry(ctx context.Context) (registry.State, error) {
	since := map[string]time.Time{}
	for start := time.Now(); ; {
		state, err := s.readRegistry(ctx)
		if err != nil {
			return state, err
		}
		waiting := slices.DeleteFunc(slices.Clone(state.Copies), func(c registry.Copy) bool { return c.Ready })
		if len(waiting) == 0 {
			if len(state.Copies) == 0 {
				return state, errors.New("no node is ready: " + strings.Join(state.Away, "; "))
			}
			return state, nil
		}
		for _, c := range waiting {
			key := c.Node + " " + c.Problem[:min(len(c.Problem), 30)]
			if c.Problem == "" {
				continue
			}
			if since[key].IsZero() {
				since[key] = time.Now()
			}
			if time.Since(since[key]) >= c.Grace {
				return state, s.copyFailed(ctx, c)
			}
		}
		if time.Since(start) > s.limit {
			return state, fmt.Errorf("the registry on node %s is not ready after %s: kubectl --namespace %s describe pod %s",
				waiting[0].Node, s.limit, registry.Namespace, waiting[0].Pod)
		}
		if !kube.Pause(ctx, 300*time.Millisecond) {
			return state, context.Cause(ctx)
		}
	}
}

func (s *session) copyFailed(ctx context.Context, c registry.Copy) error {
	problem := c.Problem
	if c.Crashed {
		text, err := s.client.Log(ctx, registry.Namespace, c.Pod, kube.LogOptions{Lines: 5})
		lines := strings.Split(strings.TrimSpace(text), "\n")
		switch {
		case strings.Contains(text, "address already in use"):
			problem = fmt.Sprintf("port %d is taken by another program there", registry.Port)
		case err == nil && text != "":
			problem += ": " + sanitize.Line(lines[len(lines)-1])
		}
	}
	return fmt.Errorf("the registry does not run on node %s: %s; or %s", c.Node, problem, adviseRepository)
}

// withCopy leads do to a node's copy of the registry. The way may break off, and what was
// sent is not sent again.
func (s *session) withCopy(ctx context.Context, c registry.Copy, repository string,
	do func(ctx context.Context, p registry.Pusher) error,
) error {
	ctx, cancel := context.WithTimeoutCause(ctx, max(s.limit, copyLimit), errors.New("it took too long"))
	defer cancel()
	var err error
	for range carryAttempts {
		var f *kube.Forward
		if f, err = s.client.Forward(ctx, registry.Namespace, c.Pod, []int{registry.Port}); err == nil {
			var dialer net.Dialer
			way := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, f.Address(registry.Port))
			}}
			err = do(ctx, registry.Pusher{Client: &http.Client{Transport: way}, Repository: repository})
			way.CloseIdleConnections()
			f.Close()
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		kube.Pause(ctx, time.Second)
	}
	return err
}

// without are the nodes that lack an image which was carried in, and how many have it.
func (s *session) without(ctx context.Context, image string) (lacking []string, having int, err error) {
	repository, digest, err := carried(image)
	if err != nil {
		return nil, 0, nil // It comes from elsewhere.
	}
	state, err := s.readRegistry(ctx)
	if err != nil {
		return nil, 0, err
	}
	has := make([]bool, len(state.Copies))
	_ = kube.Each(state.Copies, carryParallel, func(i int, c registry.Copy) error {
		if !c.Ready {
			return nil
		}
		return s.withCopy(ctx, c, repository, func(ctx context.Context, p registry.Pusher) (err error) {
			has[i], err = p.Has(ctx, digest)
			return err
		})
	})
	for i, c := range state.Copies {
		if has[i] {
			having++
		} else {
			lacking = append(lacking, c.Node)
		}
	}
	return lacking, having, nil
}

// mustBeCarried refuses to go back to an image that was carried in and is on no node any
// more, and names the nodes that lack it where others have it.
func (s *session) mustBeCarried(ctx context.Context, r release.Record) error {
	if _, _, err := carried(r.Image); err != nil {
		return nil
	}
	lacking, having, err := s.without(ctx, r.Image)
	switch {
	case err != nil:
		s.say("whether the nodes still have the image, which was carried in, cannot be told: %v", err)
	case having == 0:
		return fmt.Errorf("release %d cannot come back: its image was carried in and is on no node any more: deploy it from its source", r.Number)
	case len(lacking) > 0:
		s.say("%s", lackText(lacking))
	}
	return nil
}

// noteLacking says in the outcome which nodes lack the image of the release that serves.
func (s *session) noteLacking(ctx context.Context, image string) {
	if _, _, err := carried(image); err != nil {
		return
	}
	if lacking, _, err := s.without(ctx, image); err == nil && len(lacking) > 0 {
		fmt.Fprintf(s.out, "note      %s\n", lackText(lacking))
	}
}

func lackText(nodes []string) string {
	return fmt.Sprintf("the image was carried in, and these nodes have no copy of it, as they joined later or their registry's pod was "+
		"replaced: %s; the next deploy brings it there", strings.Join(nodes, ", "))
}

// leave takes the registry away after a deploy that failed, if no release of it has served.
func (s *session) leave(ctx context.Context) error {
	records, err := s.store.List(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(records, func(r release.Record) bool {
		return r.Status == release.Deployed || r.Status == release.Superseded || r.Status == release.Pending || r.Status == release.Unreadable
	}) {
		return nil
	}
	if said := s.leaveUsers(ctx); said != "" {
		s.say("%s", said)
	}
	return nil
}
