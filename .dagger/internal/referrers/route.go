package referrers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	// pageLimit is how many pages of a list are read, and pageSize how many bytes of each.
	pageLimit = 100
	pageSize  = 4 << 20
)

// Route gives a registry's list of what is attached the form that go-containerregistry reads:
// all pages are one answer, and a registry without such a list answers 404, whatever it says
// itself. Of several pages it would read the first alone, and take a signature on the second for none.
func Route(next http.RoundTripper) http.RoundTripper { return route{next} }

type route struct{ next http.RoundTripper }

func (r route) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method != http.MethodGet || !strings.Contains(request.URL.Path, "/referrers/sha") {
		return r.next.RoundTrip(request)
	}
	all := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{}}
	page := request
	for n := 1; n <= pageLimit; n++ {
		answer, err := r.next.RoundTrip(page)
		if err != nil {
			return nil, err
		}
		if answer.StatusCode != http.StatusOK {
			if n == 1 && without(answer.StatusCode) {
				return respond(request, http.StatusNotFound, nil, answer.Body.Close())
			}
			if without(answer.StatusCode) {
				err := fmt.Errorf("page %d of the list of what is attached is not there (%d)", n, answer.StatusCode)
				return nil, errors.Join(err, answer.Body.Close())
			}
			return answer, nil
		}
		text, err := io.ReadAll(io.LimitReader(answer.Body, pageSize+1))
		if err = errors.Join(err, answer.Body.Close()); err != nil {
			return nil, err
		}
		var list v1.IndexManifest
		switch err := json.Unmarshal(text, &list); {
		case len(text) > pageSize:
			return nil, fmt.Errorf("the list of what is attached has a page of more than %d MiB", pageSize>>20)
		case n == 1 && (err != nil || list.SchemaVersion != 2) && !isIndex(answer):
			return respond(request, http.StatusNotFound, nil, nil) // It is a page for people.
		case err != nil:
			return nil, errors.New("the list of what is attached is no JSON")
		}
		all.Manifests = append(all.Manifests, list.Manifests...)
		following, err := following(page, answer)
		if err != nil {
			return nil, err
		}
		if following == nil {
			text, err := json.Marshal(all)
			return respond(request, http.StatusOK, text, err)
		}
		page = request.Clone(request.Context())
		page.URL = following
	}
	return nil, fmt.Errorf("the list of what is attached has more than %d pages", pageLimit)
}

// without says whether a status means that there is no such list in the registry.
func without(status int) bool {
	switch status {
	case http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusGone,
		http.StatusUnsupportedMediaType, http.StatusNotImplemented:
		return true
	}
	return false
}

func isIndex(answer *http.Response) bool {
	kind, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	return strings.TrimSpace(kind) == string(types.OCIImageIndex)
}

var nextLink = regexp.MustCompile(`<([^<>]*)>\s*;[^,]*\brel="?next\b`)

// following is where a list goes on, nil where it ends. The request has the login with it, so that
// no other server is asked.
func following(page *http.Request, answer *http.Response) (*url.URL, error) {
	found := nextLink.FindStringSubmatch(strings.Join(answer.Header.Values("Link"), ", "))
	if found == nil {
		return nil, nil
	}
	next, err := page.URL.Parse(found[1])
	if err != nil || strings.TrimSuffix(next.Host, ":443") != strings.TrimSuffix(page.URL.Host, ":443") {
		return nil, fmt.Errorf("the list of what is attached goes on at %.200q, which is not the registry", found[1])
	}
	next.Scheme, next.Host = page.URL.Scheme, page.URL.Host // Behind a proxy that ends TLS it may not know its own scheme.
	return next, nil
}

// respond is an answer in the registry's place.
func respond(request *http.Request, status int, body []byte, err error) (*http.Response, error) {
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {string(types.OCIImageIndex)}},
		Body:   io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: request,
	}, nil
}
