package imageref

import (
	"maps"
	"strings"
	"testing"
)

var (
	sha  = "sha256:" + strings.Repeat("0123456789abcdef", 4)
	long = "r/" + strings.Repeat("a", longestRepository-2)
)

func TestParts(t *testing.T) {
	for _, c := range []struct{ image, repository, tag, digest string }{
		{"golang", "golang", "", ""},
		{"golang:1.26.8", "golang", ":1.26.8", ""},
		{"golang@" + sha, "golang", "", "@" + sha},
		{"golang:1@" + sha, "golang", ":1", "@" + sha},
		{"localhost:5000/hello", "localhost:5000/hello", "", ""},
		{"localhost:5000/hello:5000", "localhost:5000/hello", ":5000", ""},
		{"[::1]:5000/a/b__c-d.e:T", "[::1]:5000/a/b__c-d.e", ":T", ""},
		{"GHCR.io/acme/x", "GHCR.io/acme/x", "", ""},
		{long, long, "", ""},
	} {
		repository, tag, digest, ok := Parts(c.image)
		if !ok || repository != c.repository || tag != c.tag || digest != c.digest {
			t.Errorf("%s: %q %q %q %v", c.image, repository, tag, digest, ok)
		}
	}
	for _, image := range []string{
		"", " ", "-x", "--help", "a b", "a\n", "\x1b[2J", "a\x00", "Hello", "ghcr.io/Acme/x", "a/", "/a", "a//b", "../a", "a/../b", "a/.",
		"a:", "a:-x", "a:b:c", "a@", "a@sha256:", "a@" + sha + "0", "a@" + strings.ToUpper(sha), "a@sha512:" + strings.Repeat("0", 128),
		"a@" + sha + ":tag", "http://a/b", "user@host/a", "-host/a", "host-/a", "a..b/c", "host:port/a", "a___b", "a:" + strings.Repeat("t", 129),
		long + "a", "a\u00ad", "а", // Cyrillic
	} {
		if _, _, _, ok := Parts(image); ok {
			t.Errorf("%q is an image", image)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string // "" for none
	}{
		{CheckImages(map[string]string{"go-image": "golang:1", "kubectl-image": "r/k@" + sha}), ""},
		{CheckImages(map[string]string{"kubectl-image": "-x"}), `--kubectl-image "-x" is not an image: give one like`},
		{CheckImages(map[string]string{"go-image": ""}), `--go-image "" is not an image`},
		{CheckDigest("r/a@" + sha), ""},
		{CheckDigest("r/a:v1@" + sha), ""},
		{CheckDigest("r/a:v1"), `--image "r/a:v1" names no digest: give repository@sha256:…`},
		{CheckDigest("r/A@" + sha), `is not an image by digest`},
		{CheckDigest("\x1b[2J"), `--image "\x1b[2J" is not an image by digest`},
		{CheckName(""), ""},
		{CheckName("ghcr.io/acme/app"), ""},
		{CheckName("app:v1"), `--image-name "app:v1" is not the name of an image`},
		{CheckName("app@" + sha), `is not the name of an image`},
		{CheckName("Hello world"), `is not the name of an image`},
	} {
		if c.want == "" && c.err != nil || c.want != "" && (c.err == nil || !strings.Contains(c.err.Error(), c.want)) {
			t.Errorf("want %q, got %v", c.want, c.err)
		}
	}
}

func TestParseImages(t *testing.T) {
	got, err := ParseImages([]string{"web=ghcr.io/acme/web@" + sha, "localhost:5000/a=b:v1@" + sha})
	if want := map[string]string{"web": "ghcr.io/acme/web@" + sha, "localhost:5000/a": "b:v1@" + sha}; err != nil || !maps.Equal(got, want) {
		t.Errorf("%v %v", got, err)
	}
	for given, want := range map[string]string{
		"web":                        "is not NAME=ADDRESS",
		"=a@" + sha:                  "is not NAME=ADDRESS",
		"web:v1=a@" + sha:            `"web:v1" is not the name of an image`,
		"Web=a@" + sha:               `"Web" is not the name of an image`,
		"web=a:v1":                   `"a:v1" is not an image by digest`,
		"web=--x":                    `"--x" is not an image by digest`,
		"a=b@" + sha + ",a=c@" + sha: "--images has a twice",
	} {
		if _, err := ParseImages(strings.Split(given, ",")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", given, err)
		}
	}
}
