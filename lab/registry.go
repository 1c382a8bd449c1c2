package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Registry is the mirror the engine pulls from, and a place to publish to. All instances share it.
type Registry struct{ Daemon }

type registrySpec struct {
	Images  map[string]string // repository:tag to the part with its layout
	Cache   string            // in which images are built on demand
	Source  string
	Uploads string
}

// Ensure has the registry serve the images and returns its address.
func (r Registry) Ensure(ctx context.Context, key string, steps *Steps) (string, error) {
	rec, alive := r.Record()
	if alive && rec.Key == key && dials("tcp", rec.Address) {
		return rec.Address, nil
	}
	if err := r.Stop(ctx, 5*time.Second); err != nil {
		return "", err
	}
	spec := registrySpec{Images: map[string]string{}, Cache: steps.Cache, Source: steps.Source, Uploads: filepath.Join(r.dir, "uploads")}
	for _, image := range images {
		spec.Images[image.target()] = steps.Part(image.Step)
	}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return "", err
	}
	if err := writeJSON(filepath.Join(r.dir, "spec.json"), spec); err != nil {
		return "", err
	}
	file, address, err := r.listen()
	if err != nil {
		return "", err
	}
	defer file.Close()
	if err := r.Start(record{Key: key, Address: address, Parts: imageParts(steps)}, 0, file); err != nil {
		return "", err
	}
	return address, r.WaitReady(ctx, 30*time.Second, func() bool {
		for _, image := range images {
			if image.OnDemand {
				continue // asking would build it
			}
			resp, err := http.Head("http://" + address + "/v2/" + image.Repository + "/manifests/" + image.Tag)
			if err != nil {
				return false
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return false
			}
		}
		return true
	})
}

func dials(network, address string) bool {
	c, err := net.DialTimeout(network, address, 2*time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// serveRegistry is the daemon. Manifests live in memory, so the images are pushed at every start,
// which moves no blob: those are served from where they are.
func serveRegistry(dir string) error {
	var spec registrySpec
	if err := readJSON(filepath.Join(dir, "spec.json"), &spec); err != nil {
		return err
	}
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	// What was published to an earlier registry has lost its manifests.
	if err := os.RemoveAll(spec.Uploads); err != nil {
		return err
	}
	store := blobs{uploads: spec.Uploads}
	for _, part := range spec.Images {
		store.layouts = append(store.layouts, part)
	}
	failed := make(chan error, 1)
	address := listener.Addr().String()
	demand := newDemand(registry.New(registry.WithBlobHandler(store), registry.Logger(log.New(io.Discard, "", 0))))
	for _, image := range images {
		if image.OnDemand {
			demand.add(image.target(), func(ctx context.Context) error {
				if err := buildOnDemand(ctx, spec, image); err != nil {
					return err
				}
				return serveImage(address, image.target(), spec.Images[image.target()])
			})
		}
	}
	server := &http.Server{Handler: demand, ReadHeaderTimeout: 30 * time.Second}
	go func() { failed <- server.Serve(listener) }()
	for _, image := range images {
		part := spec.Images[image.target()]
		if _, err := os.Stat(part); err != nil && image.OnDemand {
			continue
		}
		if err := serveImage(address, image.target(), part); err != nil {
			return err
		}
	}
	return <-failed
}

func serveImage(address, target, part string) error {
	ref, err := name.ParseReference(address+"/"+target, name.Insecure)
	if err != nil {
		return err
	}
	image, _, err := readImage(part)
	if err != nil {
		return err
	}
	if err := remote.Write(ref, image, remote.WithUserAgent(selfAgent)); err != nil {
		return fmt.Errorf("serve %s: %w", target, err)
	}
	return nil
}

// blobs serves the blobs of OCI layouts and keeps uploaded ones beside them.
type blobs struct {
	layouts []string
	uploads string
}

func (b blobs) open(h v1.Hash) (*os.File, error) {
	paths := []string{filepath.Join(b.uploads, h.Algorithm, h.Hex)}
	for _, layout := range b.layouts {
		paths = append(paths, filepath.Join(layout, "blobs", h.Algorithm, h.Hex))
	}
	for _, path := range paths {
		f, err := os.Open(path)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	return nil, registry.ErrNotFound
}

func (b blobs) Get(_ context.Context, _ string, h v1.Hash) (io.ReadCloser, error) { return b.open(h) }

func (b blobs) Stat(_ context.Context, _ string, h v1.Hash) (int64, error) {
	f, err := b.open(h)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (b blobs) Put(ctx context.Context, repo string, h v1.Hash, content io.ReadCloser) error {
	if err := os.MkdirAll(b.uploads, 0o755); err != nil {
		return err
	}
	return registry.NewDiskBlobHandler(b.uploads).(registry.BlobPutHandler).Put(ctx, repo, h, content)
}
