package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/names"
)

const (
	// credentialPath is where the container has what --credential gives.
	credentialPath = "/etc/slipway-credential"
	// apiServerAlias is what containers call the service given as --api-server.
	apiServerAlias = "kubernetes"
	// differentStatus is the helper's exit status for differences found.
	differentStatus = 3
)

// request is what the rollout helper reads; see helpers/cmd/rollout.
type request struct {
	Release   string
	Namespace string
	Context   string
	APIServer string

	Manifests *rendering
	Kubectl   string // the image, as it was resolved
	Image     string
	Revision  string
	Version   string
	Port      int
	Smoke     string
	Verified  *verification

	Timeout        int
	ForceConflicts bool
	Allow          []string
	DeleteData     bool
	DryRun         bool
	To             int
	Confirm        string
	Tail           int
	Format         string
	Output         string
	Evidence       string

	RecordKey        string
	RecordsNamespace string
	Insecure         bool

	RegistryImage string
	Layout        string
}

// needsCluster is the one place that refuses to do without a cluster.
func (s *Slipway) needsCluster() error {
	if s.Kubeconfig == nil {
		return errors.New("this needs a cluster: give --kubeconfig, such as file:$HOME/.kube/config, before the function's name, " +
			"or SLIPWAY_KUBECONFIG in .env; a throwaway cluster is used by: dagger call rehearse")
	}
	return nil
}

// rollout runs one of the helper's commands in the container with kubectl. Each
// call is a new one to the engine: what a cluster said yesterday is no answer. The
// container may need more than others.
func (s *Slipway) rollout(ctx context.Context, command string, req request, with ...dagger.WithContainerFunc) (string, error) {
	if err := s.needsCluster(); err != nil {
		return "", err
	}
	var err error
	if req.Release, err = s.releaseName(ctx); err != nil {
		return "", err
	}
	req.Context, req.Namespace = s.Context, s.Namespace
	if req.Manifests == nil && s.Namespace == "" {
		if err := names.CheckOverlay(s.Overlay); err != nil {
			return "", err
		}
		req.Manifests = &rendering{Dir: manifestsPath, Overlay: s.Overlay, OnlyNamespace: true}
	}
	if req.Kubectl, err = s.kubectlRef(ctx); err != nil {
		return "", err
	}
	req.RecordsNamespace, req.Insecure = s.RecordsNamespace, s.InsecureKubeconfig
	if s.RecordKey != nil {
		if req.RecordKey, err = s.RecordKey.Plaintext(ctx); err != nil {
			return "", err
		}
	}
	ctr, server, err := s.inCluster(ctx)
	if err != nil {
		return "", err
	}
	req.APIServer = server
	for _, change := range with {
		ctr = ctr.With(change)
	}
	if ctr, err = s.withRollout(ctx, ctr, command, req); err != nil {
		return "", err
	}
	out, err := ctr.Stdout(ctx)
	return out, verdict(err)
}

// withRollout runs one of the helper's commands in a container. The request goes
// in as a secret: manifests may hold some, and what files contain is in every log.
// To Dagger's cache a secret is its name, so each has one of its own.
//
// The helper itself renders the manifests, in memory: rendered anywhere else, their
// Secrets would stay in the engine's store.
func (s *Slipway) withRollout(ctx context.Context, ctr *dagger.Container, command string, req request) (*dagger.Container, error) {
	if req.Manifests != nil {
		manifests, err := s.manifests(ctx)
		switch {
		case err == nil:
			if ctr, err = s.withManifests(ctx, ctr, req.Manifests, manifests); err != nil {
				return nil, err
			}
		case errors.Is(err, errNoManifests) && req.Manifests.OnlyNamespace:
			req.Manifests = nil
		case errors.Is(err, errNoManifests):
			return nil, s.withElsewhere(ctx, err)
		default:
			return nil, err
		}
	}
	text, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	secret := dag.SetSecret("slipway-request-"+rand.Text(), string(text))
	return ctr.
		WithMountedFile("/rollout", s.helper("rollout")).
		WithMountedSecret("/request.json", secret, dagger.ContainerWithMountedSecretOpts{Mode: 0o400}).
		WithExec([]string{"/rollout", command, "/request.json"}), nil
}

