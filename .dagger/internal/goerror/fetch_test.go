package goerror

import (
	"strings"
	"testing"
)

func TestNotFetched(t *testing.T) {
	tests := []struct{ name, said, without, with string }{
		{"a proxy with a password", "go: git.example.com/a@v1.0.0: reading https://proxy.example.com:8443/git.example.com/a/@v/v1.0.0.mod: 401 Unauthorized",
			"proxy.example.com:8443 wants a login: give --netrc file:$HOME/.netrc, with a line machine proxy.example.com:8443 login",
			"proxy.example.com:8443 does not accept what --netrc has"},
		{"forbidden", "reading https://proxy.example.com/x/@v/list: 403 Forbidden", "proxy.example.com wants a login", "does not accept"},
		{"git over https", "git ls-remote -q origin in /go/pkg/mod/cache/vcs/x: exit status 128:\n\tfatal: could not read Username for 'https://git.example.com': terminal prompts disabled",
			"git.example.com wants a login for the module: give --go-private with the module's path, and --netrc", "git.example.com does not accept"},
		{"a wrong password for git", "remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://git.example.com/team/a/'",
			"wants a login", "does not accept what --netrc has for it"},
		{"a repository by name", "go: git.example.com/priv.git@v1.0.0: no secure protocol found for repository", "wants a login", "does not accept"},
		{"SSH", "git@git.example.com: Permission denied (publickey).\nfatal: Could not read from remote repository.",
			"the host does not accept a key of the SSH agent", "the host does not accept a key of the SSH agent"},
		{"private CA", "Get \"https://proxy.example.com/x\": tls: failed to verify certificate: x509: certificate signed by unknown authority",
			"give its CA with --go-ca", "give its CA with --go-ca"},
		{"not there", "reading https://proxy.example.com/x/@v/v1.0.0.mod: 404 Not Found", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for given, want := range map[bool]string{false: tt.without, true: tt.with} {
				if got := Advice(tt.said, Code{Netrc: given}); (got == "") != (want == "") || !strings.Contains(got, want) {
					t.Errorf("netrc %t: got %q, want %q", given, got, want)
				}
			}
		})
	}
}
