package goerror

import (
	"regexp"
	"strings"
)

var (
	refused   = regexp.MustCompile(`reading https?://([^/\s]+)/\S+: 40[13] `)
	passwords = regexp.MustCompile(`could not read Username for '?https?://([^/\s']+)|HTTP Basic: Access denied|no secure protocol found for repository|Authentication failed for '?https?://([^/\s']+)`)
	authority = regexp.MustCompile(`x509: certificate signed by unknown authority|server certificate verification failed|SSL certificate problem`)
)

const netrcLine = "--netrc file:$HOME/.netrc, with a line machine HOST login NAME password PASSWORD"

// notFetched says what to do about a module that did not come.
func notFetched(said string, code Code) string {
	if m := refused.FindStringSubmatch(said); m != nil {
		if code.Netrc {
			return m[1] + " does not accept what --netrc has for it: look for a line that begins with machine " + m[1]
		}
		return m[1] + " wants a login: give " + strings.Replace(netrcLine, "HOST", m[1], 1)
	}
	if m := passwords.FindStringSubmatch(said); m != nil {
		host := m[1] + m[2]
		if host == "" {
			host = "the host"
		}
		if code.Netrc {
			return host + " does not accept what --netrc has for it: look for a line that begins with machine " + host
		}
		return host + " wants a login for the module: give --go-private with the module's path, and " +
			strings.Replace(netrcLine, "HOST", host, 1) + ", or --ssh-agent $SSH_AUTH_SOCK"
	}
	switch {
	case strings.Contains(said, "Permission denied (publickey"):
		return "the host does not accept a key of the SSH agent: ssh-add -l lists those that it has"
	case authority.MatchString(said):
		return "the certificate of where modules come from is of an authority that is not known here: give its CA with --go-ca"
	}
	return ""
}
