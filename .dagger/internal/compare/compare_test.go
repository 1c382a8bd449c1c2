package compare

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// spec is an image, in a few words.
type spec struct {
	config   v1.Config
	files    []tar.Header
	body     string
	level    int
	extra    bool // a layer more
	platform string
}

func plain() spec {
	return spec{
		config: v1.Config{User: "65532", Entrypoint: []string{"/hello"}, Labels: map[string]string{"version": "1"}},
		files:  []tar.Header{{Name: "hello", Mode: 0o555}, {Name: "etc/passwd", Mode: 0o644}},
		body:   "program", level: gzip.BestCompression, platform: "linux/arm64",
	}
}

func (s spec) index(t *testing.T) v1.ImageIndex {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range s.files {
		if h.Typeflag == 0 {
			h.Size = int64(len(s.body))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, s.body[:h.Size]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil },
		tarball.WithCompressionLevel(s.level))
	if err != nil {
		t.Fatal(err)
	}
	layers := []v1.Layer{layer}
	if s.extra {
		layers = append(layers, layer)
	}
	image := func(config v1.Config, layers ...v1.Layer) v1.Image {
		img, err := mutate.AppendLayers(empty.Image, layers...)
		if err == nil {
			img, err = mutate.Config(img, config)
		}
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	var all []mutate.IndexAddendum
	for platform, img := range map[string]v1.Image{"linux/amd64": image(plain().config), s.platform: image(s.config, layers...)} {
		p, err := v1.ParsePlatform(platform)
		if err != nil {
			t.Fatal(err)
		}
		add := mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: p}}
		if platform == "linux/amd64" {
			all = append([]mutate.IndexAddendum{add}, all...)
		} else {
			all = append(all, add)
		}
	}
	return mutate.AppendManifests(empty.Index, all...)
}

func TestIndexes(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s *spec)
		want   string
	}{
		"nothing":                         {func(*spec) {}, ""},
		"a platform":                      {func(s *spec) { s.platform = "linux/riscv64" }, `the index: it lists ["linux/amd64" "linux/riscv64"], rebuilt ["linux/amd64" "linux/arm64"]`},
		"the user":                        {func(s *spec) { s.config.User = "0" }, `linux/arm64: the config: the user: "0", rebuilt "65532"`},
		"entrypoint":                      {func(s *spec) { s.config.Entrypoint = []string{"/evil"} }, `the config: the entrypoint: ["/evil"], rebuilt ["/hello"]`},
		"environment":                     {func(s *spec) { s.config.Env = []string{"A=b"} }, "the config: the environment"},
		"a port":                          {func(s *spec) { s.config.ExposedPorts = map[string]struct{}{"1/tcp": {}} }, "the config: the ports"},
		"a label":                         {func(s *spec) { s.config.Labels["version"] = "2" }, `label "version": "2", rebuilt "1"`},
		"a label more, with foreign text": {func(s *spec) { s.config.Labels["a"] = "\x1b[2J" }, `label "a": "\x1b[2J", rebuilt ""`},
		"a stop signal":                   {func(s *spec) { s.config.StopSignal = "SIGKILL" }, "linux/arm64: the config: it is sha256:"},
		"a layer more":                    {func(s *spec) { s.extra = true }, "the layers: it has 2, rebuilt 1"},
		"the program":                     {func(s *spec) { s.body = "programs" }, `linux/arm64: layer 1: "/etc/passwd" has other content: 8 bytes with SHA-256`},
		"a file more":                     {func(s *spec) { s.files = append(s.files, tar.Header{Name: "evil"}) }, `layer 1: "/evil" is not in the rebuilt one`},
		"a file less":                     {func(s *spec) { s.files = s.files[1:] }, `layer 1: "/hello" is only in the rebuilt one`},
		"a mode":                          {func(s *spec) { s.files[0].Mode = 0o4755 }, `layer 1: "/hello" has another mode`},
		"an owner":                        {func(s *spec) { s.files[0].Uid = 1 }, `layer 1: "/hello" has another mode, owner`},
		"a link":                          {func(s *spec) { s.files[0] = tar.Header{Name: "hello", Typeflag: tar.TypeSymlink, Linkname: "/x"} }, `"/hello" has other content`},
		"another order":                   {func(s *spec) { s.files[0], s.files[1] = s.files[1], s.files[0] }, "layer 1: the same files, packed in another way"},
		"compression":                     {func(s *spec) { s.level = gzip.BestSpeed }, "layer 1: the same files, compressed in another way"},
	} {
		t.Run(name, func(t *testing.T) {
			published := plain()
			c.change(&published)
			got, err := Indexes(published.index(t), plain().index(t))
			if err != nil || (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("%q, %v, want %q", got, err, c.want)
			}
		})
	}
}
