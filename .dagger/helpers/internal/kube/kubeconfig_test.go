package kube

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

var today = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// certificate is one that was valid until a time, as a kubeconfig holds it.
func certificate(t *testing.T, until time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.Add(-time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// config is a kubeconfig with one context, with the given fields of cluster and user,
// who has a token unless told otherwise.
func config(cluster, user string) string {
	if user == "" {
		user = "token: x"
	}
	return fmt.Sprintf(`{contexts: [{name: main, context: {cluster: c, user: u, namespace: shop}}],
clusters: [{name: other, cluster: {server: "https://127.0.0.1", certificate-authority: /x}}, {name: c, cluster: {%s}}],
users: [{name: other, user: {tokenFile: /x}}, {name: u, user: {%s}}]}`, cluster, user)
}

// What people give in place of a kubeconfig.
func TestMistaken(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString([]byte(config(`server: "https://hunter2"`, "")))
	for name, test := range map[string]struct{ text, want string }{
		"nothing":              {"\n", "the kubeconfig is empty: give --kubeconfig file:"},
		"a path":               {"/home/hunter2/.kube/config\n", "is the path of a file, as the variable KUBECONFIG holds it: give --kubeconfig file:$KUBECONFIG"},
		"a path of Windows":    {`C:\Users\hunter2\.kube\config`, "is the path of a file"},
		"several":              {"/hunter2/a:/hunter2/b", "where it names several " + adviseView},
		"base64":               {encoded, "is in base64: decode it"},
		"base64 in lines":      {encoded[:76] + "\n" + encoded[76:] + "\n", "is in base64: decode it"},
		"a token":              {webToken(today), "is a token, which goes to --credential"},
		"one without an end":   {"eyJhbGciOiJub25lIn0.eyJzdWIiOiJodW50ZXIyIn0.hunter2", "is a token, which goes to --credential"},
		"OpenShift's token":    {"sha256~hunter2", "is a token, which goes to --credential"},
		"a plugin's output":    {`{"kind": "ExecCredential", "status": {"token": "hunter2"}}`, "which goes to --credential"},
		"a certificate":        {"-----BEGIN CERTIFICATE-----\nhunter2\n", "is a certificate or a key"},
		"an error":             {"hunter2 not found", "is plain text"},
		"a page":               {"<html><body>hunter2</body></html>", "is plain text"},
		"a list":               {"- hunter2", "is a list or a number"},
		"another object":       {"kind: Secret\nstringData: {a: hunter2}", "names no context"},
		"one that is not YAML": {"error: hunter2: no", "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := choose([]byte(test.text), Target{}, surroundings{now: today})
			contains(t, err, test.want)
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v shows what may be a secret", err)
			}
		})
	}
}

