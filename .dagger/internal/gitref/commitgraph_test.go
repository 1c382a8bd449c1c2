package gitref

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
)

// Whatever a commit-graph file holds, it is the tree or nothing.
func TestCommitGraphBroken(t *testing.T) {
	w := newWork(t)
	w.git("gc", "-q")
	raw, err := os.ReadFile(filepath.Join(w.dir, ".git", commitGraph))
	if err != nil {
		t.Fatal(err)
	}
	commit, _ := hex.DecodeString(w.git("rev-parse", "HEAD"))
	want := w.git("rev-parse", "HEAD^{tree}")
	if got := hex.EncodeToString([]byte(graphTree(string(raw), string(commit)))); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for i := range raw {
		graphTree(string(raw[:i]), string(commit))
		for _, b := range []byte{0, 0xff, raw[i] + 1} {
			broken := append([]byte{}, raw...)
			broken[i] = b
			graphTree(string(broken), string(commit))
		}
	}
}
