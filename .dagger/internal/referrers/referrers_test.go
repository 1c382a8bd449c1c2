package referrers

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"dagger/slipway/internal/attest"
)

type image = v1.Descriptor

// house is a registry with two images in it.
type house struct {
	t      *testing.T
	repo   name.Repository
	pusher *remote.Pusher
	images [2]image
	before func(w http.ResponseWriter, r *http.Request) bool // answers in the registry's place
}

func open(t *testing.T, api bool) *house {
	t.Helper()
	h := &house{t: t}
	real := registry.New(registry.WithReferrersSupport(api), registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.before == nil || !h.before(w, r) {
			real.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	repo, err := name.NewRepository(strings.TrimPrefix(server.URL, "http://") + "/hello")
	if err != nil {
		t.Fatal(err)
	}
	h.repo, h.pusher = repo, must(remote.NewPusher(h.options()...))(t)
	for i := range h.images {
		layer := static.NewLayer(fmt.Append(nil, "image ", i), types.OCILayer)
		img := must(mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), layer))(t)
		index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex),
			mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}})
		h.images[i] = *must(partial.Descriptor(index))(t)
		if err := h.pusher.Push(t.Context(), repo.Digest(h.images[i].Digest.String()), index); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// options do without waiting between attempts.
func (h *house) options() []remote.Option {
	return []remote.Option{remote.WithRetryBackoff(remote.Backoff{Steps: 1}), remote.WithTransport(Route(remote.DefaultTransport))}
}

func (h *house) image(i int) name.Digest { return h.repo.Digest(h.images[i].Digest.String()) }

func bundle(content []byte) Artifact {
	return Artifact{Type: attest.BundleType, MediaType: attest.BundleType, Content: content}
}

func (h *house) attach(contents ...[]byte) {
	h.t.Helper()
	for _, content := range contents {
		must(Attach(h.t.Context(), h.pusher, h.repo, h.images[0], bundle(content)))(h.t)
	}
}

func (h *house) read() ([][]byte, error) {
	h.t.Helper()
	puller := must(remote.NewPuller(h.options()...))(h.t)
	return Read(h.t.Context(), puller, h.image(0), attest.BundleType)
}

func (h *house) count() int {
	h.t.Helper()
	return len(must(List(h.t.Context(), must(remote.NewPuller(h.options()...))(h.t), h.image(0)))(h.t))
}

const (
	source   = "https://github.com/acme/hello"
	evil     = "https://github.com/evil/hello"
	revision = "0123456789012345678901234567890123456789"
)

// signer makes bundles with a key of its own.
type signer struct {
	t   *testing.T
	key *ecdsa.PrivateKey
}

func (s signer) sign(predicateType string, predicate any, of v1.Descriptor) []byte {
	s.t.Helper()
	text := must(attest.State(predicateType, predicate, attest.Image("", of.Digest.String())))(s.t)
	return must(attest.Sign(s.key, text))(s.t)
}

func (s signer) signature(of v1.Descriptor) []byte { return s.sign(attest.Signature, struct{}{}, of) }
func (s signer) sbom(of v1.Descriptor) []byte      { return s.sign(attest.SBOM, struct{}{}, of) }
func (s signer) built(of v1.Descriptor, from string) []byte {
	parameters := attest.Parameters{Source: from, Revision: revision, GoImage: "golang@sha256:00"}
	return s.sign(attest.Provenance, attest.Built(parameters, "go1.26.8"), of)
}

func both(t *testing.T, test func(t *testing.T, h *house)) {
	for mode, api := range map[string]bool{"referrers API": true, "fallback tag": false} {
		t.Run(mode, func(t *testing.T) { test(t, open(t, api)) })
	}
}

