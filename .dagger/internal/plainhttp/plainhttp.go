// Package plainhttp keeps passwords and images off networks on which anybody reads them and
// answers in a registry's place.
package plainhttp

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
)

// ErrRefused is that a registry was to be asked over plain HTTP.
var ErrRefused = errors.New("it does not answer over TLS, and nothing is sent in the clear to another machine: " +
	"mend its certificate, or give --plain-http if nobody else is on the way")

// Refuse is a way that has no plain HTTP but to this machine. What go-containerregistry takes for
// local is more: private addresses and names that end in .local, if they do not answer over TLS.
// That is what somebody between sees to.
func Refuse(way http.RoundTripper) http.RoundTripper { return refusing{way} }

type refusing struct{ way http.RoundTripper }

func (r refusing) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && !isLoopback(req.URL.Hostname()) {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, ErrRefused
	}
	return r.way.RoundTrip(req)
}

func isLoopback(host string) bool {
	if address, err := netip.ParseAddr(host); err == nil {
		return address.Unmap().IsLoopback()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
