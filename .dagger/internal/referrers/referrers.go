// Package referrers attaches artifacts to an image in a registry, as OCI 1.1 has it, and
// reads those that are attached. Where a registry does not know referrers, a tag lists them,
// sha256-<digest>: go-containerregistry v0.22.1 is the first that writes it as specified.
package referrers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"
)

const (
	emptyType types.MediaType = "application/vnd.oci.empty.v1+json"

	// attachedLimit is how many attached artifacts are looked at. Anybody who may push may attach.
	attachedLimit = 256
	contentLimit  = 16 << 20          // bytes of one
	totalLimit    = 16 * contentLimit // bytes of all
	readers       = 4
)

// Artifact is something to attach.
type Artifact struct {
	Type        string // of the artifact, by which tools find it
	MediaType   string // of its content
	Content     []byte
	Annotations map[string]string
}

// manifest is the artifact's, about an image.
func (a Artifact) manifest(subject v1.Descriptor) ([]byte, error) {
	config, content := a.layers()
	m := v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: a.Type,
		Subject: &v1.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size}, Annotations: a.Annotations,
	}
	var err error
	if m.Config, err = describe(config); err != nil {
		return nil, err
	}
	d, err := describe(content)
	m.Layers = []v1.Descriptor{d}
	if err != nil {
		return nil, err
	}
	return json.Marshal(m)
}

func (a Artifact) layers() (config, content v1.Layer) {
	return static.NewLayer([]byte("{}"), emptyType), static.NewLayer(a.Content, types.MediaType(a.MediaType))
}

func describe(layer v1.Layer) (v1.Descriptor, error) {
	digest, err := layer.Digest()
	if err != nil {
		return v1.Descriptor{}, err
	}
	size, err := layer.Size()
	if err != nil {
		return v1.Descriptor{}, err
	}
	mediaType, err := layer.MediaType()
	return v1.Descriptor{MediaType: mediaType, Digest: digest, Size: size}, err
}

// raw is a manifest that is pushed as it is.
type raw []byte

func (r raw) RawManifest() ([]byte, error)        { return r, nil }
func (r raw) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// Attach attaches an artifact to an image of the repository, and returns the digest of its
// manifest. What is attached already stays as it is. One must be attached after the other:
// the tag that lists them is read, changed and written.
func Attach(ctx context.Context, pusher *remote.Pusher, repo name.Repository, subject v1.Descriptor, a Artifact) (v1.Hash, error) {
	config, content := a.layers()
	for _, layer := range []v1.Layer{config, content} {
		if err := pusher.Upload(ctx, repo, layer); err != nil {
			return v1.Hash{}, err
		}
	}
	text, err := a.manifest(subject)
	if err != nil {
		return v1.Hash{}, err
	}
	digest, _, err := v1.SHA256(bytes.NewReader(text))
	if err != nil {
		return digest, err
	}
	return digest, pusher.Put(ctx, repo.Digest(digest.String()), raw(text))
}

// ErrNoImage is that the image itself is not in the registry.
var ErrNoImage = errors.New("no such image in the registry")

// List has the digests of the manifests that are attached to an image.
func List(ctx context.Context, puller *remote.Puller, image name.Digest) ([]v1.Hash, error) {
	listed, err := list(ctx, puller, image)
	var all []v1.Hash
	for _, d := range listed {
		all = append(all, d.Digest)
	}
	return all, err
}

func list(ctx context.Context, puller *remote.Puller, image name.Digest) ([]v1.Descriptor, error) {
	if _, err := puller.Head(ctx, image); absent(err) {
		return nil, ErrNoImage
	} else if err != nil {
		return nil, err
	}
	index, err := remote.Referrers(image, remote.WithContext(ctx), remote.Reuse(puller))
	if err != nil {
		return nil, err
	}
	listed, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(listed.Manifests, func(d v1.Descriptor) bool {
		return d.MediaType != types.OCIManifestSchema1 || d.Platform != nil // GitLab lists the image's own here.
	}), nil
}

// Read has the contents, of one media type, of what is attached to an image. What is no longer
// there is not attached: registries that clean up leave such entries.
func Read(ctx context.Context, puller *remote.Puller, image name.Digest, mediaType string) ([][]byte, error) {
	listed, err := list(ctx, puller, image)
	if err != nil {
		return nil, err
	}
	attached := slices.DeleteFunc(listed, func(d v1.Descriptor) bool { return !maybe(d, mediaType) })
	if len(attached) > attachedLimit {
		return nil, fmt.Errorf("%d artifacts that may be signatures are attached to the image, and no more than %d are looked at: "+
			"delete those that are not yours", len(attached), attachedLimit)
	}
	found := make([][]byte, len(attached))
	var total atomic.Int64
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(readers)
	for i, d := range attached {
		work.Go(func() (err error) {
			found[i], err = content(ctx, puller, image, d.Digest, mediaType)
			if absent(err) {
				err = nil
			}
			if total.Add(int64(len(found[i]))) > totalLimit {
				return fmt.Errorf("more than %d MiB are attached to the image, and no more are looked at: delete what is not yours", totalLimit>>20)
			}
			return err
		})
	}
	err = work.Wait()
	var contents [][]byte
	for _, c := range found {
		if c != nil {
			contents = append(contents, c)
		}
	}
	return contents, err
}

// maybe says whether what is listed may hold content of a media type. Where the list says nothing, or what
// older tools noted there whatever it was, the manifest is to be read.
func maybe(d v1.Descriptor, mediaType string) bool {
	return d.ArtifactType == mediaType || d.ArtifactType == "" || d.ArtifactType == string(emptyType)
}

// content is that of one artifact, nil if it is of another media type or about another image.
// Its manifest counts, not what the list says of it: older tools noted a wrong type there.
func content(ctx context.Context, puller *remote.Puller, image name.Digest, digest v1.Hash, mediaType string) ([]byte, error) {
	got, err := puller.Get(ctx, image.Digest(digest.String()))
	if err != nil {
		return nil, err
	}
	var m v1.Manifest
	if err := json.Unmarshal(got.Manifest, &m); err != nil || m.Subject == nil || m.Subject.Digest.String() != image.DigestStr() ||
		len(m.Layers) != 1 || string(m.Layers[0].MediaType) != mediaType || m.Layers[0].Size > contentLimit {
		return nil, nil
	}
	layer, err := puller.Layer(ctx, image.Digest(m.Layers[0].Digest.String()))
	if err != nil {
		return nil, err
	}
	r, err := layer.Compressed()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // Its digest was compared at the last byte.
	return io.ReadAll(io.LimitReader(r, contentLimit))
}

func absent(err error) bool {
	var refused *transport.Error
	return errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound
}