// kubectlRef is what the name of the image with kubectl leads to, with its digest: a tag
// may be moved between two looks.
func (s *Slipway) kubectlRef(ctx context.Context) (string, error) {
	return dag.Container().From(s.KubectlImage).ImageRef(ctx)
}

// withKubectl is a container with kubectl, whose home is in memory.
func (s *Slipway) withKubectl(ctx context.Context) (*dagger.Container, error) {
	image, err := s.kubectlRef(ctx)
	if err != nil {
		return nil, err
	}
	return dag.Container().From(image).
		WithUser("0:0").
		WithMountedTemp("/run/slipway").
		WithEnvVariable("HOME", "/run/slipway"), nil
}

// inCluster is the container with kubectl and the kubeconfig, and the host:port
// that leads to the API server if the kubeconfig's own does not.
func (s *Slipway) inCluster(ctx context.Context) (*dagger.Container, string, error) {
	ctr, err := s.withKubectl(ctx)
	if err != nil {
		return nil, "", err
	}
	ctr = ctr.
		WithEnvVariable("KUBECONFIG", kubeconfigPath).
		WithMountedSecret(kubeconfigPath, s.Kubeconfig).
		WithEnvVariable("SLIPWAY_CALL", rand.Text())
	if s.Credential != nil && s.throwaway == nil {
		ctr = ctr.WithMountedSecret(credentialPath, s.Credential).WithEnvVariable("SLIPWAY_CREDENTIAL", credentialPath)
	}
	if s.APIServer == nil {
		return ctr, "", nil
	}
	endpoint, err := s.APIServer.Endpoint(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("--api-server: %w", err)
	}
	_, port, err := net.SplitHostPort(endpoint)
	if err != nil {
		return nil, "", fmt.Errorf("--api-server: %w", err)
	}
	return ctr.WithServiceBinding(apiServerAlias, s.APIServer), net.JoinHostPort(apiServerAlias, port), nil
}

// kubectl runs kubectl itself against a throwaway cluster.
func (s *Slipway) kubectl(ctx context.Context, args ...string) (string, error) {
	ctr, server, err := s.inCluster(ctx)
	if err != nil {
		return "", err
	}
	out, err := ctr.
		WithExec(append(kubectlOf(server), args...)).
		Stdout(ctx)
	return strings.TrimSpace(out), execCause(err)
}

// kubectlOf is how kubectl begins for a throwaway cluster.
func kubectlOf(server string) []string {
	return []string{"kubectl", "--server=https://" + server, "--tls-server-name=" + clusterAlias}
}

// errDifferent is that diff found differences; the error around it shows them.
var errDifferent = errors.New("")

// verdict keeps of a failed rollout what it says to the user: its outcome,
// without the progress that was shown while it happened.
func verdict(err error) error {
	var exec *dagger.ExecError
	if !errors.As(err, &exec) || strings.TrimSpace(exec.Stdout) == "" {
		return execCause(err)
	}
	if exec.ExitCode == differentStatus {
		return fmt.Errorf("%s%w", exec.Stdout, errDifferent)
	}
	return errors.New(strings.TrimSpace(exec.Stdout))
}

// releaseName is the given one, or the last element of the module's path.
func (s *Slipway) releaseName(ctx context.Context) (string, error) {
	if s.ReleaseAs != "" {
		return s.ReleaseAs, nil
	}
	module, err := s.modulePath(ctx)
	if err != nil {
		return "", err
	}
	release := names.Release(module)
	return release, names.CheckRelease(release)
}

func seconds(flag string) (int, error) {
	d, err := time.ParseDuration(flag)
	if err != nil || d < time.Second {
		return 0, fmt.Errorf("--timeout %q is not a duration of a second or more: give one like 90s or 5m", flag)
	}
	return int(d.Seconds()), nil
}
