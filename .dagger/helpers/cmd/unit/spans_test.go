package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fields reads a protobuf message: what each field holds, by its number.
func fields(t *testing.T, b []byte) map[uint64][][]byte {
	t.Helper()
	all := map[uint64][][]byte{}
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		b = b[n:]
		var value []byte
		switch key & 7 {
		case 0:
			_, n = binary.Uvarint(b)
			value, b = b[:n], b[n:]
		case 1:
			value, b = b[:8], b[8:]
		case 2:
			size, n := binary.Uvarint(b)
			value, b = b[n:n+int(size)], b[n+int(size):]
		default:
			t.Fatalf("a field of type %d", key&7)
		}
		all[key>>3] = append(all[key>>3], value)
	}
	return all
}

// What Dagger is told, one line for each span that has ended, with its attributes.
func TestSpans(t *testing.T) {
	var lines []string
	names := map[string]string{"00f067aa0ba902b7": "the exec"}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		scope := fields(t, fields(t, fields(t, body)[1][0])[2][0])
		for _, one := range scope[2] {
			f := fields(t, one)
			names[hex.EncodeToString(f[2][0])] = string(f[5][0])
			if trace := hex.EncodeToString(f[1][0]); trace != "4bf92f3577b34da6a3ce929d0e0e4736" {
				t.Errorf("got the trace %s", trace)
			}
			if binary.LittleEndian.Uint64(f[8][0]) == 0 {
				continue // a package that runs
			}
			line := fmt.Sprintf("%s in %s, status %d:", f[5][0], hex.EncodeToString(f[4][0]), fields(t, f[15][0])[3][0][0])
			var attributes []string
			for _, attribute := range f[9] {
				pair := fields(t, attribute)
				value := fields(t, pair[2][0])
				attributes = append(attributes, fmt.Sprintf(" %s=%s", pair[1][0], bytes.Join(slices.Concat(value[1], value[2]), nil)))
			}
			slices.Sort(attributes)
			lines = append(lines, line+strings.ReplaceAll(strings.Join(attributes, ""), "\x01", "true"))
		}
	}))
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", server.URL)
	t.Setenv("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")

	dir := recordings(t, map[string]string{"a.test": `printf '\026=== RUN   TestA\n\026=== RUN   TestA/let-me-in\n'
		printf '\026--- SKIP: TestA/let-me-in (0.10s)\n\026--- PASS: TestA (0.10s)\n\026=== RUN   TestB\n'; exit 1`})
	r := replayer{dir: dir, spans: newSpans(masking([]string{"let-me-in"}))}
	r.test("a")
	for i := range lines {
		for id, name := range names {
			lines[i] = strings.ReplaceAll(lines[i], id, name)
		}
	}
	slices.Sort(lines)
	want := []string{
		"*** in TestA, status 1: dagger.io/ui.boundary=true test.case.name=TestA/*** test.case.result.status=skipped test.suite.name=a",
		"TestA in a, status 1: dagger.io/ui.boundary=true test.case.name=TestA test.case.result.status=pass test.suite.name=a",
		"TestB in a, status 2: dagger.io/ui.boundary=true test.case.name=TestB test.case.result.status=fail test.suite.name=a",
		"a in the exec, status 2: test.suite.name=a test.suite.run.status=failure",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

func TestMergeProfiles(t *testing.T) {
	dir, programs := t.TempDir(), t.TempDir()
	for file, text := range map[string]string{
		filepath.Join(dir, profileFile):   "mode: atomic\nb/b.go:1.1,2.2 1 0\n",
		filepath.Join(programs, "a.test"): "mode: atomic\na/a.go:1.1,2.2 1 7\n",
		filepath.Join(programs, "c.test"): "",
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	to := filepath.Join(dir, "cover.out")
	if err := mergeProfiles(to, filepath.Join(dir, profileFile), programs); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(to)
	if want := "mode: atomic\nb/b.go:1.1,2.2 1 0\na/a.go:1.1,2.2 1 7\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
