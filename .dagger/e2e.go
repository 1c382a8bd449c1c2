package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/rehearsal"
)

const (
	e2eTimeout = 120 // seconds for each rollout
	// e2eRate is requests per second, which one pod on a busy laptop still serves.
	e2eRate = "1000"
)

// Take the service all the way, on a registry and a cluster made for it.
//
// Publishes and deploys version 1, puts load on its Service from a pod, deploys
// version 2, deletes a pod, deploys a version whose container crashes, which must
// be rolled back, and destroys the release, of which nothing may be left. Not one
// request of the load may fail. Returns the seconds of each step and what became
// of the requests.
//
// It starts a privileged container, the cluster's node: the engine must allow these. So
// the manifests may not be privileged. The cluster admits pods up to the Pod Security
// level baseline, and what could have it admit others is refused before anything
// starts: rights beyond the release's namespace, admission webhooks, volumes of the node.
//
//	dagger call end-to-end
//
// +check
// +cache="never"
func (s *Slipway) EndToEnd(ctx context.Context) (string, error) {
	id := strings.ToLower(rand.Text()[:8])
	registry := dag.Container().From(s.RegistryImage).
		WithEnvVariable("SLIPWAY_E2E", id).
		WithExposedPort(5000).
		AsService(dagger.ContainerAsServiceOpts{UseEntrypoint: true})
	cluster, err := s.Cluster("e2e-"+id, registry)
	if err != nil {
		return "", err
	}
	node := cluster.Server()
	to := target{namespace: "e2e-" + id, apiServer: node}

	var report strings.Builder
	table := tabwriter.NewWriter(&report, 0, 0, 2, ' ', 0)
	step := func(what string, do func() error) error {
		start := time.Now()
		if err := do(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		fmt.Fprintf(table, "ok\t%s\t%.1f s\n", what, time.Since(start).Seconds())
		return nil
	}
	var images [3]string
	publish := func(i int) error {
		release := *s
		release.Version = fmt.Sprintf("%d.0.0", i+1)
		images[i], err = release.Publish(ctx, registryAlias+":5000/service", nil, "", nil, registry, true)
		return err
	}
	deploy := func(i int) error {
		req, err := s.release(ctx, images[i], "", "base", to.namespace)
		if err != nil {
			return err
		}
		req.Timeout = e2eTimeout
		_, err = s.rollout(ctx, "deploy", to, req)
		return err
	}
	var pod load
	for _, next := range []struct {
		what string
		do   func() error
	}{
		{"manifests", func() error {
			text, err := s.Manifests(ctx, registryAlias+":5000/service@sha256:"+strings.Repeat("0", 64), "", "base", to.namespace, nil)
			if err != nil {
				return err
			}
			objects, err := rehearsal.Parse(text)
			if err != nil {
				return err
			}
			return rehearsal.Refuse(objects, to.namespace)
		}},
		{"registry and cluster", func() error {
			if _, err := registry.Start(ctx); err != nil {
				return err
			}
			if _, err := node.Start(ctx); err != nil {
				return err
			}
			if to.kubeconfig, err = cluster.secret(ctx); err != nil {
				return err
			}
			_, err := s.kubectl(ctx, to, "wait", "--for=create", "--timeout=60s", "validatingadmissionpolicybinding/"+policyName)
			return err
		}},
		{"build and publish 1", func() error { return publish(0) }},
		{"build and publish 2", func() error { return publish(1) }},
		{"publish 3, which crashes", func() error {
			ctr, err := s.Build(ctx, "")
			if err != nil {
				return err
			}
			crash := ctr.WithFile("/crash", s.helper("smoke")).WithEntrypoint([]string{"/crash"})
			images[2], err = push(ctx, crash, registry, "service")
			return err
		}},
		{"deploy 1", func() error { return deploy(0) }},
		{"start load", func() error {
			pod, err = s.startLoad(ctx, to, registry, images[0])
			return err
		}},
		{"deploy 2 under load", func() error { return deploy(1) }},
		{"delete a pod under load", func() error {
			pods, err := s.kubectl(ctx, to, "get", "pods", "--namespace="+to.namespace, "--output=name")
			if err != nil {
				return err
			}
			pod, _, _ := strings.Cut(pods, "\n")
			if _, err := s.kubectl(ctx, to, "delete", "--namespace="+to.namespace, pod); err != nil {
				return err
			}
			return deploy(1)
		}},
		{"deploy 3 under load, rolled back", func() error {
			err := deploy(2)
			if err == nil {
				return errors.New("a release that crashes was taken for one that serves")
			}
			if !strings.Contains(err.Error(), "rolled back: release 3 serves again") {
				return err
			}
			return nil
		}},
		{"requests", func() error {
			figures, err := pod.stop(ctx)
			fmt.Fprint(table, figures)
			return err
		}},
		{"destroy", func() error {
			release, err := s.releaseName(ctx, "")
			if err != nil {
				return err
			}
			if _, err := s.rollout(ctx, "destroy", to, request{Confirm: release, Timeout: e2eTimeout}); err != nil {
				return err
			}
			left, err := s.kubectl(ctx, to, "get", "namespace", to.namespace, "--ignore-not-found", "--output=name")
			if err == nil && left != "" {
				err = fmt.Errorf("destroy left %s", left)
			}
			return err
		}},
	} {
		if err := step(next.what, next.do); err != nil {
			return "", err
		}
	}
	err = table.Flush()
	return report.String(), err
}

// push publishes one container to a registry beside this module and returns its
// address by digest, as the cluster's node knows it.
func push(ctx context.Context, ctr *dagger.Container, registry *dagger.Service, repository string) (string, error) {
	img, err := image(ctx, ctr)
	if err != nil {
		return "", err
	}
	digest, err := img.Digest()
	if err != nil {
		return "", err
	}
	ref, err := name.NewDigest(registryAlias+":5000/"+repository+"@"+digest.String(), name.Insecure)
	if err != nil {
		return "", err
	}
	route, err := dialThrough(ctx, registry)
	if err != nil {
		return "", err
	}
	return ref.Name(), remote.Write(ref, img, remote.WithContext(ctx), remote.WithTransport(route))
}

// load is a pod that sends requests to the release.
type load struct {
	slipway *Slipway
	to      target
	name    string
}

// startLoad puts load on the first Service of the manifests, from a pod that
// stands outside the release's namespace, as a client would.
func (s *Slipway) startLoad(ctx context.Context, to target, registry *dagger.Service, image string) (load, error) {
	r, err := s.render(ctx, image, "", "base", to.namespace)
	if err != nil {
		return load{}, err
	}
	url := ""
	for _, o := range r.objects {
		var service struct {
			Kind     string
			Metadata struct{ Name string }
			Spec     struct{ Ports []struct{ Port int } }
		}
		text, err := json.Marshal(o)
		if err != nil {
			return load{}, err
		}
		if err := json.Unmarshal(text, &service); err == nil && service.Kind == "Service" && len(service.Spec.Ports) > 0 && url == "" {
			url = fmt.Sprintf("http://%s.%s.svc.cluster.local:%d/", service.Metadata.Name, to.namespace, service.Spec.Ports[0].Port)
		}
	}
	if url == "" {
		return load{}, errors.New("the manifests have no Service to put load on")
	}
	client := dag.Container().WithFile("/load", s.helper("load")).WithEntrypoint([]string{"/load"})
	address, err := push(ctx, client, registry, "load")
	if err != nil {
		return load{}, err
	}
	l := load{s, to, "load-" + to.namespace}
	if _, err := s.kubectl(ctx, to, "run", l.name, "--image="+address, "--restart=Never", "--port=8080", "--", url, e2eRate); err != nil {
		return load{}, err
	}
	_, err = s.kubectl(ctx, to, "wait", "--for=condition=Ready", "--timeout=60s", "pod/"+l.name)
	return l, err
}

// stop ends the load and fails unless every request was answered with 200.
func (l load) stop(ctx context.Context) (string, error) {
	out, err := l.slipway.kubectl(ctx, l.to, "get", "--raw", "/api/v1/namespaces/default/pods/"+l.name+":8080/proxy/")
	if err != nil {
		return "", err
	}
	var figures []struct {
		Requests, Failed int
		P99              string
		Errors           []string
	}
	if err := json.Unmarshal([]byte(out), &figures); err != nil {
		return "", err
	}
	if _, err := l.slipway.kubectl(ctx, l.to, "delete", "pod", l.name, "--wait=false"); err != nil {
		return "", err
	}
	text := ""
	var wrong []string
	for i, f := range figures {
		kind := []string{"keep-alive", "new connections"}[i]
		text += fmt.Sprintf("\t  %s\t%d requests, %d failed, p99 %s\n", kind, f.Requests, f.Failed, f.P99)
		if f.Failed > 0 || f.Requests == 0 {
			wrong = append(wrong, fmt.Sprintf("%s: %d of %d requests failed: %s", kind, f.Failed, f.Requests, strings.Join(f.Errors, "; ")))
		}
	}
	if len(wrong) > 0 {
		return text, errors.New(strings.Join(wrong, "\n"))
	}
	return text, nil
}
