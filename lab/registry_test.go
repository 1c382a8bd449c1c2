package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const (
	imageManifest = "application/vnd.oci.image.manifest.v1+json"
	evil          = `{"schemaVersion":2,"mediaType":"` + imageManifest + `"}`
)

// testImages stand in for the lab's, one of each registry, the last on demand.
var testImages = []Image{
	{"docker.io", "library/golang", "1", nil, false},
	{"registry.k8s.io", "kubectl", "v1", nil, false},
	{"docker.io", "rancher/k3s", "v1", nil, true},
}

// labRegistry serves testImages on a port of its own and counts what was built on demand.
func labRegistry(t *testing.T) (address string, parts map[string]string, builds *atomic.Int32) {
	t.Helper()
	dir := t.TempDir()
	spec := registrySpec{Images: map[string]string{}, Uploads: filepath.Join(dir, "uploads")}
	for i, image := range testImages {
		part := filepath.Join(dir, fmt.Sprint("part", i))
		spec.Images[image.target()] = part
		if !image.OnDemand {
			if err := writeTestImage(image, part); err != nil {
				t.Fatal(err)
			}
		}
	}
	builds = &atomic.Int32{}
	handler, err := registryHandler(spec, testImages, func(_ context.Context, image Image) error {
		builds.Add(1)
		return writeTestImage(image, spec.Images[image.target()])
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return l.Addr().String(), spec.Images, builds
}

func writeTestImage(image Image, part string) error {
	if err := os.MkdirAll(part, 0o755); err != nil {
		return err
	}
	archive := part + ".tar"
	if err := os.WriteFile(archive, []byte("layer of "+image.Repository), 0o644); err != nil {
		return err
	}
	return writeImage(&Build{Dir: part}, v1.Config{Env: []string{"IMAGE=" + image.Repository}}, archive)
}

// request sends a request with exactly this target, which an http.Client would tidy up.
func request(t *testing.T, address, method, target, body string, headers ...string) (status int, answer string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n", method, target, len(body))
	if len(headers) == 0 {
		headers = []string{"Host: " + address}
	}
	for _, h := range headers {
		fmt.Fprintf(&b, "%s\r\n", h)
	}
	fmt.Fprintf(&b, "\r\n%s", body)
	if _, err := io.WriteString(c, b.String()); err != nil {
		t.Fatal(err)
	}
	raw, _ := io.ReadAll(c)
	if _, err := fmt.Sscanf(string(raw), "HTTP/1.1 %d", &status); err != nil {
		t.Fatalf("%s %s: no answer: %q", method, target, raw)
	}
	return status, string(raw)
}

func digestOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// push does what a client does to publish one blob and one manifest, and says which step was refused.
func push(t *testing.T, address, repository string, headers ...string) error {
	t.Helper()
	base := "/v2/" + repository
	if status, _ := request(t, address, "POST", base+"/blobs/uploads/?digest="+digestOf("blob"), "blob", headers...); status >= 300 {
		return fmt.Errorf("blob: %d", status)
	}
	if status, _ := request(t, address, "POST", base+"/blobs/uploads/", "", headers...); status >= 300 {
		return fmt.Errorf("upload: %d", status)
	}
	if len(headers) == 0 {
		headers = []string{"Host: " + address}
	}
	status, _ := request(t, address, "PUT", base+"/manifests/1", evil, append([]string{"Content-Type: " + imageManifest}, headers...)...)
	if status >= 300 {
		return fmt.Errorf("manifest: %d", status)
	}
	return nil
}

func TestTestsCanPublish(t *testing.T) {
	address, _, _ := labRegistry(t)
	for _, repository := range []string{"hello", "subject", "e2e-x7_y.z"} {
		if err := push(t, address, repository); err != nil {
			t.Fatalf("%s: %v", repository, err)
		}
		for _, method := range []string{"GET", "HEAD"} {
			if status, _ := request(t, address, method, "/v2/"+repository+"/manifests/1", ""); status != 200 {
				t.Errorf("%s %s: %d", method, repository, status)
			}
		}
		if _, answer := request(t, address, "GET", "/v2/"+repository+"/blobs/"+digestOf("blob"), ""); !strings.HasSuffix(answer, "blob") {
			t.Errorf("%s: %s", repository, answer)
		}
		if _, answer := request(t, address, "GET", "/v2/"+repository+"/tags/list", ""); !strings.Contains(answer, `["1"]`) {
			t.Errorf("%s: %s", repository, answer)
		}
	}
	if status, _ := request(t, address, "DELETE", "/v2/hello/manifests/1", ""); status != 202 {
		t.Errorf("delete what was published: %d", status)
	}
}

// TestNothingIsPushedWherePublicImagesAre tries every way in there is to a name that a public image has or
// could have. None may be taken, and the stand-ins must be what they were.
func TestNothingIsPushedWherePublicImagesAre(t *testing.T) {
	address, parts, builds := labRegistry(t)
	before := stands(t, address, parts)

	for _, repository := range []string{
		"library/golang", "kubectl", "rancher/k3s", // stand-ins
		"library/alpine", "library/golang/sub", "rancher/mirrored-pause", "team/app", // what could be one
		"docker.io/library/golang", "registry.k8s.io/kubectl", "ghcr.io/a/b", "127.0.0.1:5000/library/golang",
		"hello/../library/golang", "./library/golang", "hello/../kubectl", "x/..//kubectl", // paths
		"library//golang", "/library/golang", "//library/golang", "/kubectl", "kubectl/", "kubectl//",
		"library%2fgolang", "library%2Fgolang", "library/golan%67", "%6bubectl", "kubectl%20", "kubectl%00", "kubectl%2f",
		"hello/..%2flibrary/golang", `library\golang`, "Library/golang", "KUBECTL", "kubectl.", "kubectl;x", "-kubectl",
		"hello/manifests/x/v2/library/golang", "hello/blobs/uploads/x/library/golang", "blobs/uploads/kubectl",
	} {
		if err := push(t, address, repository); err == nil {
			t.Errorf("a push to %s was taken", repository)
		}
	}

	// Through names: of the mirror, of a proxy, of another host.
	for _, headers := range [][]string{
		{"Host: docker.io"}, {"Host: registry.k8s.io"}, {"Host: hello"},
		{"Host: " + address, "X-Forwarded-Host: docker.io", "X-Original-URL: /v2/hello/", "X-HTTP-Method-Override: GET"},
		{"Host: " + address, "User-Agent: slipway-lab-registry"},
		{"Host: " + address, "Authorization: Basic YWRtaW46YWRtaW4="},
	} {
		for _, repository := range []string{"library/golang", "kubectl", "rancher/k3s"} {
			if err := push(t, address, repository, headers...); err == nil {
				t.Errorf("a push to %s with %s was taken", repository, headers)
			}
		}
	}
	for _, target := range []string{
		"http://docker.io/v2/library/golang/manifests/1", "http://registry.k8s.io/v2/kubectl/manifests/v1",
		"http://" + address + "/v2/hello/manifests/1",
		"/v2/library/golang/manifests/1?ns=docker.io", "/v2/kubectl/manifests/v1?ns=hello", "/v2/hello/manifests/1?ns=docker.io",
		"/v2/golang/manifests/1?ns=docker.io/library", "/v1/library/golang/manifests/1", "/v2/kubectl/tags/list", "/v2/kubectl/referrers/x",
	} {
		for _, method := range []string{"PUT", "POST", "PATCH", "DELETE", "put", "MOVE"} {
			if status, _ := request(t, address, method, target, evil, "Host: "+address, "Content-Type: "+imageManifest); status < 400 {
				t.Errorf("%s %s: %d", method, target, status)
			}
		}
	}

	// With an upload that was begun where it is allowed.
	status, answer := request(t, address, "POST", "/v2/hello/blobs/uploads/", "")
	_, location, _ := strings.Cut(answer, "Location: ")
	location, _, _ = strings.Cut(location, "\r\n")
	if status != 202 || location == "" {
		t.Fatalf("%d %s", status, answer)
	}
	id := location[strings.LastIndex(location, "/")+1:]
	for _, repository := range []string{"library/golang", "kubectl", "rancher/k3s", "library/alpine"} {
		for _, method := range []string{"PATCH", "PUT"} {
			if status, _ := request(t, address, method, "/v2/"+repository+"/blobs/uploads/"+id+"?digest="+digestOf("blob"), "blob"); status < 400 {
				t.Errorf("%s to an upload of another name: %d", method, status)
			}
		}
		if status, _ := request(t, address, "POST", "/v2/"+repository+"/blobs/uploads/?mount="+digestOf("blob")+"&from=hello", ""); status < 400 {
			t.Errorf("mount into %s: %d", repository, status)
		}
	}
	// What is deleted, by tag, by digest, by blob.
	for name, refs := range before {
		repository, _, _ := strings.Cut(name, ":")
		for _, ref := range refs {
			for _, kind := range []string{"manifests", "blobs"} {
				if status, _ := request(t, address, "DELETE", "/v2/"+repository+"/"+kind+"/"+ref, ""); status < 400 {
					t.Errorf("DELETE %s %s %s: %d", repository, kind, ref, status)
				}
			}
		}
	}

	after := stands(t, address, parts)
	if fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("the stand-ins changed:\n%s\n%s", before, after)
	}
	if n := builds.Load(); n != 1 {
		t.Errorf("the image on demand was built %d times", n)
	}
}

// stands lists what can be read of every stand-in: tag, digests, layers; each is what the part holds.
func stands(t *testing.T, address string, parts map[string]string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, image := range testImages {
		// This makes it, if it is one on demand.
		if status, _ := request(t, address, "HEAD", "/v2/"+image.Repository+"/manifests/"+image.Tag, ""); status != 200 {
			t.Fatalf("%s is not served: %d", image.target(), status)
		}
		content, digest, err := readImage(parts[image.target()])
		if err != nil {
			t.Fatal(err)
		}
		raw, err := content.RawManifest()
		if err != nil {
			t.Fatal(err)
		}
		base := "/v2/" + image.Repository
		for _, ref := range []string{image.Tag, digest.String()} {
			status, answer := request(t, address, "GET", base+"/manifests/"+ref+"?ns="+image.Registry, "")
			if status != 200 || !strings.HasSuffix(answer, string(raw)) {
				t.Errorf("%s %s: %s", image.target(), ref, answer)
			}
			all[image.target()] = append(all[image.target()], ref)
		}
		layers, err := content.Layers()
		if err != nil {
			t.Fatal(err)
		}
		for _, layer := range layers {
			d, err := layer.Digest()
			if err != nil {
				t.Fatal(err)
			}
			if _, answer := request(t, address, "GET", base+"/blobs/"+d.String(), ""); !strings.HasSuffix(answer, "layer of "+image.Repository) {
				t.Errorf("%s: %s", d, answer)
			}
			all[image.target()] = append(all[image.target()], d.String())
		}
		if _, answer := request(t, address, "GET", base+"/tags/list", ""); !strings.Contains(answer, `"tags":["`+image.Tag+`"]`) {
			t.Errorf("tags of %s: %s", image.target(), answer)
		}
	}
	return all
}

// TestWhatIsPublishedStandsInForNothing: an engine that asks for a public image says of which registry.
func TestWhatIsPublishedStandsInForNothing(t *testing.T) {
	address, _, builds := labRegistry(t)
	if err := push(t, address, "pause"); err != nil {
		t.Fatal(err)
	}
	for ns, want := range map[string]int{
		"": 200, address: 200, "localhost:5000": 200, "registry:5000": 200,
		"registry.k8s.io": 404, "docker.io": 404, "ghcr.io": 404, "quay.io:443": 404,
	} {
		for _, target := range []string{"/v2/pause/manifests/1", "/v2/pause/blobs/" + digestOf("blob"), "/v2/pause/tags/list"} {
			if ns != "" {
				target += "?ns=" + url.QueryEscape(ns)
			}
			if status, _ := request(t, address, "GET", target, ""); status != want {
				t.Errorf("%s: %d, not %d", target, status, want)
			}
		}
	}
	// A stand-in is one of its own registry only.
	for target, want := range map[string]int{
		"/v2/kubectl/manifests/v1": 200, "/v2/kubectl/manifests/v1?ns=registry.k8s.io": 200,
		"/v2/kubectl/manifests/v1?ns=docker.io": 404, "/v2/library/golang/manifests/1?ns=ghcr.io": 404,
		"/v2/rancher/k3s/manifests/v1?ns=registry.k8s.io": 404, "/v2/library/golang/manifests/1?ns=docker.io&ns=ghcr.io": 404,
	} {
		if status, _ := request(t, address, "GET", target, ""); status != want {
			t.Errorf("%s: %d, not %d", target, status, want)
		}
	}
	if n := builds.Load(); n != 0 {
		t.Errorf("an image of another registry was built %d times", n)
	}
}

func TestRefusedPushSaysWhereToPush(t *testing.T) {
	address, _, _ := labRegistry(t)
	for _, repository := range []string{"library/golang", "team/app"} {
		status, answer := request(t, address, "POST", "/v2/"+repository+"/blobs/uploads/", "")
		for _, want := range []string{"DENIED", repository, address + "/hello"} {
			if status != 403 || !strings.Contains(answer, want) {
				t.Errorf("%d, and %q is missing from: %s", status, want, answer)
			}
		}
	}
}

// TestThePodsOnlyPull: what the cluster's node, and with it each pod of its network, has of the registry.
func TestThePodsOnlyPull(t *testing.T) {
	address, parts, _ := labRegistry(t)
	if err := push(t, address, "hello"); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: pullOnly(address, func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	node := l.Addr().String()

	stands(t, node, parts)
	if status, _ := request(t, node, "GET", "/v2/hello/manifests/1", "", "Host: "+address); status != 200 {
		t.Errorf("pull what was published: %d", status)
	}
	if err := push(t, node, "hello"); err == nil {
		t.Error("a pod can publish")
	}
	for _, method := range []string{"PUT", "POST", "PATCH", "DELETE", "put", "CONNECT", "MOVE", "OPTIONS"} {
		if status, _ := request(t, node, method, "/v2/hello/manifests/1", evil, "Host: "+node, "X-HTTP-Method-Override: PUT"); status < 400 {
			t.Errorf("%s: %d", method, status)
		}
	}
	if _, answer := request(t, node, "GET", "/v2/hello/manifests/1", ""); !bytes.HasSuffix([]byte(answer), []byte(evil)) {
		t.Errorf("it changed: %s", answer)
	}
}
