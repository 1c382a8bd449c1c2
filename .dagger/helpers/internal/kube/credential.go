package kube

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"sigs.k8s.io/yaml"
)

// credentialEnv names the file with what was given as --credential. As with KUBECONFIG,
// the credential itself is in no variable.
const credentialEnv = "SLIPWAY_CREDENTIAL"

// execGroup is the API of credential plugins. All its versions have the same status.
const execGroup = "client.authentication.k8s.io/"

const adviseCredential = "run its command by itself and see what it prints"

// login is a user entry of a kubeconfig that holds all it takes.
type login map[string]any

// readLogin is what --credential gave, nil if it gave nothing.
func readLogin(file string, now time.Time) (login, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--credential cannot be read: %w", err)
	}
	return parseCredential(string(text), now)
}

// parseCredential makes a login of what a credential plugin prints, or of a bare token.
// No error shows any of it.
func parseCredential(text string, now time.Time) (login, error) {
	text = strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))
	switch {
	case text == "":
		return nil, errors.New("--credential is empty: " + adviseCredential)
	case strings.HasPrefix(text, "{"):
		return parseExecCredential(text, now)
	case strings.HasPrefix(text, "apiVersion:") || strings.HasPrefix(text, "kind:"):
		return nil, errors.New("--credential holds YAML, such as a kubeconfig: a kubeconfig goes to --kubeconfig, " +
			"and --credential takes what a credential plugin prints, or a token")
	case strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII || r <= ' ' || r == 0x7f }):
		return nil, errors.New("--credential holds no token but text with spaces or several lines, as an error of the plugin would be: " +
			adviseCredential)
	}
	if end, known := tokenEnd(text); known && !now.Before(end) {
		return nil, expiredCredential(end)
	}
	return login{"token": text}, nil
}

// execCredential is what credential plugins print.
type execCredential struct {
	APIVersion, Kind string
	Status           *struct {
		Token       string
		Certificate string `json:"clientCertificateData"`
		Key         string `json:"clientKeyData"`
		Expiration  string `json:"expirationTimestamp"`
	}
}

func parseExecCredential(text string, now time.Time) (login, error) {
	var c execCredential
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return nil, errors.New("--credential begins as JSON and is none that a credential plugin prints: " + adviseCredential)
	}
	switch {
	case c.Kind == "Config":
		return nil, errors.New("--credential holds a kubeconfig, which goes to --kubeconfig: " +
			"--credential takes what a credential plugin prints, or a token")
	case c.Kind != "ExecCredential":
		return nil, errors.New("--credential holds JSON whose kind is not ExecCredential: " +
			"give what a credential plugin prints, or the token alone, without JSON around it")
	case !slices.Contains([]string{execGroup + "v1", execGroup + "v1beta1", execGroup + "v1alpha1"}, c.APIVersion):
		return nil, errors.New("--credential holds an ExecCredential whose apiVersion is none of client.authentication.k8s.io/v1 and v1beta1: " +
			"use a version of the plugin that prints one of these, or give the token alone")
	case c.Status == nil || c.Status.Token == "" && c.Status.Certificate == "" && c.Status.Key == "":
		return nil, errors.New("--credential holds an ExecCredential without a token or certificate, so the plugin did not log in: " +
			adviseCredential)
	case (c.Status.Certificate == "") != (c.Status.Key == ""):
		return nil, errors.New("--credential holds only one of clientCertificateData and clientKeyData, which go together: " + adviseCredential)
	}
	if c.Status.Expiration != "" {
		end, err := time.Parse(time.RFC3339, c.Status.Expiration)
		if err != nil {
			return nil, errors.New("--credential holds an expirationTimestamp that is no time as in 2006-01-02T15:04:05Z: " + adviseCredential)
		}
		if !now.Before(end) {
			return nil, expiredCredential(end)
		}
	}
	user := login{}
	if token := c.Status.Token; token != "" {
		if strings.ContainsFunc(token, func(r rune) bool { return r > unicode.MaxASCII || r <= ' ' || r == 0x7f }) {
			return nil, errors.New("--credential holds a token with characters that no token has: " + adviseCredential)
		}
		if end, known := tokenEnd(token); known && !now.Before(end) {
			return nil, expiredCredential(end)
		}
		user["token"] = token
	}
	if c.Status.Certificate != "" {
		if err := checkPair(c.Status.Certificate, c.Status.Key, now); err != nil {
			return nil, err
		}
		user["client-certificate-data"] = []byte(c.Status.Certificate) // marshals as base64
		user["client-key-data"] = []byte(c.Status.Key)
	}
	return user, nil
}

