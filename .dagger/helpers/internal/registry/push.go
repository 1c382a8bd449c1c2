package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"slipway/helpers/internal/sanitize"
)

const (
	ociIndex    = "application/vnd.oci.image.index.v1+json"
	ociManifest = "application/vnd.oci.image.manifest.v1+json"
)

// Layout is an image index in a directory, in OCI's layout: index.json is the index itself.
type Layout struct {
	Dir   string
	index []byte
}

type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

// OpenLayout reads a layout whose index must have the digest.
func OpenLayout(dir, digest string) (Layout, error) {
	text, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		return Layout{}, err
	}
	sum := sha256.Sum256(text)
	if got := "sha256:" + hex.EncodeToString(sum[:]); got != digest {
		return Layout{}, fmt.Errorf("the image to carry in is %s, not %s", got, digest)
	}
	return Layout{dir, text}, nil
}

var digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func (l Layout) blob(digest string) (string, error) {
	if !digestPattern.MatchString(digest) {
		return "", fmt.Errorf("%q is no digest", digest)
	}
	return filepath.Join(l.Dir, "blobs", "sha256", strings.TrimPrefix(digest, "sha256:")), nil
}

// Pusher talks to one node's copy of the registry.
type Pusher struct {
	Client     *http.Client // leads to that copy
	Repository string       // without the registry
}

// Has says whether the registry has a manifest or an index.
func (p Pusher) Has(ctx context.Context, digest string) (bool, error) {
	resp, err := p.do(ctx, http.MethodHead, p.url("manifests", digest), "", nil, 0)
	if err != nil {
		return false, err
	}
	return resp.StatusCode == http.StatusOK, answer(resp, http.StatusOK, http.StatusNotFound)
}

// Push brings the index, the images it names and their blobs into the registry, and leaves
// out what is there. The index goes last, so that one that is there is whole. It returns
// the number of bytes that were sent.
func (p Pusher) Push(ctx context.Context, l Layout) (sent int64, err error) {
	var index struct{ Manifests []descriptor }
	if err := json.Unmarshal(l.index, &index); err != nil {
		return 0, err
	}
	for _, m := range index.Manifests {
		n, err := p.pushImage(ctx, l, m)
		if sent += n; err != nil {
			return sent, err
		}
	}
	sum := sha256.Sum256(l.index)
	return sent + int64(len(l.index)), p.putManifest(ctx, "sha256:"+hex.EncodeToString(sum[:]), ociIndex, l.index)
}

func (p Pusher) pushImage(ctx context.Context, l Layout, image descriptor) (sent int64, err error) {
	file, err := l.blob(image.Digest)
	if err != nil {
		return 0, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		return 0, err
	}
	for _, d := range append(manifest.Layers, manifest.Config) {
		n, err := p.pushBlob(ctx, l, d)
		if sent += n; err != nil {
			return sent, err
		}
	}
	return sent + int64(len(text)), p.putManifest(ctx, image.Digest, ociManifest, text)
}

func (p Pusher) pushBlob(ctx context.Context, l Layout, d descriptor) (int64, error) {
	resp, err := p.do(ctx, http.MethodHead, p.url("blobs", d.Digest), "", nil, 0)
	if err != nil {
		return 0, err
	}
	if err := answer(resp, http.StatusOK, http.StatusNotFound); err != nil || resp.StatusCode == http.StatusOK {
		return 0, err
	}
	if resp, err = p.do(ctx, http.MethodPost, p.url("blobs", "uploads/"), "", nil, 0); err != nil {
		return 0, err
	}
	if err := answer(resp, http.StatusAccepted); err != nil {
		return 0, err
	}
	to, err := resp.Location()
	if err != nil {
		return 0, err
	}
	query := to.Query()
	query.Set("digest", d.Digest)
	to.RawQuery = query.Encode()
	name, err := l.blob(d.Digest)
	if err != nil {
		return 0, err
	}
	file, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	if resp, err = p.do(ctx, http.MethodPut, to.String(), "application/octet-stream", file, d.Size); err != nil {
		return 0, err
	}
	return d.Size, answer(resp, http.StatusCreated)
}

func (p Pusher) putManifest(ctx context.Context, digest, mediaType string, text []byte) error {
	resp, err := p.do(ctx, http.MethodPut, p.url("manifests", digest), mediaType, bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return err
	}
	return answer(resp, http.StatusCreated)
}

func (p Pusher) url(kind, name string) string {
	u := url.URL{Scheme: "http", Host: Address, Path: "/v2/" + p.Repository + "/" + kind + "/" + name}
	return u.String()
}

// do returns an answer whose body, if it is short, can still be read.
func (p Pusher) do(ctx context.Context, method, to, mediaType string, body io.Reader, size int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, to, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = size
	req.Header.Set("Accept", ociIndex+", "+ociManifest)
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	resp, err := p.Client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	resp.Body = io.NopCloser(bytes.NewReader(text))
	return resp, err
}

// answer is the error of an answer with none of the wanted statuses.
func answer(resp *http.Response, wanted ...int) error {
	for _, status := range wanted {
		if resp.StatusCode == status {
			return nil
		}
	}
	text, _ := io.ReadAll(resp.Body)
	return fmt.Errorf("it answered %s: %s", resp.Status, sanitize.Line(string(text)))
}
