package e2e

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// refusal says why a registry does not take a manifest, by the reference under which it is pushed: ""
// if it does.
type refusal func(r *http.Request, registry, reference string) (string, error)

// refusing puts a server before a registry that refuses some manifests. It returns its address and port.
func refusing(ts *testscript.TestScript, registry string, refuses refusal) (address, port string) {
	target := &url.URL{Scheme: "http", Host: registry}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, reference, manifest := strings.Cut(r.URL.Path, "/manifests/"); r.Method == http.MethodPut && manifest {
			why, err := refuses(r, target.String(), reference)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			if why != "" {
				http.Error(w, `{"errors": [`+why+`]}`, http.StatusBadRequest)
				return
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	ts.Defer(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	ts.Check(err)
	return net.JoinHostPort("localhost", port), port
}

// movesTag refuses to set a tag that is there, whatever it is to mean, as registries with immutable
// tags do.
func movesTag(r *http.Request, registry, reference string) (string, error) {
	if strings.Contains(reference, ":") {
		return "", nil
	}
	ask, err := http.NewRequestWithContext(r.Context(), http.MethodHead, registry+r.URL.Path, nil)
	if err != nil {
		return "", err
	}
	ask.Header.Set("Accept", r.Header.Get("Content-Type"))
	there, err := http.DefaultClient.Do(ask)
	if err != nil {
		return "", err
	}
	if there.StatusCode == http.StatusOK {
		return `{"code": "TAG_INVALID", "message": "the tag is immutable"}`, there.Body.Close()
	}
	return "", there.Body.Close()
}

// isArtifact refuses what registries before OCI 1.1 do not know: a manifest about another one.
func isArtifact(r *http.Request, _, _ string) (string, error) {
	text, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(text))
	if bytes.Contains(text, []byte(`"subject":`)) {
		return `{"code": "MANIFEST_INVALID", "message": "unknown field subject"}`, err
	}
	return "", err
}
