package kube

import (
	"cmp"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"slipway/helpers/internal/object"
	"slipway/helpers/internal/sanitize"
)

// The ways out of what a kubeconfig has that cannot work in a container.
const (
	adviseInline   = "put it inline with kubectl config view --raw --flatten, or give " + adviseView
	adviseView     = `--kubeconfig cmd:"kubectl config view --raw --minify --flatten"`
	adviseVerified = "put the server's certificate in as certificate-authority-data and take an https:// address, " +
		"or let the credentials go there unprotected with --insecure-kubeconfig"
	adviseProxy = "give a proxy-url that leads there from other machines too, or take proxy-url out of the kubeconfig " +
		"and lead the way past the proxy, for example ssh -L 6443:%s and --api-server tcp://127.0.0.1:6443"
)

const configLimit = 4 << 20 // bytes of a kubeconfig

// kubeconfig is what is read of the file that kubectl reads whole.
type kubeconfig struct {
	Contexts []struct {
		Name    string
		Context struct{ Cluster, User, Namespace string }
	}
	Clusters []struct {
		Name    string
		Cluster clusterEntry
	}
	Users []struct {
		Name string
		User userEntry
	}
}

type clusterEntry struct {
	Server     string
	CAFile     string `json:"certificate-authority"`
	CAData     string `json:"certificate-authority-data"`
	ServerName string `json:"tls-server-name"`
	Insecure   bool   `json:"insecure-skip-tls-verify"`
	ProxyURL   string `json:"proxy-url"`
	Extensions []struct {
		Name      string
		Extension any
	}
}

type userEntry struct {
	CertificateFile string `json:"client-certificate"`
	KeyFile         string `json:"client-key"`
	TokenFile       string
	Token           string
	Username        string
	Certificate     string `json:"client-certificate-data"`
	Exec            *execEntry
	AuthProvider    *authProvider `json:"auth-provider"`
}

// What kubectl config view prints in place of a secret.
const (
	redactedToken = "REDACTED"
	redactedData  = "DATA+OMITTED"
)

// surroundings are what the choice depends on beside the kubeconfig.
type surroundings struct {
	inContainer bool // its loopback is not the user's
	hasProgram  func(name string) bool
	hasLogin    bool // another than the kubeconfig's is used
	now         time.Time
}

// way is how kubectl gets to the chosen cluster.
type way struct {
	context   string
	flags     []string
	hasPath   bool // the API server is behind a path of its URL
	namespace string
	user      string
}

// proxyFlags are the flags for kubectl proxy, which leaves the server's path out
// unless told.
func (w way) proxyFlags() []string {
	flags := append([]string{"proxy"}, w.flags...)
	if w.hasPath {
		flags = append(flags, "--append-server-path")
	}
	return flags
}

