package main

import (
	"bytes"
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

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"
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
	if err := privateDir(r.dir); err != nil {
		return "", err
	}
	if err := writeJSON(filepath.Join(r.dir, "spec.json"), spec); err != nil {
		return "", err
	}
	file, address, err := r.listen()
	if err != nil {
		return "", err
	}
	err = r.Start(record{Key: key, Address: address, Parts: imageParts(steps)}, 0, file)
	// Held here any longer, the listener would take connections for a registry that has ended.
	if err := errors.Join(err, file.Close()); err != nil {
		return "", err
	}
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	return address, r.WaitReady(ctx, 30*time.Second, func() bool {
		for _, image := range images {
			if image.OnDemand {
				continue // asking would build it
			}
			resp, err := client.Head("http://" + address + "/v2/" + image.Repository + "/manifests/" + image.Tag)
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

// serveRegistry is the daemon. Manifests live in memory, so the stand-ins get theirs at every start,
// which moves no blob: those are served from where they are.
func serveRegistry(dir string) error {
	var spec registrySpec
	if err := readJSON(filepath.Join(dir, "spec.json"), &spec); err != nil {
		return err
	}
	unix.CloseOnExec(3) // or every build on demand inherits it
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	// What was published to an earlier registry has lost its manifests.
	if err := os.RemoveAll(spec.Uploads); err != nil {
		return err
	}
	handler, err := registryHandler(spec, images, func(ctx context.Context, image Image) error {
		return buildOnDemand(ctx, spec, image)
	})
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 30 * time.Second}
	return server.Serve(listener)
}

// registryHandler is the registry. Images on demand are made by build, when somebody asks first.
func registryHandler(spec registrySpec, images []Image, build func(context.Context, Image) error) (http.Handler, error) {
	var parts layouts
	for _, part := range spec.Images {
		parts = append(parts, part)
	}
	quiet := registry.Logger(log.New(io.Discard, "", 0))
	standIns := registry.New(registry.WithBlobHandler(parts), quiet)
	demand := newDemand(standIns)
	registryOf := map[string]string{}
	for _, image := range images {
		registryOf[image.Repository] = image.Registry
		part := spec.Images[image.target()]
		if _, err := os.Stat(part); err != nil && image.OnDemand {
			demand.add(image.target(), func(ctx context.Context) error {
				if err := build(ctx, image); err != nil {
					return err
				}
				return serveImage(standIns, image, part)
			})
			continue
		}
		if err := serveImage(standIns, image, part); err != nil {
			return nil, err
		}
	}
	// Whoever publishes an image whose base stands in has its layers there already.
	published := registry.New(registry.WithBlobHandler(uploads{parts, spec.Uploads}), quiet)
	return front{registryOf, demand, published}, nil
}

// serveImage hands the manifest of a part's image to the stand-ins, as no client can. Its blobs they have.
func serveImage(standIns http.Handler, image Image, part string) error {
	content, _, err := readImage(part)
	if err != nil {
		return err
	}
	raw, err := content.RawManifest()
	if err != nil {
		return err
	}
	kind, err := content.MediaType()
	if err != nil {
		return err
	}
	r, err := http.NewRequest(http.MethodPut, "/v2/"+image.Repository+"/manifests/"+image.Tag, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", string(kind))
	w := &answer{}
	standIns.ServeHTTP(w, r)
	if w.status != http.StatusCreated {
		return fmt.Errorf("serve %s: %d %s", image.target(), w.status, w.body.String())
	}
	return nil
}

// answer is one that never leaves this process.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) WriteHeader(status int)            { a.status = status }
func (a *answer) Write(content []byte) (int, error) { return a.body.Write(content) }
func (a *answer) Header() http.Header {
	if a.header == nil {
		a.header = http.Header{}
	}
	return a.header
}

// layouts serves the blobs of OCI layouts.
type layouts []string

func (l layouts) Get(_ context.Context, _ string, h v1.Hash) (io.ReadCloser, error) {
	return openBlob(h, l...)
}

func (l layouts) Stat(_ context.Context, _ string, h v1.Hash) (int64, error) {
	return statBlob(h, l...)
}

// uploads keeps what is published, beside the layouts.
type uploads struct {
	layouts layouts
	dir     string // a layout too, as far as blobs go
}

func (u uploads) Get(_ context.Context, _ string, h v1.Hash) (io.ReadCloser, error) {
	return openBlob(h, append(u.layouts[:len(u.layouts):len(u.layouts)], u.dir)...)
}

func (u uploads) Stat(_ context.Context, _ string, h v1.Hash) (int64, error) {
	return statBlob(h, append(u.layouts[:len(u.layouts):len(u.layouts)], u.dir)...)
}

func (u uploads) Put(ctx context.Context, repo string, h v1.Hash, content io.ReadCloser) error {
	dir := filepath.Join(u.dir, "blobs")
	if err := privateDir(filepath.Join(dir, h.Algorithm)); err != nil {
		return err
	}
	return registry.NewDiskBlobHandler(dir).(registry.BlobPutHandler).Put(ctx, repo, h, content)
}

func openBlob(h v1.Hash, dirs ...string) (*os.File, error) {
	for _, dir := range dirs {
		f, err := os.Open(filepath.Join(dir, "blobs", h.Algorithm, h.Hex))
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	return nil, registry.ErrNotFound
}

func statBlob(h v1.Hash, dirs ...string) (int64, error) {
	f, err := openBlob(h, dirs...)
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
