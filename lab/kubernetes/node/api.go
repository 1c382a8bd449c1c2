package node

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// api talks to the API server as the cluster's administrator. The few calls the node makes need no
// client library.
type api struct {
	server string
	http   *http.Client
}

var errNotFound = errors.New("not found")

func newAPI(server string, a *authority) (*api, error) {
	pair, err := tls.LoadX509KeyPair(a.path("admin.crt"), a.path("admin.key"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return &api{server, &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}},
	}}, nil
}

func (a *api) do(ctx context.Context, method, path, kind string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.server+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode == http.StatusNotFound {
		return nil, errNotFound
	}
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, bytes.TrimSpace(content))
	}
	return content, err
}

func (a *api) ready(ctx context.Context) bool {
	_, err := a.do(ctx, http.MethodGet, "/readyz", "", nil)
	return err == nil
}

// condition is the status of a condition of an object, such as Ready of a node.
func (a *api) condition(ctx context.Context, path, kind string) bool {
	content, err := a.do(ctx, http.MethodGet, path, "", nil)
	var object struct {
		Status struct {
			Conditions []struct{ Type, Status string }
		}
	}
	if err != nil || json.Unmarshal(content, &object) != nil {
		return false
	}
	for _, c := range object.Status.Conditions {
		if c.Type == kind {
			return c.Status == "True"
		}
	}
	return false
}

// forgetReady takes back what an earlier run said about the node, which is true again only when its
// kubelet says so.
func (a *api) forgetReady(ctx context.Context, node string) error {
	const status = `{"status":{"conditions":[{"type":"Ready","status":"Unknown","reason":"NodeStarting"}]}}`
	_, err := a.do(ctx, http.MethodPatch, "/api/v1/nodes/"+node+"/status", "application/strategic-merge-patch+json", []byte(status))
	if errors.Is(err, errNotFound) {
		return nil
	}
	return err
}

// resources are the paths of the kinds in the node's own manifests.
var resources = map[string]string{
	"ServiceAccount":     "/api/v1/namespaces/kube-system/serviceaccounts/",
	"ConfigMap":          "/api/v1/namespaces/kube-system/configmaps/",
	"Service":            "/api/v1/namespaces/kube-system/services/",
	"Deployment":         "/apis/apps/v1/namespaces/kube-system/deployments/",
	"ClusterRole":        "/apis/rbac.authorization.k8s.io/v1/clusterroles/",
	"ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/",
}

// apply brings objects to the state in the given manifests.
func (a *api) apply(ctx context.Context, manifests string) error {
	for document := range strings.SplitSeq(manifests, "\n---\n") {
		var object struct {
			Kind     string
			Metadata struct{ Name string }
		}
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			return err
		}
		path, ok := resources[object.Kind]
		if !ok {
			return fmt.Errorf("apply %s %s: unknown kind", object.Kind, object.Metadata.Name)
		}
		path += object.Metadata.Name + "?fieldManager=k3s&force=true"
		if _, err := a.do(ctx, http.MethodPatch, path, "application/apply-patch+yaml", []byte(document)); err != nil {
			return err
		}
	}
	return nil
}
