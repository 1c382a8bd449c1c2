package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"

	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/needs"
	"dagger/slipway/internal/rehearsal"
)

// releaseServices has kubectl pass over the Services that provide makes.
const releaseServices = "--selector=!" + rehearsal.Needed

// provide gives the throwaway cluster what the service needs and the manifests, as objects,
// do not have: services, after what must run before the service, and values of Secrets.
func (s *Slipway) provide(ctx context.Context, manifests []map[string]any) error {
	n, _, err := s.smokeYAML(ctx)
	if err != nil {
		return err
	}
	secrets, err := s.lackingSecrets(ctx, manifests, n)
	if err != nil {
		return err
	}
	lacking := rehearsal.Lacking(manifests, slices.Sorted(maps.Keys(n.Services)))
	if len(lacking) == 0 && len(secrets) == 0 {
		return nil
	}
	services := map[string]rehearsal.Address{}
	for _, name := range lacking {
		service, err := s.startService(ctx, name, n.Services[name], s.Namespace)
		if err != nil {
			return err
		}
		ip, err := addressOf(ctx, service)
		if err != nil {
			return fmt.Errorf("%s: needs: services: %s has no address: %w", smokeFile, name, err)
		}
		services[name] = rehearsal.Address{IP: ip, Port: n.Services[name].Port}
	}
	if len(lacking) > 0 && len(n.Before) > 0 {
		if _, err := s.running(ctx, s.Namespace); err != nil {
			return err
		}
	}
	objects, err := json.Marshal(rehearsal.Provide(s.Namespace, services, secrets))
	if err != nil {
		return err
	}
	ctr, server, err := s.inCluster(ctx)
	if err != nil {
		return err
	}
	// As a secret: values of Secrets are among it.
	const file = "/needs.json"
	_, err = ctr.
		WithMountedSecret(file, dag.SetSecret("slipway-provided-"+rand.Text(), string(objects))).
		WithExec(append(kubectlOf(server), "apply", "--server-side", "--filename="+file)).
		Sync(ctx)
	s.provided = true
	return execCause(err)
}

// lackingSecrets are the Secrets that the manifests refer to and do not have, with the values
// that --secrets gives.
func (s *Slipway) lackingSecrets(ctx context.Context, manifests []map[string]any, n needs.Needs) (map[string]map[string]string, error) {
	lacking := rehearsal.Secrets(manifests, n.Secrets)
	if len(lacking) == 0 {
		return nil, nil
	}
	values, err := s.secretValues(ctx, n)
	if err != nil {
		return nil, err
	}
	for _, keys := range lacking {
		for key, variable := range keys {
			keys[key] = values[variable]
		}
	}
	return lacking, nil
}

// addressOf is the IPv4 address of a service that runs.
func addressOf(ctx context.Context, service *dagger.Service) (string, error) {
	host, err := service.Hostname(ctx)
	if err != nil {
		return "", err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
	if err != nil {
		return "", err
	}
	return ips[0].Unmap().String(), nil
}
