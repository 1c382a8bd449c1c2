package main

import (
	"context"
	"strings"

	"dagger/slipway/internal/dagger"
)

// previewService is beside the release's own Service, which may be of a type that no
// port of the node leads to.
const previewService = "slipway-preview"

// The release's Service on a port of yours, in a throwaway cluster.
//
// Builds, publishes and deploys the source to a registry and a cluster that are made for
// it, then listens on port 80 as the first Service of the manifests does: each new
// connection goes to one of the pods. The cluster is gone with the call. As with rehearse,
// its node is a privileged container, and privileged manifests are refused.
//
//	dagger call preview up --ports 8080:80
//
// +up
// +cache="never"
func (s *Slipway) Preview(ctx context.Context) (*dagger.Service, error) {
	to, err := s.onThrowaway("preview")
	if err != nil {
		return nil, err
	}
	if err := to.startThrowaway(ctx); err != nil {
		return nil, err
	}
	image, err := to.Publish(ctx, nil, false, false)
	if err != nil {
		return nil, err
	}
	if err := to.deployToThrowaway(ctx, image); err != nil {
		return nil, err
	}
	service, port, err := to.firstService(ctx)
	if err != nil {
		return nil, err
	}
	target, err := to.kubectl(ctx, "get", "service", service, "--namespace="+to.Namespace, "--output=jsonpath={.spec.ports[0].targetPort}")
	if err != nil {
		return nil, err
	}
	expose := []string{"expose", "service", service, "--namespace=" + to.Namespace, "--name=" + previewService, "--type=NodePort",
		"--port=" + port, "--target-port=" + target}
	if _, err := to.kubectl(ctx, expose...); err != nil {
		return nil, err
	}
	nodePort, err := to.kubectl(ctx, "get", "service", previewService, "--namespace="+to.Namespace,
		"--output=jsonpath={.spec.ports[0].nodePort}")
	if err != nil {
		return nil, err
	}
	return dag.Container().
		WithFile("/balance", s.helper("balance")).
		WithServiceBinding(clusterAlias, to.APIServer).
		WithExposedPort(80).
		AsService(dagger.ContainerAsServiceOpts{Args: []string{"/balance", "80=" + clusterAlias + ":" + strings.TrimSpace(nodePort)}}), nil
}