func checkPair(certificate, key string, now time.Time) error {
	if _, err := tls.X509KeyPair([]byte(certificate), []byte(key)); err != nil {
		return errors.New("--credential holds a client certificate and key that are no pair in PEM: " + adviseCredential)
	}
	block, _ := pem.Decode([]byte(certificate))
	if parsed, err := x509.ParseCertificate(block.Bytes); err == nil && now.After(parsed.NotAfter) {
		return expiredCredential(parsed.NotAfter)
	}
	return nil
}

func expiredCredential(end time.Time) error {
	return fmt.Errorf("the credential that --credential gives expired on %s: get a new one, as cmd: does at each call",
		end.UTC().Format(time.RFC1123))
}

// tokenEnd is when a JSON Web Token expires, false for one that does not say, or of
// another kind.
func tokenEnd(token string) (time.Time, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct{ Exp *float64 }
	if err != nil || json.Unmarshal(payload, &claims) != nil || claims.Exp == nil {
		return time.Time{}, false
	}
	return time.Unix(int64(*claims.Exp), 0), true
}

// withLogin is a kubeconfig of nothing but the named context, with another way to log
// in. Whom the user acts as stays: that is no credential.
func withLogin(text []byte, context string, user login) ([]byte, error) {
	var whole map[string]any
	if err := yaml.Unmarshal(text, &whole); err != nil {
		return nil, err
	}
	chosen := entry(whole, "contexts", "context", context)
	cluster, _ := chosen["cluster"].(string)
	userName, _ := chosen["user"].(string)
	for key, value := range entry(whole, "users", "user", userName) {
		if key == "as" || strings.HasPrefix(key, "as-") {
			user[key] = value
		}
	}
	named := func(kind, name string, value any) []any { return []any{map[string]any{"name": name, kind: value}} }
	changed := map[string]any{"cluster": cluster, "user": "credential"}
	if chosen["namespace"] != nil {
		changed["namespace"] = chosen["namespace"]
	}
	return yaml.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config",
		"contexts": named("context", context, changed),
		"clusters": named("cluster", cluster, entry(whole, "clusters", "cluster", cluster)),
		"users":    named("user", "credential", user),
	})
}

// entry is one of a kubeconfig's named clusters, contexts or users, nil if there is none.
func entry(config map[string]any, list, kind, name string) map[string]any {
	items, _ := config[list].([]any)
	for _, item := range items {
		named, _ := item.(map[string]any)
		if named["name"] == name {
			value, _ := named[kind].(map[string]any)
			return value
		}
	}
	return nil
}

// logIn writes the kubeconfig that has the login to a file in $HOME, which in the
// container is a tmpfs, and has kubectl use it.
func (w *way) logIn(text []byte, user login) (remove func(), err error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, fmt.Errorf("no place for the credential: %w", err)
	}
	if text, err = withLogin(text, w.context, user); err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(home, "kubeconfig-") // only this user may read it
	if err != nil {
		return nil, fmt.Errorf("no place for the credential: %w", err)
	}
	_, err = file.Write(text)
	if err = cmp.Or(err, file.Close()); err != nil {
		return nil, err
	}
	w.flags = append([]string{"--kubeconfig=" + filepath.Clean(file.Name())}, w.flags...)
	return func() { _ = os.Remove(file.Name()) }, nil
}
