package golangci

import "testing"

func TestReads(t *testing.T) {
	for versions, want := range map[string]bool{
		"go1.26.8\n/golangci-lint: go1.26.8\n":                   true,
		"go1.26.8\n/golangci-lint: go1.26.1\n":                   true,
		"go1.25.9\n/golangci-lint: go1.26.1\n":                   true,
		"go1.27.0\n/golangci-lint: go1.26.8\n":                   false,
		"go1.27rc1\n/golangci-lint: go1.26.8\n":                  false,
		"go1.26.8 X:jsonv2\n/golangci-lint: go1.26.8 X:jsonv2\n": true,
		"go1.100.0\n/golangci-lint: go1.99.8\n":                  false,
		"go1.26.8-custom\n/golangci-lint: go1.26.8 X:nodwarf5":   true,
		"go1.9\n/golangci-lint: go1.26.8":                        true,
		"devel go1.28-abcdef\n/golangci-lint: go1.26.8":          false,
	} {
		if got, err := Reads(versions); got != want || err != nil {
			t.Errorf("%q: %v, %v; want %v", versions, got, err, want)
		}
	}
	for _, versions := range []string{"", "go1.26.8", "go1.26.8\n/golangci-lint: not a Go executable"} {
		if got, err := Reads(versions); err == nil {
			t.Errorf("%q: %v", versions, got)
		}
	}
}
