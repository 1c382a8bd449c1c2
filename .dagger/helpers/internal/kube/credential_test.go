package kube

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// pair is a certificate and its key in PEM.
func pair(t *testing.T, until time.Time) (certificate, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.Add(-time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

// webToken is a JSON Web Token that expires then.
func webToken(end time.Time) string {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	return part(`{"alg":"none"}`) + "." + part(fmt.Sprintf(`{"exp":%d}`, end.Unix())) + "." + part("signature")
}

func TestParseCredential(t *testing.T) {
	const v1 = `{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":`
	certificate, key := pair(t, today.Add(time.Hour))
	oldCertificate, oldKey := pair(t, today.Add(-time.Hour))
	_, otherKey := pair(t, today.Add(time.Hour))
	quoted := func(text string) string {
		out, _ := json.Marshal(text)
		return string(out)
	}
	status := func(certificate, key string) string {
		return v1 + `{"clientCertificateData":` + quoted(certificate) + `,"clientKeyData":` + quoted(key) + `}}`
	}
	const secret = "let-me-in"
	for name, test := range map[string]struct{ text, token, want string }{
		"token":             {secret, secret, ""},
		"token and newline": {"\ufeff" + secret + "\r\n", secret, ""},
		"web token":         {webToken(today.Add(time.Minute)), webToken(today.Add(time.Minute)), ""},
		"web token, old":    {webToken(today), "", "expired on Wed, 25 Nov 2026 12:00:00 UTC"},
		"v1":                {v1 + `{"token":"` + secret + `"}}`, secret, ""},
		"v1beta1, pretty": {"{\n \"kind\": \"ExecCredential\",\n \"apiVersion\": \"client.authentication.k8s.io/v1beta1\", \"spec\": {},\n" +
			` "status": {"expirationTimestamp": "2026-11-25T12:00:01Z", "token": "` + secret + `"}}` + "\n", secret, ""},
		"expired": {v1 + `{"token":"` + secret + `","expirationTimestamp":"2026-11-25T13:00:00+01:00"}}`, "",
			"expired on Wed, 25 Nov 2026 12:00:00 UTC"},
		"no time":           {v1 + `{"token":"` + secret + `","expirationTimestamp":"soon"}}`, "", "expirationTimestamp that is no time"},
		"expired web token": {v1 + `{"token":"` + webToken(today.Add(-time.Hour)) + `"}}`, "", "expired on"},
		"empty":             {" \n", "", "--credential is empty"},
		"the plugin's error": {"Unable to locate credentials. " + secret, "",
			"text with spaces or several lines, as an error of the plugin would be: run its command by itself"},
		"an HTML page":      {"<html>\n" + secret + "</html>", "", "several lines"},
		"two tokens":        {secret + "\n" + secret, "", "several lines"},
		"broken":            {v1 + `{"token":"` + secret, "", "begins as JSON and is none that a credential plugin prints"},
		"another kind":      {`{"kind":"TokenRequest","status":{"token":"` + secret + `"}}`, "", "kind is not ExecCredential"},
		"no kind":           {`{"access_token":"` + secret + `"}`, "", "or the token alone"},
		"wrong type":        {v1 + `["` + secret + `"]}`, "", "none that a credential plugin prints"},
		"kubeconfig":        {"apiVersion: v1\nkind: Config\nusers: [" + secret + "]", "", "a kubeconfig goes to --kubeconfig"},
		"kubeconfig, JSON":  {`{"kind":"Config","users":["` + secret + `"]}`, "", "holds a kubeconfig, which goes to --kubeconfig"},
		"unknown version":   {strings.Replace(v1, "/v1", "/v9", 1) + `{"token":"` + secret + `"}}`, "", "v1 and v1beta1"},
		"no status":         {v1 + `null}`, "", "so the plugin did not log in"},
		"empty status":      {v1 + `{}}`, "", "so the plugin did not log in"},
		"bad token":         {v1 + `{"token":"` + secret + `\n` + secret + `"}}`, "", "characters that no token has"},
		"certificate":       {status(certificate, key), "", ""},
		"certificate alone": {status(certificate, ""), "", "go together"},
		"another's key":     {status(certificate, otherKey), "", "no pair"},
		"no PEM":            {status(secret, secret), "", "no pair"},
		"old certificate":   {status(oldCertificate, oldKey), "", "expired on Wed, 25 Nov 2026 11:00:00 UTC"},
	} {
		t.Run(name, func(t *testing.T) {
			user, err := parseCredential(test.text, today)
			if test.want != "" {
				contains(t, err, test.want)
				if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "\n") {
					t.Errorf("tells the secret, or is no sentence: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if token, _ := user["token"].(string); token != test.token {
				t.Errorf("token %q, want %q", token, test.token)
			}
		})
	}
}

func TestWithLogin(t *testing.T) {
	certificate, key := pair(t, today.Add(time.Hour))
	user := login{"client-certificate-data": []byte(certificate), "client-key-data": []byte(key)}
	const text = `{contexts: [{name: other, context: {cluster: x, user: x}}, {name: main, context: {cluster: c, user: u, namespace: shop}}],
clusters: [{name: x, cluster: {server: "https://x"}},
  {name: c, cluster: {server: "https://c", certificate-authority-data: QQ==, tls-server-name: k}}],
users: [{name: x, user: {token: other}}, {name: u, user: {exec: {command: aws}, as: jane, as-groups: [devs], token: old}}]}`
	out, err := withLogin([]byte(text), "main", user)
	if err != nil {
		t.Fatal(err)
	}
	var config, want map[string]any
	if err := yaml.Unmarshal(out, &config); err != nil {
		t.Fatal(err)
	}
	encoded := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	err = yaml.Unmarshal([]byte(`{apiVersion: v1, kind: Config,
contexts: [{name: main, context: {cluster: c, user: credential, namespace: shop}}],
clusters: [{name: c, cluster: {server: "https://c", certificate-authority-data: QQ==, tls-server-name: k}}],
users: [{name: credential, user: {as: jane, as-groups: [devs], client-certificate-data: `+encoded(certificate)+`,
  client-key-data: `+encoded(key)+`}}]}`), &want)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(config), fmt.Sprint(want); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	// What kubectl reads, this program does.
	w, err := choose(out, Target{}, surroundings{now: today})
	if err != nil || w.context != "main" {
		t.Error(w, err)
	}
}

func TestLogIn(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	w := way{context: "main", flags: []string{"--context=main"}}
	remove, err := w.logIn([]byte(config(`server: "https://k8s.example.com"`, "")), login{"token": "let-me-in"})
	if err != nil {
		t.Fatal(err)
	}
	file, found := strings.CutPrefix(w.flags[0], "--kubeconfig=")
	info, err := os.Stat(file)
	if !found || err != nil || info.Mode().Perm() != 0o600 || w.flags[1] != "--context=main" {
		t.Error(w.flags, info, err)
	}
	remove()
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Error("the credential is left behind", err)
	}
}

// A login of another's makes the kubeconfig's own no reason to refuse it.
func TestChooseWithLogin(t *testing.T) {
	text := config(`server: "https://k8s.example.com"`, "exec: {command: aws}, client-key: /gone")
	if _, err := choose([]byte(text), Target{}, surroundings{hasLogin: true, hasProgram: func(string) bool { return false }}); err != nil {
		t.Error(err)
	}
}

func TestReadLogin(t *testing.T) {
	if user, err := readLogin("", today); user != nil || err != nil {
		t.Error(user, err)
	}
	_, err := readLogin(filepath.Join(t.TempDir(), "gone"), today)
	contains(t, err, "--credential cannot be read")
}
