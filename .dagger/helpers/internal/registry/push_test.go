package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// fakeRegistry takes what is pushed, as the specification has it.
type fakeRegistry struct {
	mu    sync.Mutex
	store map[string]string // path below /v2/a/ to content
	order []string
	fail  string // path that it refuses
}

func (f *fakeRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/v2/a/")
	body, _ := io.ReadAll(r.Body)
	switch {
	case f.fail != "" && strings.HasPrefix(path, f.fail):
		http.Error(w, "no space\x1b[31m left", http.StatusInsufficientStorage)
	case r.Method == http.MethodHead && f.store[path] == "":
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodHead:
	case r.Method == http.MethodPost:
		w.Header().Set("Location", "http://"+r.Host+"/v2/a/blobs/uploads/1?_state=s")
		w.WriteHeader(http.StatusAccepted)
	case r.Method == http.MethodPut:
		if strings.HasPrefix(path, "blobs/uploads/") {
			if r.URL.Query().Get("_state") != "s" {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			path = "blobs/" + r.URL.Query().Get("digest")
		}
		sum := sha256.Sum256(body)
		if !strings.HasSuffix(path, "sha256:"+hex.EncodeToString(sum[:])) {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		f.store[path], f.order = string(body), append(f.order, path)
		w.WriteHeader(http.StatusCreated)
	}
}

// writeLayout makes an index of two images that share a layer.
func writeLayout(t *testing.T) (Layout, string) {
	t.Helper()
	dir := t.TempDir()
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		t.Fatal(err)
	}
	put := func(text string) descriptor {
		sum := sha256.Sum256([]byte(text))
		name := hex.EncodeToString(sum[:])
		if err := os.WriteFile(filepath.Join(blobs, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return descriptor{Digest: "sha256:" + name, Size: int64(len(text))}
	}
	var index struct {
		Manifests []descriptor `json:"manifests"`
	}
	for _, arch := range []string{"amd64", "arm64"} {
		text, err := json.Marshal(map[string]any{
			"config": put("config of " + arch), "layers": []descriptor{put("roots"), put("program of " + arch)},
		})
		if err != nil {
			t.Fatal(err)
		}
		index.Manifests = append(index.Manifests, put(string(text)))
	}
	text, err := json.Marshal(index)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	l, err := OpenLayout(dir, digest)
	if err != nil {
		t.Fatal(err)
	}
	return l, digest
}

// reach is a pusher to the registry, whatever address is dialled.
func reach(t *testing.T, f *fakeRegistry) Pusher {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	way := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}}
	t.Cleanup(way.CloseIdleConnections)
	return Pusher{Client: &http.Client{Transport: way}, Repository: "a"}
}

func TestPush(t *testing.T) {
	l, digest := writeLayout(t)
	f := &fakeRegistry{store: map[string]string{}}
	p := reach(t, f)
	if has, err := p.Has(t.Context(), digest); has || err != nil {
		t.Fatal(has, err)
	}
	sent, err := p.Push(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, text := range f.store {
		total += len(text)
	}
	if int(sent) != total || len(f.store) != 8 || len(f.order) != 8 || f.order[7] != "manifests/"+digest {
		t.Errorf("sent %d bytes of %d, %d things in this order: %s", sent, total, len(f.store), strings.Join(f.order, "\n"))
	}
	if has, err := p.Has(t.Context(), digest); !has || err != nil {
		t.Error(has, err)
	}
	// Of what is there, only manifests are sent again.
	f.order = nil
	if _, err := p.Push(t.Context(), l); err != nil || strings.Contains(fmt.Sprint(f.order), "blobs/") {
		t.Error(f.order, err)
	}
}

func TestPushFails(t *testing.T) {
	l, digest := writeLayout(t)
	f := &fakeRegistry{store: map[string]string{}, fail: "blobs/uploads"}
	p := reach(t, f)
	_, err := p.Push(t.Context(), l)
	if err == nil || !strings.Contains(err.Error(), `it answered 507 Insufficient Storage: no space\x1b[31m left`) {
		t.Error(err)
	}
	if has, err := p.Has(t.Context(), digest); has || err != nil {
		t.Error("an image is there that is not whole", has, err)
	}
	f.fail = "manifests"
	if _, err := p.Has(t.Context(), digest); err == nil {
		t.Error("a failure is taken for an answer")
	}
}

func TestOpenLayout(t *testing.T) {
	l, _ := writeLayout(t)
	_, err := OpenLayout(l.Dir, "sha256:"+strings.Repeat("0", 64))
	if err == nil || !strings.Contains(err.Error(), "the image to carry in is sha256:") {
		t.Error(err)
	}
	if _, err := OpenLayout(t.TempDir(), ""); err == nil {
		t.Error("no layout is taken for one")
	}
	if _, err := l.blob("sha256:../../etc/passwd"); err == nil {
		t.Error("a digest leads out of the layout")
	}
}
