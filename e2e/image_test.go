package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/rogpeppe/go-internal/testscript"
)

// subjectImages are addresses by digest of the program in testdata/subject.
type subjectImages struct {
	one, two string // versions 1.0.0 and 2.0.0
	tagged   string // version 1.0.0 by tag
	missing  string // of no image at all
}

// pushSubject compiles the subject in dir and publishes it to a registry that
// speaks plain HTTP.
func pushSubject(ctx context.Context, dir, address string) (subjectImages, error) {
	program := filepath.Join(dir, "subject")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "./testdata/subject")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return subjectImages{}, fmt.Errorf("build the subject: %w\n%s", err, out)
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		return subjectImages{}, err
	}
	layer, err := fileLayer("subject", binary)
	if err != nil {
		return subjectImages{}, err
	}
	repository := address + "/subject"
	images := subjectImages{tagged: repository + ":1.0.0", missing: repository + "@sha256:" + strings.Repeat("0", 64)}
	for version, target := range map[string]*string{"1.0.0": &images.one, "2.0.0": &images.two} {
		img, err := subjectImage(layer, version)
		if err != nil {
			return images, err
		}
		tag, err := name.NewTag(repository+":"+version, name.Insecure)
		if err != nil {
			return images, err
		}
		if err := remote.Write(tag, img, remote.WithContext(ctx)); err != nil {
			return images, fmt.Errorf("publish the subject: %w", err)
		}
		digest, err := img.Digest()
		if err != nil {
			return images, err
		}
		*target = repository + "@" + digest.String()
	}
	return images, nil
}

// fileLayer is a layer that holds one program.
func fileLayer(name string, content []byte) (v1.Layer, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}

func subjectImage(layer v1.Layer, version string) (v1.Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.AppendLayers(img, layer)
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config = v1.Config{
		Entrypoint: []string{"/subject"},
		User:       "65532:65532",
		Env:        []string{"VERSION=" + version},
		Labels:     map[string]string{"org.opencontainers.image.version": version},
	}
	return mutate.ConfigFile(img, config)
}

// writeLayout writes one of the subject's images as publish would push it, with an index.
func writeLayout(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: layout DIR IMAGE|IMAGE2")
	}
	ref, err := name.NewDigest(ts.Getenv(args[1]), name.Insecure)
	ts.Check(err)
	img, err := remote.Image(ref)
	ts.Check(err)
	index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{
		Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: runtime.GOARCH}},
	})
	_, err = layout.Write(ts.MkAbs(args[0]), index)
	ts.Check(err)
	digest, err := index.Digest()
	ts.Check(err)
	// A name of the script's own: the registry is the cluster's, and so one for all scripts.
	ts.Setenv("CARRIED", "127.0.0.1:29999/"+ts.Getenv("NS")+"@"+digest.String())
}

func TestSubjectImage(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	images, err := pushSubject(t.Context(), t.TempDir(), strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if images.one == images.two {
		t.Errorf("both versions are %s", images.one)
	}
	for version, address := range map[string]string{"1.0.0": images.one, "2.0.0": images.two} {
		ref, err := name.NewDigest(address, name.Insecure)
		if err != nil {
			t.Fatal(err)
		}
		img, err := remote.Image(ref)
		if err != nil {
			t.Fatal(err)
		}
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if got := config.Config; got.User != "65532:65532" || !slices.Equal(got.Env, []string{"VERSION=" + version}) {
			text, _ := json.Marshal(got)
			t.Errorf("%s has the configuration %s", address, text)
		}
	}
	resp, err := http.Get(server.URL + "/v2/subject/manifests/" + images.missing[strings.Index(images.missing, "sha256:"):])
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("the missing image answers %s", resp.Status)
	}
}
