package e2e

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// immutableTags puts a server before a registry that refuses to set a tag which is there, whatever
// it is to mean, as registries with immutable tags do. It returns its address and port.
func immutableTags(ts *testscript.TestScript, registry string) (address, port string) {
	target := &url.URL{Scheme: "http", Host: registry}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, reference, manifest := strings.Cut(r.URL.Path, "/manifests/")
		if r.Method == http.MethodPut && manifest && !strings.Contains(reference, ":") {
			ask, err := http.NewRequestWithContext(r.Context(), http.MethodHead, target.String()+r.URL.Path, nil)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			ask.Header.Set("Accept", r.Header.Get("Content-Type"))
			there, err := http.DefaultClient.Do(ask)
			if err == nil && there.Body.Close() == nil && there.StatusCode == http.StatusOK {
				http.Error(w, `{"errors": [{"code": "TAG_INVALID", "message": "the tag is immutable"}]}`, http.StatusBadRequest)
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
