package referrers

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"dagger/slipway/internal/attest"
)

// A registry says in many ways that it has no referrers API. A tag lists what is attached then, also
// where the registry would have answered a push as one with the API does.
func TestNoAPI(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter){
		"not found":         func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) },
		"bad request":       func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadRequest) },
		"no such method":    func(w http.ResponseWriter) { w.WriteHeader(http.StatusMethodNotAllowed) },
		"not acceptable":    func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotAcceptable) },
		"gone":              func(w http.ResponseWriter) { w.WriteHeader(http.StatusGone) },
		"unsupported":       func(w http.ResponseWriter) { w.WriteHeader(http.StatusUnsupportedMediaType) },
		"not implemented":   func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotImplemented) },
		"a page for people": func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>Welcome</html>")) },
		"another document":  func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"errors":[]}`)) },
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t, false)
			h.before = func(w http.ResponseWriter, r *http.Request) bool {
				hit := strings.Contains(r.URL.Path, "/referrers/")
				if hit {
					answer(w)
				}
				return hit
			}
			h.attach([]byte("one"))
			h.attach([]byte("two"))
			if got, err := h.read(); err != nil || len(got) != 2 {
				t.Errorf("read %q, %v", got, err)
			}
		})
	}
}

// pages lists descriptors as a registry does, so many on a page, of a content type, with links made of
// path and query of the next one.
func (h *house) pages(all []v1.Descriptor, size int, contentType, link string) {
	h.before = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/referrers/") {
			return false
		}
		from, _ := strconv.Atoi(r.URL.Query().Get("from"))
		to := min(from+size, len(all))
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("OCI-Filters-Applied", "artifactType")
		if to < len(all) {
			w.Header().Add("Link", `</elsewhere>; rel="help"`)
			w.Header().Add("Link", strings.ReplaceAll(fmt.Sprintf(link, r.URL.Path+"?from="+strconv.Itoa(to)), "HOST", r.Host))
		}
		_ = json.NewEncoder(w).Encode(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: all[from:to]})
		return true
	}
}

// The signature is found on whatever page it is, and among whatever others attach.
func TestPages(t *testing.T) {
	const index = string(types.OCIImageIndex)
	for name, c := range map[string]struct {
		others            int
		artifactType      string
		size              int
		contentType, link string
		want              string
	}{
		"one page":            {3, "", 100, index, "", ""},
		"many pages":          {5, "", 1, index, `<%s>; rel="next"`, ""},
		"without quotes":      {5, "", 2, index, `<%s>; rel=next`, ""},
		"with a parameter":    {5, "", 2, index, `<%s>; title="x"; rel="next"`, ""},
		"with a charset":      {3, "", 100, index + "; charset=utf-8", "", ""},
		"with another scheme": {5, "", 2, index, `<https://HOST%s>; rel="next"`, ""},
		"only JSON":           {3, "", 2, "application/json", `<%s>; rel="next"`, ""},
		"a thousand reports":  {1000, "application/vnd.example.report+json", 50, index, `<%s>; rel="next"`, ""},
		"a thousand bundles":  {1000, attest.BundleType, 50, index, `<%s>; rel="next"`, "1001 artifacts that may be signatures"},
		"noted by older ones": {1000, string(emptyType), 50, index, `<%s>; rel="next"`, "1001 artifacts"},
		"at another host":     {5, "", 2, index, `<https://other.test%s>; rel="next"`, `goes on at "https://other.test/v2/hello/referrers/`},
		"in a circle":         {500, "", 1, index, `<%s>; rel="next"`, "more than 100 pages"},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t, true)
			h.attach([]byte("ours"))
			ours := must(List(t.Context(), must(remote.NewPuller(h.options()...))(t), h.image(0)))(t)
			var all []v1.Descriptor
			for n := range c.others {
				digest, _, err := v1.SHA256(strings.NewReader(strconv.Itoa(n)))
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: digest, ArtifactType: c.artifactType})
			}
			all = append(all, v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: ours[0], ArtifactType: attest.BundleType})
			h.pages(all, c.size, c.contentType, c.link)
			got, err := h.read()
			switch {
			case c.want == "" && (err != nil || len(got) != 1 || string(got[0]) != "ours"):
				t.Errorf("read %q, %v", got, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// A list that breaks off is not a shorter one.
func TestListBreaksOff(t *testing.T) {
	for status, want := range map[int]string{401: ": 401: ", 404: "page 2 of the list", 405: "page 2 of the list", 500: "answered 500", 200: "is no JSON"} {
		h := open(t, true)
		h.attach([]byte("ours"))
		all := slices.Repeat([]v1.Descriptor{{MediaType: types.OCIManifestSchema1, Digest: h.images[1].Digest}}, 2)
		h.pages(all, 1, string(types.OCIImageIndex), `<%s>; rel="next"`)
		listed := h.before
		h.before = func(w http.ResponseWriter, r *http.Request) bool {
			if !r.URL.Query().Has("from") {
				return listed(w, r)
			}
			w.WriteHeader(status)
			return true
		}
		_, err := h.read()
		if err == nil {
			t.Errorf("%d: nothing was refused", status)
			continue
		}
		if said := ReadCause(h.image(0), err, "log in").Error(); !strings.Contains(said, want) || errors.Is(err, ErrNoImage) {
			t.Errorf("%d: said %q, want %q", status, said, want)
		}
	}
}
