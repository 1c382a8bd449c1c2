package platform

import (
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, arch, arm string
	}{
		{"linux/amd64", "amd64", ""},
		{"linux/arm64", "arm64", ""},
		{"linux/arm64/v8", "arm64", ""},
		{"linux/arm/v6", "arm", "6"},
		{"linux/arm/v7", "arm", "7"},
		{"linux/s390x", "s390x", ""},
		{"linux/ppc64le", "ppc64le", ""},
		{"linux/riscv64", "riscv64", ""},
	}
	for _, tt := range tests {
		p, err := Parse(tt.name)
		if err != nil || p.Arch != tt.arch || p.Arm != tt.arm || p.Name+"/v8" != tt.name && p.Name != tt.name {
			t.Errorf("%s: %+v, %v", tt.name, p, err)
		}
	}
	for _, name := range []string{"", "linux", "amd64", "linux/arm", "linux/amd64/v8", "windows/amd64", "linux/vax", "Linux/AMD64", "linux/amd64 "} {
		if p, err := Parse(name); err == nil {
			t.Errorf("%q is taken for %+v", name, p)
		} else if !strings.Contains(err.Error(), "linux/arm/v7") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestParseAll(t *testing.T) {
	got, err := ParseAll([]string{"linux/s390x", "linux/arm64/v8", "linux/amd64", "linux/arm64"})
	if want := []string{"linux/amd64", "linux/arm64", "linux/s390x"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for _, given := range [][]string{nil, {}, {"linux/amd64", "linux/vax"}, {""}} {
		if got, err := ParseAll(given); err == nil {
			t.Errorf("%q is taken for %v", given, got)
		}
	}
}
