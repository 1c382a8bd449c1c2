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
		files := map[string]string{".git/HEAD": "ref: refs/heads/main\n", ".git/refs/heads/main": here + "\n"}
		for _, tag := range tags {
			files[".git/refs/tags/"+tag] = here + "\n"
		}
		return files
	}
	tests := []struct {
		name   string
		files  map[string]string
		module string
		want   Stamp
	}{
		{"no git", nil, ".", Stamp{"0.0.0", Unknown}},
		{"no tag", tagged(), ".", Stamp{"0.0.0-aaaaaaaaaaaa", here}},
		{"one tag", tagged("v1.2.3"), ".", Stamp{"v1.2.3", here}},
		{"numbers, not letters", tagged("v1.9.0", "v1.10.0", "v1.10.0-rc1"), ".", Stamp{"v1.10.0", here}},
		{"candidates", tagged("v2.0.0-rc.9", "v2.0.0-rc.10", "v2.0.0-beta"), ".", Stamp{"v2.0.0-rc.10", here}},
		{"a word before which a number goes", tagged("v1.0.0-1", "v1.0.0-rc"), ".", Stamp{"v1.0.0-rc", here}},
		{"without v", tagged("1.9.0", "1.10.0"), ".", Stamp{"1.10.0", here}},
		{"versions before words", tagged("stable", "v0.1.0"), ".", Stamp{"v0.1.0", here}},
		{"only words", tagged("nightly", "stable"), ".", Stamp{"stable", here}},
		{"another module's tag", tagged("web/v9.0.0", "v1.2.3"), ".", Stamp{"v1.2.3", here}},
		{"only another module's tag", tagged("web/v9.0.0"), ".", Stamp{"0.0.0-aaaaaaaaaaaa", here}},
		{"the module's own tag", tagged("web/v9.0.0", "v10.0.0"), "web", Stamp{"v9.0.0", here}},
		{"the repository's tag", tagged("v1.2.3", "api/v4.0.0"), "web", Stamp{"v1.2.3", here}},
		{"a deeper module", tagged("services/api/v1.1.0", "api/v4.0.0"), "services/api", Stamp{"v1.1.0", here}},
		{"a directory of a major version", tagged("web/v2.0.1"), "web/v2", Stamp{"v2.0.1", here}},
		{"a tag elsewhere", map[string]string{".git/HEAD": here, ".git/refs/tags/v1.0.0": there}, ".", Stamp{"0.0.0-aaaaaaaaaaaa", here}},
		{"detached", map[string]string{".git/HEAD": here + "\n", ".git/refs/tags/v1.0.0": here}, ".", Stamp{"v1.0.0", here}},
		{"packed", map[string]string{
			".git/HEAD":        "ref: refs/heads/main\n",
			".git/packed-refs": "# pack-refs with: peeled fully-peeled sorted \n" + here + " refs/heads/main\n" + tag + " refs/tags/v1.2.4\n^" + here + "\n",
		}, ".", Stamp{"v1.2.4", here}},
		{"a file goes before its packed line", map[string]string{
			".git/HEAD":            "ref: refs/heads/main\n",
			".git/packed-refs":     there + " refs/heads/main\n",
			".git/refs/heads/main": here + "\n",
		}, ".", Stamp{"0.0.0-aaaaaaaaaaaa", here}},
		{"a reference to a reference", map[string]string{
			".git/HEAD":             "ref: refs/heads/alias\n",
			".git/refs/heads/alias": "ref: refs/heads/main\n",
			".git/refs/heads/main":  here + "\n",
		}, ".", Stamp{"0.0.0-aaaaaaaaaaaa", here}},
		{"a circle", map[string]string{".git/HEAD": "ref: refs/heads/x", ".git/refs/heads/x": "ref: refs/heads/x"}, ".", Stamp{"0.0.0-unknown", Unknown}},
		{"worktree or submodule", map[string]string{".git": "gitdir: ../.git/worktrees/x\n"}, ".", Stamp{"0.0.0-unknown", Unknown}},
		{"no commit yet", map[string]string{".git/HEAD": "ref: refs/heads/main\n"}, ".", Stamp{"0.0.0-unknown", Unknown}},
		{"references of another format", map[string]string{".git/HEAD": "ref: refs/heads/.invalid\n"}, ".", Stamp{"0.0.0-unknown", Unknown}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Read(tt.files, tt.module); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}