// Every way to tamper with what is attached, through a registry and back.
func TestTampering(t *testing.T) {
	ours := signer{t, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)}
	theirs := signer{t, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)}
	edited := func(content []byte) []byte {
		return bytes.Replace(content, []byte(`"payload":"ey`), []byte(`"payload":"eX`), 1)
	}
	large := func(content []byte) []byte { return append(bytes.Repeat([]byte(" "), contentLimit), content...) }

	for name, c := range map[string]struct {
		attach func(h *house, this, other image)
		source string
		commit string
		want   string
	}{
		"good": {func(h *house, i, _ image) {
			h.attach(ours.sbom(i))
			h.attach(ours.built(i, source))
			h.attach(ours.signature(i))
		}, source, revision, ""},
		"among garbage": {func(h *house, i, _ image) {
			h.attach([]byte("garbage"))
			h.attach(theirs.signature(i))
			h.attach(large(theirs.signature(i)))
			must(Attach(t.Context(), h.pusher, h.repo, i, Artifact{"text/plain", "text/plain", ours.signature(i), nil}))(t)
			h.attach(ours.built(i, source))
			h.attach(ours.signature(i))
		}, source, "", ""},
		"nothing": {func(*house, image, image) {

		}, "", "", "is not signed: publish it with --sign-key. Was it copied?"},
		"by another key": {func(h *house, i, _ image) {
			h.attach(theirs.signature(i))
		}, "", "", "is signed, but not by --verify-key"},
		"of another image": {func(h *house, _, o image) {
			h.attach(ours.signature(o))
		}, "", "", "carries a signature of another image"},
		"edited": {func(h *house, i, _ image) {
			h.attach(edited(ours.signature(i)))
		}, "", "", "is not signed"},
		"too large": {func(h *house, i, _ image) {
			h.attach(large(ours.signature(i)))
		}, "", "", "is not signed"},
		"only an SBOM": {func(h *house, i, _ image) {
			h.attach(ours.sbom(i))
		}, "", "", "has attestations by --verify-key but no signature"},
		"no provenance": {func(h *house, i, _ image) {
			h.attach(ours.signature(i))
		}, source, "", "has no provenance by --verify-key"},
		"provenance by another": {func(h *house, i, _ image) {
			h.attach(ours.signature(i), theirs.built(i, source))
		}, source, "", "has no provenance"},
		"another source": {func(h *house, i, _ image) {
			h.attach(ours.signature(i), ours.built(i, evil))
		}, source, "", `was built from "` + evil},
		"another commit": {func(h *house, i, _ image) {
			h.attach(ours.signature(i), ours.built(i, source))
		}, "", strings.Repeat("f", 40), "was built from commit"},
		"more than is looked at": {func(h *house, i, _ image) {
			h.crowd(ours, i)
		}, "", "", "257 artifacts that may be signatures are attached to the image"},
		"the manifest about another": {func(h *house, i, o image) {
			h.misfile(ours.signature(i), o)
		}, "", "", "is not signed"},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, h *house) {
				c.attach(h, h.images[0], h.images[1])
				bundles, err := h.read()
				if err == nil {
					_, err = attest.Verify(h.image(0).Name(), bundles,
						attest.Policy{Keys: []*ecdsa.PublicKey{&ours.key.PublicKey}, Source: c.source, Revision: c.commit})
				}
				if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
					t.Errorf("error %v, want %q", err, c.want)
				}
			})
		})
	}
}

func (h *house) crowd(s signer, image v1.Descriptor) {
	for n := range attachedLimit {
		h.attach(fmt.Append(nil, "garbage ", n))
	}
	h.attach(s.signature(image))
}

// misfile lists, as attached to the first image, what is attached to another.
func (h *house) misfile(content []byte, other v1.Descriptor) {
	digest := must(Attach(h.t.Context(), h.pusher, h.repo, other, bundle(content)))(h.t)
	text := must(json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{
		{MediaType: types.OCIManifestSchema1, Digest: digest, Size: 1, ArtifactType: attest.BundleType},
	}}))(h.t)
	h.before = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/referrers/") {
			return false
		}
		w.Header().Set("Content-Type", string(types.OCIImageIndex))
		_, _ = w.Write(text)
		return true
	}
}

// Publishing again must add nothing, and repair a list that lost an entry.
func TestAttachAgain(t *testing.T) {
	both(t, func(t *testing.T, h *house) {
		for range 3 {
			h.attach([]byte("one"))
			h.attach([]byte("two"))
		}
		if n := h.count(); n != 2 {
			t.Errorf("%d are attached, want 2", n)
		}
	})
	h := open(t, false)
	h.attach([]byte("one"))
	tag := h.repo.Tag(strings.Replace(h.image(0).DigestStr(), ":", "-", 1))
	if err := h.pusher.Put(t.Context(), tag, mutate.IndexMediaType(empty.Index, types.OCIImageIndex)); err != nil {
		t.Fatal(err)
	}
	if n := h.count(); n != 0 {
		t.Fatalf("%d are attached after the list was lost", n)
	}
	h.attach([]byte("one"))
	if n := h.count(); n != 1 {
		t.Errorf("%d are attached after attaching again", n)
	}
}

// Some registries find the image itself by the tag that lists what is attached.
func TestFallbackIsTheImage(t *testing.T) {
	h := open(t, false)
	h.before = func(_ http.ResponseWriter, r *http.Request) bool {
		r.URL.Path = strings.Replace(r.URL.Path, "/manifests/sha256-", "/manifests/sha256:", 1)
		return false
	}
	if n := h.count(); n != 0 {
		t.Errorf("%d are attached, want none", n)
	}
}

