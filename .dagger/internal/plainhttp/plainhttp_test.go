package plainhttp

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// network is one on which somebody blocks TLS, and asks for passwords over plain HTTP.
type network struct {
	mu   sync.Mutex
	seen []string
}

func (n *network) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "https" {
		return nil, errors.New("connection reset")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, password, ok := req.BasicAuth(); ok {
		n.seen = append(n.seen, password)
	}
	return &http.Response{
		StatusCode: http.StatusUnauthorized, Header: http.Header{"Www-Authenticate": {`Basic realm="x"`}},
		Body: io.NopCloser(strings.NewReader("{}")), Request: req,
	}, nil
}

type login struct{}

func (login) Resolve(authn.Resource) (authn.Authenticator, error) {
	return &authn.Basic{Username: "ann", Password: "let-me-in"}, nil
}

func TestPlainHTTPIsRefused(t *testing.T) {
	for host, plain := range map[string]bool{
		"10.1.2.3:5000": false, "172.16.0.1": false, "192.168.1.1:80": false, "registry.local": false, "registry.local:5000": false,
		"registry.test": false, "localhost.evil.test:5000": false,
		"localhost:5000": true, "127.0.0.1:5000": true, "[::1]:5000": true, "registry.localhost:5000": true,
	} {
		t.Run(host, func(t *testing.T) {
			tag, err := name.NewTag(host+"/hello:v1", name.StrictValidation)
			if err != nil {
				t.Fatal(err)
			}
			var n network
			err = remote.CheckPushPermission(tag, login{}, Refuse(&n))
			if len(n.seen) > 0 != plain || plain == errors.Is(err, ErrRefused) && tag.Scheme() == "http" {
				t.Errorf("seen %q, %v", n.seen, err)
			}
		})
	}
}
