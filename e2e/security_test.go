package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	namedTest    = regexp.MustCompile("`((?:Test|Fuzz)\\w*(?:/[\\w-]+)?)`")
	declaredTest = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w*)\(`)
)

// Each promise of docs/security.md names a test, and each test that is named exists.
func TestSecurityPromises(t *testing.T) {
	text, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	declared := declaredTests(t)
	_, promises, _ := strings.Cut(string(text), "\n## Promises\n")
	promises, _, ended := strings.Cut(promises, "\n## ")
	if !ended {
		t.Fatal("docs/security.md has no section Promises with one after it")
	}
	rows := 0
	for line := range strings.Lines(promises) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| Promise |") {
			continue
		}
		rows++
		tests := namedTest.FindAllStringSubmatch(line, -1)
		if len(tests) == 0 {
			t.Errorf("no test holds the promise %s", line)
		}
		for _, test := range tests {
			if !exists(test[1], declared) {
				t.Errorf("there is no %s", test[1])
			}
		}
	}
	if rows < 10 {
		t.Errorf("found %d promises only", rows)
	}
}

func exists(test string, declared map[string]bool) bool {
	for suite, dir := range map[string]string{"TestPromises/": "script", "TestRollout/": "rollout"} {
		if script, ok := strings.CutPrefix(test, suite); ok {
			_, err := os.Stat(filepath.Join("testdata", dir, script+".txtar"))
			return err == nil
		}
	}
	return declared[test]
}

// declaredTests are the Go tests of this repository.
func declaredTests(t *testing.T) map[string]bool {
	t.Helper()
	declared := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, test := range declaredTest.FindAllSubmatch(text, -1) {
			declared[string(test[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return declared
}
