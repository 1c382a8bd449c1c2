package gitref

import (
	"strings"
	"testing"
)

var (
	here  = strings.Repeat("a", 40)
	there = strings.Repeat("b", 40)
	tag   = strings.Repeat("c", 40) // the hash of an annotated tag itself
)

func TestRead(t *testing.T) {
	// tags are on the commit that is checked out.
	tagged := func(tags ...string) map[string]string {
		files := map[string]string{"HEAD": "ref: refs/heads/main\n", "refs/heads/main": here + "\n"}
		for _, tag := range tags {
			files["refs/tags/"+tag] = here + "\n"
		}
		return files
	}
	tests := []struct {
		name   string
		files  map[string]string
		module string    // with a slash where the root has none
		want   [2]string // version and revision
	}{
		{"no git", nil, ".", [2]string{"0.0.0", Unknown}},
		{"no tag", tagged(), ".", [2]string{"0.0.0-aaaaaaaaaaaa", here}},
		{"one tag", tagged("v1.2.3"), ".", [2]string{"v1.2.3", here}},
		{"numbers, not letters", tagged("v1.9.0", "v1.10.0", "v1.10.0-rc1"), ".", [2]string{"v1.10.0", here}},
		{"candidates", tagged("v2.0.0-rc.9", "v2.0.0-rc.10", "v2.0.0-beta"), ".", [2]string{"v2.0.0-rc.10", here}},
		{"a word before which a number goes", tagged("v1.0.0-1", "v1.0.0-rc"), ".", [2]string{"v1.0.0-rc", here}},
		{"without v", tagged("1.9.0", "1.10.0"), ".", [2]string{"1.10.0", here}},
		{"versions before words", tagged("stable", "v0.1.0"), ".", [2]string{"v0.1.0", here}},
		{"what git calls no tag", tagged("v9 -x", "v9\n", "v9:1", "v1.0.0"), ".", [2]string{"v1.0.0", here}},
		{"only words", tagged("nightly", "stable"), ".", [2]string{"stable", here}},
		{"another module's tag", tagged("web/v9.0.0", "v1.2.3"), ".", [2]string{"v1.2.3", here}},
		{"only another module's tag", tagged("web/v9.0.0"), ".", [2]string{"0.0.0-aaaaaaaaaaaa", here}},
		{"the module's own tag", tagged("web/v9.0.0", "v10.0.0"), "web", [2]string{"v9.0.0", here}},
		{"the root's tag is another module's", tagged("v1.2.3", "api/v4.0.0"), "web", [2]string{"0.0.0-aaaaaaaaaaaa", here}},
		{"the repository's tag, no module at its root", tagged("v1.2.3", "api/v4.0.0"), "web/", [2]string{"v1.2.3", here}},
		{"a deeper module", tagged("services/api/v1.1.0", "api/v4.0.0"), "services/api", [2]string{"v1.1.0", here}},
		{"a directory of a major version", tagged("web/v2.0.1"), "web/v2", [2]string{"v2.0.1", here}},
		{"a tag elsewhere", map[string]string{"HEAD": here, "refs/tags/v1.0.0": there}, ".", [2]string{"0.0.0-aaaaaaaaaaaa", here}},
		{"detached", map[string]string{"HEAD": here + "\n", "refs/tags/v1.0.0": here}, ".", [2]string{"v1.0.0", here}},
		{"packed", map[string]string{
			"HEAD":        "ref: refs/heads/main\n",
			"packed-refs": "# pack-refs with: peeled fully-peeled sorted \n" + here + " refs/heads/main\n" + tag + " refs/tags/v1.2.4\n^" + here + "\n",
		}, ".", [2]string{"v1.2.4", here}},
		{"a file goes before its packed line", map[string]string{
			"HEAD":            "ref: refs/heads/main\n",
			"packed-refs":     there + " refs/heads/main\n",
			"refs/heads/main": here + "\n",
		}, ".", [2]string{"0.0.0-aaaaaaaaaaaa", here}},
		{"a reference to a reference", map[string]string{
			"HEAD":             "ref: refs/heads/alias\n",
			"refs/heads/alias": "ref: refs/heads/main\n",
			"refs/heads/main":  here + "\n",
		}, ".", [2]string{"0.0.0-aaaaaaaaaaaa", here}},
		{"a circle", map[string]string{"HEAD": "ref: refs/heads/x", "refs/heads/x": "ref: refs/heads/x"}, ".", [2]string{"0.0.0-unknown", Unknown}},
		{"no commit yet", map[string]string{"HEAD": "ref: refs/heads/main\n"}, ".", [2]string{"0.0.0-unknown", Unknown}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			module, unrooted := strings.CutSuffix(tt.module, "/")
			got := Open(tt.files, "").Stamp(module, !unrooted)
			if got.Version != tt.want[0] || got.Revision != tt.want[1] {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if got.Doubt == "" && got.Revision == Unknown {
				t.Error("there is no word of why")
			}
		})
	}
}

func TestTagged(t *testing.T) {
	files := map[string]string{
		"HEAD":            here,
		"refs/tags/1.0.0": here,
		"refs/tags/v3":    tag, // Its object is not there.
		"packed-refs": there + " refs/tags/v1.2.3\n" + tag + " refs/tags/v1.2.4\n^" + here + "\n" +
			there + " refs/tags/web/v2.0.0\n" + here + " refs/tags/v2.0.0\n",
	}
	for _, tt := range []struct {
		version, module string
		rooted          bool
		want            string
	}{
		{"v1.2.3", ".", true, there},
		{"1.2.3", ".", true, there},
		{"v1.0.0", ".", true, here},
		{"1.2.4", ".", true, here},
		{"1.2.5", ".", true, ""},
		{"3", ".", true, ""},
		{"v2.0.0", ".", true, here},
		{"v2.0.0", "web", true, there},
		{"v1.2.3", "web", true, ""},
		{"v1.2.3", "web", false, there},
		{"v2.0.0", "web/v2", false, there},
	} {
		if got := Open(files, "").Tagged(tt.version, tt.module, tt.rooted); got != tt.want {
			t.Errorf("%s of %s: %q, want %q", tt.version, tt.module, got, tt.want)
		}
	}
}