func readKubeconfig(file string) ([]byte, error) {
	if file == "" {
		return nil, errors.New("no kubeconfig: KUBECONFIG names no file")
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("the kubeconfig cannot be read: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, configLimit+1))
	if err != nil {
		return nil, fmt.Errorf("the kubeconfig cannot be read: %w", err)
	}
	if len(text) > configLimit {
		return nil, fmt.Errorf("the kubeconfig is larger than %d MiB: is it the right file?", configLimit>>20)
	}
	return text, nil
}

// readExactly reads what kubectl would, to which upper and lower case are not the same:
// what only looks like a field to Go must not hide the one that counts.
func readExactly(text []byte, config *kubeconfig) error {
	data, err := yaml.YAMLToJSON(text)
	if err != nil {
		return err
	}
	var all any
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	dropLookalikes(all)
	if data, err = json.Marshal(all); err != nil {
		return err
	}
	return json.Unmarshal(data, config)
}

// fields are those of a kubeconfig that are read here.
var fields = []string{
	"contexts", "clusters", "users", "name", "context", "cluster", "user", "namespace", "server", "certificate-authority",
	"certificate-authority-data", "tls-server-name", "insecure-skip-tls-verify", "proxy-url", "extensions", "extension",
	"client-certificate", "client-key", "tokenFile", "token", "username", "client-certificate-data", "exec", "command", "auth-provider",
}

func dropLookalikes(node any) {
	switch node := node.(type) {
	case []any:
		for _, item := range node {
			dropLookalikes(item)
		}
	case map[string]any:
		for key, value := range node {
			if slices.ContainsFunc(fields, func(f string) bool { return f != key && strings.EqualFold(f, key) }) {
				delete(node, key)
			}
			dropLookalikes(value)
		}
	}
}

// choose finds the target's context in a kubeconfig, and refuses, all at once, what
// cannot work from inside a container.
func choose(text []byte, t Target, s surroundings) (way, error) {
	if err := mistaken(text); err != nil {
		return way{}, err
	}
	var config kubeconfig
	if err := readExactly(text, &config); err != nil {
		return way{}, fmt.Errorf("the kubeconfig cannot be read: %w", err)
	}
	names := make([]string, len(config.Contexts))
	index := -1
	for i, c := range config.Contexts {
		names[i] = sanitize.Line(c.Name)
		if c.Name == t.Context || t.Context == "" && len(config.Contexts) == 1 {
			index = i
		}
	}
	among := "choose with --context among: " + strings.Join(names, ", ")
	switch {
	case len(names) == 0:
		return way{}, errors.New("the kubeconfig names no context: is it the right file?")
	case index < 0 && t.Context != "":
		return way{}, fmt.Errorf("the kubeconfig has no context %q: %s", t.Context, among)
	case index < 0:
		return way{}, errors.New("the kubeconfig has several contexts, and a guess may hit the wrong cluster: " + among)
	}
	chosen := config.Contexts[index]
	w := way{
		context: chosen.Name, flags: []string{"--context=" + chosen.Name},
		namespace: chosen.Context.Namespace, user: chosen.Context.User,
	}

	var wrong []error
	if ns := w.namespace; ns != "" && !object.IsLabel(ns) {
		wrong = append(wrong, fmt.Errorf("the kubeconfig's context %s has the namespace %q, which is no name of one: "+
			"correct it, or give --namespace", chosen.Name, ns))
	}
	var cluster clusterEntry
	for _, c := range config.Clusters {
		if c.Name == chosen.Context.Cluster {
			cluster = c.Cluster
		}
	}
	if cluster.CAData == redactedData || !s.hasLogin && config.isRedacted(w.user) {
		return way{}, errors.New(adviseRaw)
	}
	if !s.hasLogin {
		wrong = append(wrong, config.loginProblems(w, cluster, s)...)
	}
	found := false
	for _, c := range config.Clusters {
		if c.Name == chosen.Context.Cluster && !found {
			found = true
			wrong = append(wrong, w.lead(c.Cluster, t.APIServer, s)...)
			if !t.Insecure {
				wrong = append(wrong, c.Cluster.unverified()...)
			}
		}
	}
	if !found {
		wrong = append(wrong, fmt.Errorf("the kubeconfig's context %s names the cluster %q, which is not in it: is it the right file?",
			chosen.Name, chosen.Context.Cluster))
	}
	return w, errors.Join(wrong...)
}

// loginProblems are why the context's user cannot log in from inside a container.
func (k kubeconfig) loginProblems(w way, cluster clusterEntry, s surroundings) []error {
	const advice = "give --credential a token or what a credential plugin prints, or another kubeconfig"
	for _, u := range k.Users {
		if u.Name != w.user {
			continue
		}
		// Without TLS there may be nothing to log in to, as at kubectl proxy.
		if u.User.isEmpty() && !strings.HasPrefix(strings.ToLower(cluster.Server), "http:") {
			return []error{fmt.Errorf("the kubeconfig's user %s has no credentials: "+advice, sanitize.Line(u.Name))}
		}
		return u.User.problems(cluster, s)
	}
	if w.user != "" {
		return []error{fmt.Errorf("the kubeconfig's context %s names the user %q, who is not in it: "+advice,
			sanitize.Line(w.context), w.user)}
	}
	if strings.HasPrefix(strings.ToLower(cluster.Server), "http:") {
		return nil
	}
	return []error{fmt.Errorf("the kubeconfig's context %s names no user: "+advice, sanitize.Line(w.context))}
}

// isRedacted says whether kubectl left out what the user logs in with.
func (k kubeconfig) isRedacted(user string) bool {
	for _, u := range k.Users {
		if u.Name == user && (u.User.Token == redactedToken || u.User.Certificate == redactedData) {
			return true
		}
	}
	return false
}

// isEmpty says whether kubectl would have to ask for a password.
func (u userEntry) isEmpty() bool {
	return u.Token == "" && u.TokenFile == "" && u.Username == "" && u.Certificate == "" && u.CertificateFile == "" &&
		u.Exec == nil && u.AuthProvider == nil
}

// problems are why the user cannot log in from inside a container.
func (u userEntry) problems(cluster clusterEntry, s surroundings) []error {
	var wrong []error
	wrong = append(wrong, inFile("the client certificate", u.CertificateFile)...)
	wrong = append(wrong, inFile("the client key", u.KeyFile)...)
	if u.TokenFile != "" { // kubectl config view --flatten leaves it where it is.
		wrong = append(wrong, fmt.Errorf("the kubeconfig keeps the token in a file (%s), which is not in the container: "+
			"give --credential file:%[1]s", sanitize.Line(u.TokenFile)))
	}
	if u.Exec != nil && !s.hasPlugin(*u.Exec) {
		wrong = append(wrong, errors.New(u.Exec.answer(cluster)))
	}
	if end, known := tokenEnd(u.Token); known && u.TokenFile == "" && !s.now.Before(end) {
		wrong = append(wrong, fmt.Errorf("the kubeconfig's token expired on %s: get a new kubeconfig, or give --credential a new token",
			end.UTC().Format(time.RFC1123)))
	}
	if u.AuthProvider != nil && u.Exec == nil {
		if text := u.AuthProvider.answer(s.now); text != "" {
			wrong = append(wrong, errors.New(text))
		}
	}
	if err := expired(u.Certificate, s.now); err != nil {
		wrong = append(wrong, err)
	}
	return wrong
}

func inFile(what, file string) []error {
	if file == "" {
		return nil
	}
	return []error{fmt.Errorf("the kubeconfig keeps %s in a file (%s), which is not in the container: %s", what, file, adviseInline)}
}

// lead adds the flags that lead to the cluster, through apiServer if that is given.
func (w *way) lead(c clusterEntry, apiServer string, s surroundings) []error {
	wrong := inFile("the certificate authority", c.CAFile)
	server, err := url.Parse(c.Server)
	if err != nil || server.Host == "" || server.Scheme != "https" && server.Scheme != "http" {
		return append(wrong, fmt.Errorf("the kubeconfig's server %q is not a URL of http or https: write it as https://HOST:PORT",
			withoutLogin(c.Server)))
	}
	port := server.Port()
	if port == "" {
		port = map[string]string{"http": "80"}[server.Scheme]
	}
	port = cmp.Or(port, "443")
	serverPath := strings.TrimRight(server.EscapedPath(), "/")
	w.hasPath = serverPath != ""
	if apiServer != "" {
		// Verified against the name that the kubeconfig says, not the one it is reached by here.
		w.flags = append(w.flags, "--server="+server.Scheme+"://"+apiServer+serverPath,
			"--tls-server-name="+cmp.Or(c.ServerName, server.Hostname()))
	} else if s.inContainer && (IsHere(server.Hostname()) || c.isMinikube()) {
		wrong = append(wrong, fmt.Errorf("the kubeconfig's API server is %s on your machine, which a container cannot reach by that name: "+
			"add to the command --api-server tcp://%s", withoutLogin(c.Server), net.JoinHostPort(here(server.Hostname()), port)))
	}
	if proxy, err := url.Parse(c.ProxyURL); err != nil || c.ProxyURL != "" && proxy.Host == "" {
		wrong = append(wrong, fmt.Errorf("the kubeconfig's proxy-url %q is not a URL", withoutLogin(c.ProxyURL)))
	} else if s.inContainer && IsHere(proxy.Hostname()) {
		wrong = append(wrong, fmt.Errorf("the kubeconfig's proxy-url is %s on your machine, which a container cannot reach: "+adviseProxy,
			withoutLogin(c.ProxyURL), net.JoinHostPort(server.Hostname(), port)))
	}
	return wrong
}

// unverified says why somebody on the way to the server could take the credentials. The
// loopback of this machine is no way, unless a proxy is asked to go there.
func (c clusterEntry) unverified() []error {
	server, err := url.Parse(c.Server)
	if err != nil || isLoopback(server.Hostname()) && c.ProxyURL == "" {
		return nil
	}
	switch {
	case strings.EqualFold(server.Scheme, "http"):
		return []error{fmt.Errorf("the kubeconfig's server %s is not reached by TLS, so whoever is on the way could take the credentials: %s",
			server.Redacted(), adviseVerified)}
	case c.Insecure:
		return []error{fmt.Errorf("the kubeconfig has insecure-skip-tls-verify for the server %s, so whoever is on the way could take "+
			"the credentials: %s", server.Redacted(), adviseVerified)}
	}
	return nil
}

// withoutLogin is a URL as it may be printed, whether or not it can be read.
func withoutLogin(address string) string {
	if at := strings.LastIndex(address, "@"); at >= 0 {
		scheme, _, found := strings.Cut(address, "://")
		if !found || strings.Contains(scheme, "@") {
			return "…" + address[at:]
		}
		return scheme + "://…" + address[at:]
	}
	return address
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip.IsLoopback() || ip.IsUnspecified()
}

// expired says since when a base64 PEM certificate is no longer valid.
func expired(certificate string, now time.Time) error {
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
	if now.After(parsed.NotAfter) {
		return fmt.Errorf("the kubeconfig's client certificate expired on %s: get a new kubeconfig", parsed.NotAfter.Format(time.RFC1123))
	}
	return nil
}
