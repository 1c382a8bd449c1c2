package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// front is what every client of the registry meets. Behind it are two registries that share no
// manifest: the stand-ins, which nothing that comes over the wire can change, and what was published.
type front struct {
	registryOf map[string]string // of the repositories that stand in: whose they are
	standIns   http.Handler
	published  http.Handler
}

// endpoint is every path that the registry knows below a repository's name. It is compared with the
// path as it was sent, so no way of writing one leads past the rules.
var endpoint = regexp.MustCompile(`^/v2/([^/]+(?:/[^/]+)*?)/(?:manifests/[^/]+|blobs/[^/]+|blobs/uploads/?|blobs/uploads/[^/]+|tags/list)$`)

// publishable are the names that can be pushed to. They have one part, since those of two or more are
// public images' as well: of docker.io, ghcr.io, quay.io.
var publishable = regexp.MustCompile(`^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$`)

func (f front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Host != "" || r.URL.RawPath != "" {
		deny(w, http.StatusBadRequest, "NAME_INVALID", "the lab's registry is no proxy, and takes no escapes in paths")
		return
	}
	reading := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch r.URL.Path {
	case "/v2", "/v2/", "/v2/_catalog":
		if !reading {
			deny(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "%q is only read", r.URL.Path)
			return
		}
		f.published.ServeHTTP(w, r)
		return
	}
	match := endpoint.FindStringSubmatch(r.URL.Path)
	if match == nil {
		deny(w, http.StatusNotFound, "NAME_INVALID", "no registry has %q", r.URL.Path)
		return
	}
	repository := match[1]
	registry, standsIn := f.registryOf[repository]
	switch {
	case !reading && (standsIn || !publishable.MatchString(repository)):
		deny(w, http.StatusForbidden, "DENIED",
			"%q may be the name of a public image, which only the lab itself makes: publish to a name of one part, as in %s/hello",
			repository, localAddress(r))
	case reading && standsIn && !onlyFrom(r.URL.Query()["ns"], func(ns string) bool { return ns == registry }),
		!standsIn && !onlyFrom(r.URL.Query()["ns"], func(ns string) bool { return !public(ns) }):
		deny(w, http.StatusNotFound, "NAME_UNKNOWN", "the lab has no %q of %q", repository, r.URL.Query().Get("ns"))
	case standsIn:
		f.standIns.ServeHTTP(w, r)
	default:
		f.published.ServeHTTP(w, r)
	}
}

// onlyFrom says whether all registries that a client names are as they should be. A client that pulls
// through a mirror names the registry that the image is of in the parameter ns; others name none.
func onlyFrom(names []string, wanted func(string) bool) bool {
	for _, name := range names {
		if !wanted(name) {
			return false
		}
	}
	return true
}

// public says whether a registry's name can be one of the internet's.
func public(registry string) bool {
	host, _, err := net.SplitHostPort(registry)
	if err != nil {
		host = registry
	}
	_, err = netip.ParseAddr(strings.Trim(host, "[]"))
	return err != nil && strings.Contains(host, ".")
}

// localAddress is where the request came in.
func localAddress(r *http.Request) string {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return a.String()
	}
	return r.Host
}

// deny answers as registries do.
func deny(w http.ResponseWriter, status int, code, format string, args ...any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fault := map[string]string{"code": code, "message": fmt.Sprintf(format, args...)}
	// A client that is gone needs no answer.
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{fault}})
}

// pullOnly is the way to the registry at address for the cluster's node. Every pod of the node's network
// has it too, and none of them has anything to publish.
func pullOnly(address string, dial func(ctx context.Context, network, address string) (net.Conn, error)) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: address})
		},
		Transport: &http.Transport{DialContext: dial},
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			deny(w, http.StatusForbidden, "DENIED", "the cluster only pulls; publish from the machine")
			return
		}
		proxy.ServeHTTP(w, r)
	})
}
