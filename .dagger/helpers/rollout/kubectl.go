package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

const (
	// In a tmpfs, as is kubectl's home: nothing that it derives from the kubeconfig
	// may get into a layer.
	proxySocket = "/run/slipway/proxy.sock"
	proxyURL    = "http://localhost" // the only kind of host that kubectl proxy serves
)

// kubeconfig is what rollout reads of the one that kubectl uses.
type kubeconfig struct {
	Contexts []struct {
		Name    string
		Context struct{ Cluster, User, Namespace string }
	}
	Clusters []struct {
		Name    string
		Cluster struct {
			Server     string
			CAFile     string `json:"certificate-authority"`
			ServerName string `json:"tls-server-name"`
		}
	}
	Users []struct {
		Name string
		User struct {
			CertificateFile string `json:"client-certificate"`
			KeyFile         string `json:"client-key"`
			TokenFile       string
			Certificate     string `json:"client-certificate-data"`
			Exec            *struct{ Command string }
		}
	}
}

// kubectl is the program with the arguments that lead to the chosen cluster.
type kubectl struct {
	flags     []string
	namespace string // the context's
	user      string // the context's
}

// choose reads the kubeconfig and refuses what cannot work from inside a
// container, before anything is contacted.
func choose(req request) (kubectl, error) {
	var k kubectl
	text, err := os.ReadFile(os.Getenv("KUBECONFIG"))
	if err != nil {
		return k, err
	}
	var config kubeconfig
	if err := yaml.Unmarshal(text, &config); err != nil {
		return k, fmt.Errorf("the kubeconfig cannot be read: %w", err)
	}

	names := make([]string, len(config.Contexts))
	index := -1
	for i, c := range config.Contexts {
		names[i] = c.Name
		if c.Name == req.Context || req.Context == "" && len(config.Contexts) == 1 {
			index = i
		}
	}
	switch {
	case len(names) == 0:
		return k, errors.New("the kubeconfig names no context: is it the right file?")
	case index < 0 && req.Context != "":
		return k, fmt.Errorf("the kubeconfig has no context %q: choose with --context among: %s", req.Context, strings.Join(names, ", "))
	case index < 0:
		return k, fmt.Errorf("the kubeconfig has several contexts, and a guess may hit the wrong cluster: choose with --context among: %s", strings.Join(names, ", "))
	}
	chosen := config.Contexts[index]
	k.namespace, k.user = chosen.Context.Namespace, chosen.Context.User
	k.flags = append(k.flags, "--context="+chosen.Name)

	var wrong findings
	inline := func(what, file string) {
		if file != "" {
			wrong = append(wrong, fmt.Sprintf("the kubeconfig keeps %s in a file (%s), which is not in the container: put it inline with kubectl config view --raw --flatten", what, file))
		}
	}
	for _, u := range config.Users {
		if u.Name != chosen.Context.User {
			continue
		}
		inline("the client certificate", u.User.CertificateFile)
		inline("the client key", u.User.KeyFile)
		inline("the token", u.User.TokenFile)
		if plugin := u.User.Exec; plugin != nil {
			if _, err := exec.LookPath(plugin.Command); err != nil {
				wrong = append(wrong, fmt.Sprintf("the kubeconfig gets its credentials from the program %s, which is not in the container: give a kubeconfig with a token (kubectl create token, put in with kubectl config set-credentials), or with --kubectl-image an image that has kubectl and %[1]s", path.Base(plugin.Command)))
			}
		}
		if err := expired(u.User.Certificate); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	for _, c := range config.Clusters {
		if c.Name != chosen.Context.Cluster {
			continue
		}
		inline("the certificate authority", c.Cluster.CAFile)
		server, err := url.Parse(c.Cluster.Server)
		if err != nil || server.Host == "" {
			wrong = append(wrong, fmt.Sprintf("the kubeconfig's server %q is not a URL", c.Cluster.Server))
			continue
		}
		if req.APIServer != "" {
			// Verified against the name that the kubeconfig says, not the one it is reached by here.
			k.flags = append(k.flags, "--server="+server.Scheme+"://"+req.APIServer,
				"--tls-server-name="+cmp.Or(c.Cluster.ServerName, server.Hostname()))
		} else if ip := net.ParseIP(server.Hostname()); server.Hostname() == "localhost" || ip.IsLoopback() || ip.IsUnspecified() {
			port := cmp.Or(server.Port(), "443")
			wrong = append(wrong, fmt.Sprintf("the kubeconfig's API server is %s on your machine, which a container cannot reach by that name: add to the command --api-server tcp://%s", c.Cluster.Server, net.JoinHostPort(server.Hostname(), port)))
		}
	}
	if len(wrong) > 0 {
		return k, wrong
	}
	return k, nil
}

// expired says since when a base64 PEM certificate is no longer valid.
func expired(certificate string) error {
	if certificate == "" {
		return nil
	}
	text, _ := base64.StdEncoding.DecodeString(certificate)
	block, _ := pem.Decode(text)
	if block == nil {
		return errors.New("the kubeconfig's client certificate is not base64 of PEM: get a new kubeconfig")
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fmt.Errorf("the kubeconfig's client certificate cannot be read (%w): get a new kubeconfig", err)
	}
	if now := time.Now(); now.After(parsed.NotAfter) {
		return fmt.Errorf("the kubeconfig's client certificate expired on %s: get a new kubeconfig", parsed.NotAfter.Format(time.RFC1123))
	}
	return nil
}

// proxy has kubectl serve the cluster's API on a socket that only this
// container has.
func (k kubectl) proxy(ctx context.Context) (func(), error) {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, "kubectl", append(k.flags, "proxy", "--unix-socket="+proxySocket)...)
	cmd.WaitDelay = time.Second
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	stop := func() {
		_ = cmd.Process.Kill()
		<-ended
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if conn, err := net.Dial("unix", proxySocket); err == nil {
			return stop, conn.Close()
		}
		select {
		case <-ended:
			return nil, fmt.Errorf("kubectl proxy ended: %s", oneLine(said.String()))
		default:
		}
		if time.Now().After(deadline) {
			stop()
			return nil, errors.New("kubectl proxy did not listen within 20 s")
		}
	}
}

// oneLine is the last line of what a program said, without its prefix.
func oneLine(said string) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	return strings.TrimPrefix(lines[len(lines)-1], "error: ")
}
