package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const written = `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: YXV0aG9yaXR5
    server: https://127.0.0.1:6443
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
preferences: {}
users:
- name: default
  user:
    client-certificate-data: Y2VydA==
    client-key-data: c2VjcmV0
`

func TestPlain(t *testing.T) {
	out, err := plain([]byte(written))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(written, "preferences: {}\n", "", 1)
	if string(out) != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

// What kubectl obeys in a kubeconfig, and what could lead it elsewhere.
func TestPlainRefuses(t *testing.T) {
	key := "    client-key-data: c2VjcmV0\n"
	address := "    server: https://127.0.0.1:6443\n"
	for name, c := range map[string]struct{ old, new, want string }{
		"a program":          {key, key + "    exec: {command: sh, args: [-c, id], apiVersion: client.authentication.k8s.io/v1}\n", "other fields"},
		"a provider":         {key, key + "    auth-provider: {name: gcp, config: {cmd-path: /bin/sh}}\n", "other fields"},
		"a token":            {key, key + "    token: abc\n", "other fields"},
		"a token's file":     {key, key + "    tokenFile: /run/secrets/x\n", "other fields"},
		"a key's file":       {key, "    client-key: /run/secrets/x\n", "other fields"},
		"somebody else":      {key, key + "    as: system:admin\n", "other fields"},
		"a proxy":            {address, address + "    proxy-url: http://192.0.2.1\n", "other fields"},
		"no verification":    {address, address + "    insecure-skip-tls-verify: true\n", "other fields"},
		"a file's authority": {address, address + "    certificate-authority: /etc/x\n", "other fields"},
		"extensions":         {address, address + "    extensions: []\n", "other fields"},
		"a second exec":      {"users:\n", "users:\n- name: b\n  user: {client-certificate-data: AA==, client-key-data: AA==}\n", "one user"},
		"no user":            {"  user:\n    client-certificate-data: Y2VydA==\n" + key, "", "one user"},
		"another server":     {address, "    server: https://192.0.2.1:6443\n", "its server is not https://127.0.0.1:6443"},
		"plain HTTP":         {address, "    server: http://127.0.0.1:6443\n", "its server is not"},
		"a field twice":      {address, address + address, "other fields"},
		"no YAML":            {"apiVersion: v1\n", "\tc2VjcmV0", "other fields"},
		"not base64":         {"c2VjcmV0", "?secret?", "other fields"},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.Count(written, c.old) != 1 {
				t.Fatalf("%q is not once in the kubeconfig", c.old)
			}
			out, err := plain([]byte(strings.Replace(written, c.old, c.new, 1)))
			if err == nil {
				t.Fatalf("taken as\n%s", out)
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "ecret") {
				t.Errorf("got %q, want %q in it, and no key", err, c.want)
			}
		})
	}
}

func TestCopyPlain(t *testing.T) {
	dir := t.TempDir()
	path := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	good := path("good", written)
	link := filepath.Join(dir, "link")
	if err := os.Symlink(good, link); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ from, want string }{
		"a file":      {good, ""},
		"none":        {filepath.Join(dir, "none"), "has written no kubeconfig"},
		"empty":       {path("empty", ""), "has written no kubeconfig"},
		"a link":      {link, "symbolic links"},
		"a directory": {dir, "not a plain file"},
		"too large":   {path("large", strings.Repeat("#", maxSize+1)), "not a plain file of 64 KiB at most"},
	} {
		t.Run(name, func(t *testing.T) {
			to := filepath.Join(t.TempDir(), "out")
			err := copyPlain(c.from, to, 0)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(to); err != nil || info.Mode() != 0o600 {
				t.Errorf("got %v, %v", info.Mode(), err)
			}
		})
	}
}
