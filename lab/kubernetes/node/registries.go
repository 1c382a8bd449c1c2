package node

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// registries is k3s's registries.yaml.
type registries struct {
	Mirrors map[string]struct {
		Endpoint []string `json:"endpoint"`
	} `json:"mirrors"`
	Configs map[string]registryConfig `json:"configs"`
}

type registryConfig struct {
	Auth struct {
		Username      string `json:"username"`
		Password      string `json:"password"`
		Auth          string `json:"auth"`
		IdentityToken string `json:"identity_token"`
	} `json:"auth"`
	TLS struct {
		CA         string `json:"ca_file"`
		Cert       string `json:"cert_file"`
		Key        string `json:"key_file"`
		SkipVerify bool   `json:"insecure_skip_verify"`
	} `json:"tls"`
}

func readRegistries(path string) (*registries, error) {
	r := &registries{}
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	// A key that has no effect here must not look as if it had one.
	if err := yaml.UnmarshalStrict(content, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// hosts are the files containerd reads about registries, by their path in its directory for them.
func (r *registries) hosts() (map[string]string, error) {
	names := slices.Collect(maps.Keys(r.Mirrors))
	for name := range r.Configs {
		if _, ok := r.Mirrors[name]; !ok && !r.isEndpoint(name) {
			names = append(names, name)
		}
	}
	files := map[string]string{}
	for _, name := range names {
		var b strings.Builder
		dir, server := name, "https://"+name
		switch name {
		case "*":
			dir, server = "_default", ""
		case "docker.io":
			server = "https://registry-1.docker.io"
		}
		for _, endpoint := range r.Mirrors[name].Endpoint {
			if endpoint == "http://"+name { // the registry itself: it has no HTTPS twin to fall back on
				server = endpoint
			}
		}
		if server != "" {
			fmt.Fprintf(&b, "server = %q\n", server)
			if u, _ := url.Parse(server); u != nil {
				b.WriteString(r.Configs[u.Host].tls(""))
			}
		}
		for _, endpoint := range r.Mirrors[name].Endpoint {
			u, err := url.Parse(endpoint)
			if err != nil {
				return nil, fmt.Errorf("mirror of %s: %w", name, err)
			}
			if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
				return nil, fmt.Errorf("mirror of %s: %q must be http://HOST or https://HOST", name, endpoint)
			}
			u.Path = strings.TrimSuffix(u.Path, "/")
			fmt.Fprintf(&b, "\n[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n", u)
			if u.Path != "" {
				b.WriteString("  override_path = true\n")
			}
			b.WriteString(r.Configs[u.Host].tls("  "))
		}
		files[filepath.Join(dir, "hosts.toml")] = b.String()
	}
	return files, nil
}

// isEndpoint says whether a configured host only stands behind a mirror.
func (r *registries) isEndpoint(host string) bool {
	for _, m := range r.Mirrors {
		for _, endpoint := range m.Endpoint {
			if u, err := url.Parse(endpoint); err == nil && u.Host == host {
				return true
			}
		}
	}
	return false
}

func (c registryConfig) tls(indent string) string {
	var b strings.Builder
	if c.TLS.CA != "" {
		fmt.Fprintf(&b, "%sca = %q\n", indent, c.TLS.CA)
	}
	if c.TLS.Cert != "" {
		fmt.Fprintf(&b, "%sclient = [[%q, %q]]\n", indent, c.TLS.Cert, c.TLS.Key)
	}
	if c.TLS.SkipVerify {
		fmt.Fprintf(&b, "%sskip_verify = true\n", indent)
	}
	return b.String()
}

// credentials is the part of containerd's own configuration that hosts.toml cannot express.
func (r *registries) credentials() string {
	var b strings.Builder
	for _, host := range slices.Sorted(maps.Keys(r.Configs)) {
		a := r.Configs[host].Auth
		if a.Username == "" && a.Auth == "" && a.IdentityToken == "" {
			continue
		}
		fmt.Fprintf(&b, "[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.%q.auth]\n", host)
		fmt.Fprintf(&b, "  username = %q\n  password = %q\n  auth = %q\n  identitytoken = %q\n", a.Username, a.Password, a.Auth, a.IdentityToken)
	}
	return b.String()
}
