package gitref

import (
	"os"
	"path/filepath"
	"testing"
)

// readTables is a repository of which git 2.47 wrote the references.
func readTables(t *testing.T, format string) map[string]string {
	t.Helper()
	files := map[string]string{"HEAD": "ref: refs/heads/.invalid\n"}
	tables, err := filepath.Glob("testdata/" + format + "/*")
	if err != nil || len(tables) == 0 {
		t.Fatal("there are no tables", err)
	}
	for _, table := range tables {
		text, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		files["reftable/"+filepath.Base(table)] = string(text)
	}
	return files
}

func TestReftable(t *testing.T) {
	sha1, sha256 := readTables(t, "sha1"), readTables(t, "sha256")
	tests := []struct {
		name   string
		files  map[string]string
		module string
		want   Stamp
	}{
		{"an annotated tag", sha1, ".", Stamp{Version: "v1.10.0", Revision: "8547f79dd18b70626f8deea4027cccbc30c7a417"}},
		{"the last of many blocks", sha1, "web", Stamp{Version: "v9.300.0", Revision: "8547f79dd18b70626f8deea4027cccbc30c7a417"}},
		{"sha256", sha256, ".", Stamp{Version: "v1.10.0", Revision: "84127c64eb1f71d230b9fe3c8a6e3e78e1c84748a1343a3726a99098cdc2b4ce"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Open(tt.files, "").Stamp(tt.module, true); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
	// What a later table deletes is gone.
	if _, there := Open(sha256, "").refs["refs/tags/gone"]; there {
		t.Error("a deleted tag is there")
	}
}

// FuzzRead reads damaged files. None may make it panic, or read for ever.
func FuzzRead(f *testing.F) {
	table, err := os.ReadFile("testdata/sha256/1.ref")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(table), "DIRC\x00\x00\x00\x02\x00\x00\x00\x01", "x\x9c")
	f.Fuzz(func(_ *testing.T, table, index, object string) {
		unpackTable(table, map[string]string{})
		for _, hashSize := range []int{20, 32} {
			if ix, err := readIndex(index, hashSize); err == nil {
				ix.written(hashSize)
			}
		}
		Repository{files: map[string]string{objectFile(here): object}}.object(here)
	})
}
