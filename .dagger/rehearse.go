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
	rehearsalTimeout = 120 // seconds for each rollout
	// rehearsalRate is requests per second, which one pod on a busy laptop still serves, also of a
	// service that asks a database each time: what is looked for is lost requests, not the limit.
	rehearsalRate = "200"
)

// Take the service all the way, on a registry and a cluster made for it.
//
// Publishes and deploys version 1, puts load on its Service from a pod, deploys
// version 2, deletes a pod, deploys a version whose container crashes, which must
// be rolled back, and destroys the release, of which nothing may be left. Not one
// request of the load may be lost if smoke.yaml promises drain: true; without that
// promise, those that were lost are told. Returns the seconds of each step and what
// became of the requests.
//
// Without manifests there is nothing to rehearse, which is no failure.
//
// It starts a privileged container, the cluster's node: the engine must allow these. So
// the manifests may not be privileged. The cluster admits pods up to the Pod Security
// level baseline, and what could have it admit others is refused before anything
// starts: rights beyond the release's namespace, admission webhooks, volumes of the node.
//
//	dagger call rehearse
//
// +check
// +cache="never"
func (s *Slipway) Rehearse(ctx context.Context) (string, error) {
	switch _, err := s.rendered(ctx, "rehearsal@"+unbuilt, nil, ""); {
	case noManifests(err):
		return "nothing to rehearse: " + err.Error() + "\n", nil
	case err != nil:
		return "", err
	}
	drains, err := s.drains(ctx)
	if err != nil {
		return "", err
	}
	to, err := s.onThrowaway("rehearsal-" + strings.ToLower(rand.Text()[:8]))
	if err != nil {
		return "", err
	}

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
		release := *to
		release.Version = fmt.Sprintf("%d.0.0", i+1)
		images[i], err = release.Publish(ctx, nil, false, false)
		return err
	}
	deploy := func(i int) error { return to.deployToThrowaway(ctx, images[i]) }
	var pod load
	for _, next := range []struct {
		what string
		do   func() error
	}{
		{"registry and cluster", func() error { return to.startThrowaway(ctx) }},
		{"build and publish 1", func() error { return publish(0) }},
		{"build and publish 2", func() error { return publish(1) }},
		{"publish 3, which crashes", func() error {
			ctr, err := s.Build(ctx, "")
			if err != nil {
				return err
			}
			crash := ctr.WithFile("/crash", s.helper("smoke")).WithEntrypoint([]string{"/crash"})
			images[2], err = push(ctx, crash, to.Registry, "service")
			return err
		}},
		{"deploy 1", func() error { return deploy(0) }},
		{"start load", func() error {
			pod, err = to.startLoad(ctx)
			return err
		}},
		{"deploy 2 under load", func() error { return deploy(1) }},
		{"delete a pod under load", func() error {
			// Not one of version 1, which may be ending still.
			pods, err := to.kubectl(ctx, "get", "pods", "--namespace="+to.Namespace, "--output=go-template="+
				`{{range .items}}{{if not .metadata.deletionTimestamp}}pod/{{.metadata.name}}{{"\n"}}{{end}}{{end}}`)
			if err != nil {
				return err
			}
			pod, _, _ := strings.Cut(pods, "\n")
			if _, err := to.kubectl(ctx, "delete", "--namespace="+to.Namespace, pod); err != nil {
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
			if err != nil && !drains {
				fmt.Fprintf(table, "\t  the service ends while it answers: %s makes that an error\t\n", "drain: true in "+smokeFile)
				return nil
			}
			return err
		}},
		{"destroy", func() error {
			release, err := to.releaseName(ctx)
			if err != nil {
				return err
			}
			if _, err := to.rollout(ctx, "destroy", request{Confirm: release, Timeout: rehearsalTimeout}); err != nil {
				return err
			}
			left, err := to.left(ctx)
			if err == nil && len(left) > 0 {
				err = fmt.Errorf("destroy left %s", strings.Join(left, ", "))
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

// onThrowaway is the service with a registry and a cluster of that name made for it.
func (s *Slipway) onThrowaway(name string) (*Slipway, error) {
	registry := dag.Container().From(s.RegistryImage).
		WithEnvVariable("SLIPWAY_REGISTRY", name).
		WithExposedPort(5000).
		AsService(dagger.ContainerAsServiceOpts{UseEntrypoint: true})
	cluster, err := s.Cluster(name, registry)
	if err != nil {
		return nil, err
	}
	to := *s
	to.throwaway, to.Kubeconfig, to.Context, to.APIServer = cluster, nil, "", cluster.Server()
	to.Namespace = name
	to.Repository, to.Registry, to.PlainHTTP = registryAlias+":5000/service", registry, true
	to.Username, to.Password = "", nil
	to.SignKey, to.VerifyKey = nil, nil // What is thrown away needs nobody's word.
	return &to, nil
}

// startThrowaway starts the registry and the cluster of onThrowaway, unless the manifests
// have what such a cluster must not be given.
func (s *Slipway) startThrowaway(ctx context.Context) error {
	if _, err := s.allSupported(ctx); err != nil {
		return err
	}
	// Any image will do: what is looked at does not depend on it.
	file, err := s.Render(ctx, s.Repository+"@sha256:"+strings.Repeat("0", 64), nil)
	if err != nil {
		return err
	}
	manifests, err := file.Contents(ctx)
	if err != nil {
		return err
	}
	objects, err := rehearsal.Parse(manifests)
	if err != nil {
		return err
	}
	if err := rehearsal.Refuse(objects, s.Namespace); err != nil {
		return err
	}
	if _, err := s.Registry.Start(ctx); err != nil {
		return err
	}
	if _, err := s.APIServer.Start(ctx); err != nil {
		return err
	}
	if s.Kubeconfig, err = s.throwaway.secret(ctx); err != nil {
		return err
	}
	return s.provide(ctx, objects)
}

// left is what the cluster still has of the release.
func (s *Slipway) left(ctx context.Context) ([]string, error) {
	args := []string{"get", "namespace", s.Namespace, "--ignore-not-found", "--output=name"}
	if s.provided { // The namespace is not the release's.
		args = []string{"get", "deployments,statefulsets,daemonsets,services", "--namespace=" + s.Namespace, releaseServices, "--output=name"}
	}
	out, err := s.kubectl(ctx, args...)
	return strings.Fields(out), err
}

// deployToThrowaway deploys an image to the cluster of startThrowaway.
func (s *Slipway) deployToThrowaway(ctx context.Context, image string) error {
	req, err := s.bundle(ctx, image)
	if err != nil {
		return err
	}
	req.Timeout = rehearsalTimeout
	_, err = s.rollout(ctx, "deploy", req)
	return err
}

// drains says whether the service promises to answer what it has begun when it is stopped.
func (s *Slipway) drains(ctx context.Context) (bool, error) {
	_, questions, err := s.smokeYAML(ctx)
	if err != nil {
		return false, err
	}
	var promise struct{ Drain bool }
	err = json.Unmarshal([]byte(questions), &promise)
	return promise.Drain, err
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

// firstService is the first Service that the cluster has of the release, and its first port.
func (s *Slipway) firstService(ctx context.Context) (name, port string, err error) {
	text, err := s.kubectl(ctx, "get", "services", "--namespace="+s.Namespace, releaseServices,
		"--output=jsonpath={.items[0].metadata.name} {.items[0].spec.ports[0].port}")
	name, port, found := strings.Cut(text, " ")
	if err != nil || !found {
		return "", "", errors.New("the manifests have no Service")
	}
	return name, port, nil
}

// load is a pod that sends requests to the release.
type load struct {
	slipway *Slipway
	name    string
}

// startLoad puts load on the first Service of the release, from a pod that
// stands outside the release's namespace, as a client would.
func (s *Slipway) startLoad(ctx context.Context) (load, error) {
	service, port, err := s.firstService(ctx)
	if err != nil {
		return load{}, err
	}
	url := fmt.Sprintf("http://%s.%s.svc.cluster.local:%s/", service, s.Namespace, port)
	client := dag.Container().WithFile("/load", s.helper("load")).WithEntrypoint([]string{"/load"})
	address, err := push(ctx, client, s.Registry, "load")
	if err != nil {
		return load{}, err
	}
	l := load{s, "load-" + s.Namespace}
	if _, err := s.kubectl(ctx, "run", l.name, "--image="+address, "--restart=Never", "--port=8080", "--", url, rehearsalRate); err != nil {
		return load{}, err
	}
	_, err = s.kubectl(ctx, "wait", "--for=condition=Ready", "--timeout=60s", "pod/"+l.name)
	return l, err
}

// stop ends the load and fails unless every request was answered with 200.
func (l load) stop(ctx context.Context) (string, error) {
	out, err := l.slipway.kubectl(ctx, "get", "--raw", "/api/v1/namespaces/default/pods/"+l.name+":8080/proxy/")
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
	if _, err := l.slipway.kubectl(ctx, "delete", "pod", l.name, "--wait=false"); err != nil {
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