func TestGone(t *testing.T) {
	both(t, func(t *testing.T, h *house) {
		h.attach([]byte("gone"))
		h.attach([]byte("here"))
		blob := static.NewLayer([]byte("gone"), "")
		digest := must(blob.Digest())(t)
		h.before = func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, digest.String()) {
				w.WriteHeader(http.StatusNotFound)
				return true
			}
			return false
		}
		if got, err := h.read(); err != nil || len(got) != 1 || string(got[0]) != "here" {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

// What could not be asked is never taken for unsigned.
func TestReadCause(t *testing.T) {
	for name, c := range map[string]struct {
		path string
		code int
		want string
	}{
		"no credentials, at the door":  {"/v2/", 401, ": 401: check --username and --password"},
		"no credentials, for the list": {"/referrers/", 401, ": 401: check --username and --password"},
		"no rights for the list":       {"/referrers/", 403, ": 403: it does not let you read hello"},
		"no rights for an artifact":    {"/blobs/", 403, ": 403: "},
		"out of order":                 {"/referrers/", 500, ": it answered 500: try again"},
		"an artifact out of order":     {"/blobs/", 500, ": it answered 500"},
		"too often":                    {"/referrers/", 429, ": it answered 429"},
		"no such image":                {"/manifests/sha256:", 404, "is not in the registry: publish first"},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, h *house) {
				h.attach([]byte("one"))
				h.before = func(w http.ResponseWriter, r *http.Request) bool {
					hit := strings.Contains(r.URL.Path, c.path)
					if hit && c.code == 401 {
						w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
					}
					if hit {
						w.WriteHeader(c.code)
					}
					return hit
				}
				_, err := h.read()
				if err == nil {
					t.Fatal("nothing was refused")
				}
				said := ReadCause(h.image(0), err, "check --username and --password").Error()
				if !strings.Contains(said, c.want) || strings.Contains(said, "not signed") || strings.Contains(said, "\n") {
					t.Errorf("said %q, want %q", said, c.want)
				}
			})
		})
	}
	h := open(t, true)
	if got := ReadCause(h.image(0), context.DeadlineExceeded, "").Error(); !strings.Contains(got, "does not answer in time") {
		t.Error(got)
	}
	if got := ReadCause(h.image(0), errors.New("x509: no"), "").Error(); !strings.Contains(got, "for signatures: x509: no") {
		t.Error(got)
	}
}

func TestAttachCause(t *testing.T) {
	for name, c := range map[string]struct {
		method, path string
		code         int
		want         string
	}{
		"refuses artifacts":        {"PUT", "/manifests/sha256:", 400, "the registry refuses artifacts (400): no tag has moved; publish without --sign-key and --attach, or use one"},
		"knows no such manifest":   {"PUT", "/manifests/sha256:", 405, "the registry refuses artifacts (405)"},
		"refuses their content":    {"POST", "/blobs/", 415, "the registry refuses artifacts (415)"},
		"immutable tag":            {"PUT", "/manifests/sha256-", 403, "exempt sha256-* from immutable tags"},
		"immutable tag, conflict":  {"PUT", "/manifests/sha256-", 409, "exempt sha256-* from immutable tags"},
		"no rights":                {"POST", "/blobs/", 403, ""},
		"no credentials":           {"POST", "/blobs/", 401, ""},
		"knows no such subject":    {"PUT", "/manifests/sha256:", 422, "the registry refuses artifacts (422)"},
		"has not written that yet": {"PUT", "/manifests/sha256:", 501, "the registry refuses artifacts (501)"},
		"list out of order":        {"GET", "/referrers/", 500, "the registry answered 500: no tag has moved"},
		"too often":                {"GET", "/referrers/", 429, "the registry answered 429"},
		"no rights for the list":   {"GET", "/referrers/", 403, ""},
		"out of order":             {"PUT", "/manifests/", 500, "the registry answered 500: no tag has moved; publish again"},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t, false)
			h.before = func(w http.ResponseWriter, r *http.Request) bool {
				hit := r.Method == c.method && strings.Contains(r.URL.Path, c.path)
				if hit {
					w.WriteHeader(c.code)
				}
				return hit
			}
			_, err := Attach(t.Context(), h.pusher, h.repo, h.images[0], Artifact{Type: "text/plain", MediaType: "text/plain", Content: []byte("x")})
			if err == nil {
				t.Fatal("nothing was refused")
			}
			said := ""
			if cause := AttachCause(h.repo, err); cause != nil {
				said = cause.Error()
			}
			if (said == "") != (c.want == "") || !strings.Contains(said, c.want) {
				t.Errorf("said %q, want %q", said, c.want)
			}
		})
	}
	if AttachCause(name.Repository{}, errors.New("no route")) != nil {
		t.Error("the network is taken for a registry that refuses artifacts")
	}
}