func TestChoose(t *testing.T) {
	const server = `server: "https://k8s.example.com:6443"`
	two := `{contexts: [{name: a, context: {cluster: c, user: u}}, {name: b, context: {cluster: c, user: v}}],
clusters: [{name: c, cluster: {` + server + `}}], users: [{name: v, user: {username: ann}}]}`
	lonely := `{contexts: [{name: a, context: {cluster: c%s}}], clusters: [{name: c, cluster: {server: "%s://k8s.example.com"}}]}`
	for name, test := range map[string]struct {
		text    string
		target  Target
		outside bool
		flags   string   // of kubectl proxy
		wants   []string // of the error
	}{
		"plain":                               {config(server, "token: x"), Target{}, false, "proxy --context=main", nil},
		"named":                               {config(server, ""), Target{Context: "main"}, false, "proxy --context=main", nil},
		"one of two":                          {two, Target{Context: "b"}, false, "proxy --context=b", nil},
		"one of two, whose user is not there": {two, Target{Context: "a"}, false, "", []string{`names the user "u", who is not in it`}},
		"several": {two, Target{}, false,
			"", []string{"several contexts, and a guess may hit the wrong cluster: choose with --context among: a, b"}},
		"other":     {two, Target{Context: "z"}, false, "", []string{`no context "z": choose with --context among: a, b`}},
		"no fields": {"{}", Target{}, false, "", []string{"names no context"}},
		"no YAML":   {"{", Target{}, false, "", []string{"cannot be read"}},
		"no such cluster": {`{contexts: [{name: a, context: {cluster: gone}}]}`, Target{}, false,
			"", []string{`names the cluster "gone", which is not in it`}},
		"no URL": {config(`server: "k8s.example.com"`, ""), Target{}, false,
			"", []string{`server "k8s.example.com" is not a URL`}},
		"another scheme": {config(`server: "ftp://k8s.example.com"`, ""), Target{}, false,
			"", []string{`server "ftp://k8s.example.com" is not a URL`}},
		"no namespace": {`{contexts: [{name: a, context: {cluster: c, namespace: "../x"}}], clusters: [{name: c, cluster: {` + server + `}}]}`,
			Target{}, false, "", []string{`has the namespace "../x", which is no name`}},

		"not by TLS": {config(`server: "http://10.0.0.1:8080"`, "token: x"), Target{}, false,
			"", []string{"server http://10.0.0.1:8080 is not reached by TLS", "--insecure-kubeconfig"}},
		"not by TLS, big letters": {config(`server: "HTTP://user:word@10.0.0.1"`, ""), Target{}, false,
			"", []string{"server http://user:xxxxx@10.0.0.1 is not reached by TLS"}},
		"not by TLS, asked for": {config(`server: "http://10.0.0.1:8080"`, "token: x"), Target{Insecure: true}, false, "proxy --context=main", nil},
		"not by TLS, here":      {config(`server: "http://127.0.0.1:8080"`, "token: x"), Target{}, true, "proxy --context=main", nil},
		"not by TLS, by proxy": {config(`server: "http://127.0.0.1:8080", proxy-url: "http://proxy.example.com"`, ""), Target{}, true,
			"", []string{"is not reached by TLS"}},
		"not verified": {config(server+", insecure-skip-tls-verify: true", "token: x"), Target{}, false,
			"", []string{"has insecure-skip-tls-verify for the server https://k8s.example.com:6443", "--insecure-kubeconfig"}},
		"not verified, other way": {config(server+", insecure-skip-tls-verify: true", ""), Target{APIServer: "api:6443"}, false,
			"", []string{"has insecure-skip-tls-verify"}},
		"not verified, asked for": {config(server+", insecure-skip-tls-verify: true", ""), Target{Insecure: true}, false, "proxy --context=main", nil},
		"not verified, here":      {config(`server: "https://[::1]:6443", insecure-skip-tls-verify: true`, ""), Target{}, true, "proxy --context=main", nil},

		"not verified, hidden from Go": {config(server+", insecure-skip-tls-verify: true, inſecure-skip-tls-verify: false", ""), Target{}, false,
			"", []string{"has insecure-skip-tls-verify"}},
		"not by TLS, hidden from Go": {config(`server: "http://10.0.0.1", ſerver: "https://k8s.example.com"`, ""), Target{}, false,
			"", []string{"is not reached by TLS"}},
		"files, hidden from Go": {config(server, "tokenFile: /tok, toKenFile: ''"), Target{}, false, "", []string{"the token in a file (/tok)"}},
		"login of a proxy": {config(server+`, proxy-url: "http://ann:hunter2@localhost:1"`, ""), Target{}, false,
			"", []string{"proxy-url is http://…@localhost:1 on"}},
		"login of no proxy": {config(server+`, proxy-url: "ann:hunter2@x"`, ""), Target{}, false,
			"", []string{`proxy-url "…@x" is not a URL`}},
		"files": {config(server+", certificate-authority: /ca", "client-certificate: /crt, client-key: /key, tokenFile: /tok"), Target{}, false,
			"",
			[]string{"the client certificate in a file (/crt)", "the client key in a file (/key)", "the token in a file (/tok)",
				"the certificate authority in a file (/ca)", "kubectl config view --raw --flatten"}},
		"a token's file": {config(server, "tokenFile: /tok"), Target{}, false, "", []string{"not in the container: give --credential file:/tok"}},
		"nobody":         {fmt.Sprintf(lonely, "", "https"), Target{}, false, "", []string{"context a names no user: give --credential"}},
		"a user who is not there": {fmt.Sprintf(lonely, ", user: u", "https"), Target{}, false,
			"", []string{`context a names the user "u", who is not in it: give --credential`}},
		"nothing to log in with":       {config(server, "as: ann"), Target{}, false, "", []string{"user u has no credentials: give --credential"}},
		"nothing to log in to":         {config(`server: "http://127.0.0.1:8001"`, "as: ann"), Target{}, true, "proxy --context=main", nil},
		"nobody, nothing to log in to": {fmt.Sprintf(lonely, "", "http"), Target{Insecure: true}, false, "proxy --context=a", nil},
		"acts as another":              {config(server, "token: x, as: ann"), Target{}, false, "proxy --context=main", nil},
		"a token that has expired": {config(server, "token: "+webToken(today)), Target{}, false,
			"", []string{"token expired on Wed, 25 Nov 2026 12:00:00 UTC: get a new kubeconfig, or give --credential"}},
		"a token that has not": {config(server, "token: "+webToken(today.Add(time.Second))), Target{}, false, "proxy --context=main", nil},
		"printed without its token": {config(server, "token: REDACTED"), Target{}, false,
			"", []string{"printed without its secrets, as kubectl config view does: print it with --raw"}},
		"printed without its certificate": {config(server, "client-certificate-data: DATA+OMITTED"), Target{}, false, "", []string{"--raw"}},
		"printed without its authority": {config(server+", certificate-authority-data: DATA+OMITTED", ""), Target{}, false,
			"", []string{"--raw"}},
		"IPv6": {config(`server: "https://[2001:db8::1]:6443"`, ""), Target{}, false, "proxy --context=main", nil},
		"IPv6, other way": {config(`server: "https://[2001:db8::1]"`, ""), Target{APIServer: "api:443"}, false,
			"proxy --context=main --server=https://api:443 --tls-server-name=2001:db8::1", nil},
		"exec that is there": {config(server, "exec: {command: present}"), Target{}, false, "proxy --context=main", nil},
		"exec that is not": {config(server, "exec: {command: /usr/bin/aws}"), Target{}, false,
			"", []string{"the program aws, which is not", `--credential cmd:"/usr/bin/aws"`}},
		"auth provider": {config(server, "auth-provider: {name: gcp}"), Target{}, false, "", []string{"gcloud auth print-access-token"}},
		"Docker Desktop": {config(`server: "https://kubernetes.docker.internal:6443"`, ""), Target{}, false,
			"", []string{"tcp://127.0.0.1:6443"}},
		"k3d on Windows": {config(`server: "https://host.docker.internal:51234"`, ""), Target{}, false, "", []string{"tcp://127.0.0.1:51234"}},
		"minikube":       {config(`server: "https://192.168.49.2:8443"`, ""), Target{}, false, "", []string{"tcp://192.168.49.2:8443"}},
		"minikube's profile": {config(`server: "https://192.168.58.2:8443",
			extensions: [{name: cluster_info, extension: {provider: minikube.sigs.k8s.io}}]`, ""),
			Target{}, false, "", []string{"tcp://192.168.58.2:8443"}},
		"minikube's name": {config(`server: "https://control-plane.minikube.internal:8443"`, ""), Target{}, false,
			"", []string{"tcp://control-plane.minikube.internal:8443"}},
		"a name like theirs":      {config(`server: "https://notdocker.internal.example.com"`, ""), Target{}, false, "proxy --context=main", nil},
		"another private network": {config(`server: "https://192.168.50.2:8443"`, ""), Target{}, false, "proxy --context=main", nil},
		"certificate": {config(server, "client-certificate-data: "+certificate(t, today.Add(time.Hour))), Target{}, false,
			"proxy --context=main", nil},
		"expired": {config(server, "client-certificate-data: "+certificate(t, today.Add(-time.Hour))), Target{}, false,
			"", []string{"expired on Wed, 25 Nov 2026"}},
		"no certificate": {config(server, "client-certificate-data: eA=="), Target{}, false, "", []string{"is not base64 of PEM"}},
		"several at a time": {config(`server: "https://127.0.0.1:6443"`, "tokenFile: /t"), Target{}, false,
			"", []string{"--api-server", "in a file (/t)"}},
		"loopback": {config(`server: "https://127.0.0.1:6443"`, ""), Target{}, false,
			"", []string{"add to the command --api-server tcp://127.0.0.1:6443"}},
		"loopback, IPv6":    {config(`server: "https://[::1]"`, ""), Target{}, false, "", []string{"--api-server tcp://[::1]:443"}},
		"loopback, any":     {config(`server: "http://0.0.0.0"`, ""), Target{}, false, "", []string{"--api-server tcp://127.0.0.1:80"}},
		"loopback, outside": {config(`server: "https://localhost:6443"`, ""), Target{}, true, "proxy --context=main", nil},
		"loopback, other way": {config(`server: "https://127.0.0.1:6443"`, ""), Target{APIServer: "api:6443"}, false,
			"proxy --context=main --server=https://api:6443 --tls-server-name=127.0.0.1", nil},
		"its own server name": {config(server+", tls-server-name: kubernetes", ""), Target{APIServer: "api:6443"}, false,
			"proxy --context=main --server=https://api:6443 --tls-server-name=kubernetes", nil},
		"path": {config(`server: "https://rancher.example.com/k8s/clusters/c-1"`, ""), Target{}, false,
			"proxy --context=main --append-server-path", nil},
		"path, other way": {config(`server: "https://rancher.example.com/k8s/clusters/c-1/"`, ""), Target{APIServer: "api:443"}, false,
			"proxy --context=main --server=https://api:443/k8s/clusters/c-1 --tls-server-name=rancher.example.com --append-server-path", nil},
		"only a slash": {config(`server: "https://k8s.example.com/"`, ""), Target{}, false, "proxy --context=main", nil},
		"proxy": {config(server+`, proxy-url: "http://proxy.example.com:3128"`, ""), Target{}, false,
			"proxy --context=main", nil},
		"proxy here": {config(server+`, proxy-url: "socks5://localhost:1080"`, ""), Target{}, false,
			"", []string{"proxy-url is socks5://localhost:1080", "ssh -L 6443:k8s.example.com:6443 and --api-server tcp://127.0.0.1:6443"}},
		"proxy here, outside": {config(server+`, proxy-url: "socks5://localhost:1080"`, ""), Target{}, true, "proxy --context=main", nil},
		"proxy, no URL": {config(server+`, proxy-url: "localhost"`, ""), Target{}, false,
			"", []string{`proxy-url "localhost" is not a URL`}},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := choose([]byte(test.text), test.target, surroundings{
				inContainer: !test.outside,
				hasProgram:  func(name string) bool { return name == "present" },
				now:         today,
			})
			for _, want := range test.wants {
				contains(t, err, want)
			}
			if test.wants != nil {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(w.proxyFlags(), " "); got != test.flags {
				t.Errorf("%s\nwant %s", got, test.flags)
			}
			if slices.Contains(w.flags, "--append-server-path") {
				t.Error("port-forward knows no --append-server-path")
			}
		})
	}
	w, err := choose([]byte(config(server, "")), Target{}, surroundings{})
	if w.namespace != "shop" || w.user != "u" || err != nil {
		t.Error(w, err)
	}
}
