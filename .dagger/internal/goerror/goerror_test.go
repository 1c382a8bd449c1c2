package goerror

import "testing"

func TestAdvice(t *testing.T) {
	code := Code{Module: "example.com/m"}
	tests := []struct {
		name, said string
		code       Code
		want       string
	}{
		{"a newer Go", "go: go.mod requires go >= 1.99.1 (running go 1.26.8; GOTOOLCHAIN=local)", code,
			"go.mod wants Go 1.99 or newer and the image has 1.26.8: give --go-image one that has it, for example golang:1.99"},
		{"a dependency's newer Go", "go: example.org/x@v1.0.0 requires go >= 1.30 (running go 1.26.8; GOTOOLCHAIN=local)", code,
			"go.mod wants Go 1.30 or newer and the image has 1.26.8: give --go-image one that has it, for example golang:1.30"},
		{"no line in go.sum", "main.go:3:8: missing go.sum entry for module providing package rsc.io/quote; to add:\n\tgo get example.com/m", code,
			"go.mod and go.sum are not complete: run go mod tidy and commit both"},
		{"go.mod not tidy", "go: updates to go.mod needed; to update it:\n\tgo mod tidy", code,
			"go.mod and go.sum are not complete: run go mod tidy and commit both"},
		{"no file to embed", "main.go:8:12: pattern dist/app.js: no matching files found", code,
			"dist/app.js is embedded but not in the source: " + generate},
		{"no package", "main.go:3:8: no required module provides package example.com/m/gen; to add it:\n\tgo get example.com/m/gen", code,
			"example.com/m/gen is not in the source: " + generate},
		{"no package in the module", "main.go:3:8: package example.com/m/gen is not in std (/usr/local/go/src/example.com/m/gen)", code,
			"example.com/m/gen is not in the source: " + generate},
		{"another's package", "main.go:3:8: no required module provides package rsc.io/quote; to add it:\n\tgo get rsc.io/quote", code, ""},
		{"only C", "package example.com/m\n\timports example.com/m/c: build constraints exclude all Go files in /src/c", code,
			"/src/c is C (import \"C\", cgo), which the static build leaves out: use a package written in Go in its place"},
		{"undefined for want of C", "./main.go:5:2: undefined: add", Code{Cgo: []string{"."}},
			". is C (import \"C\", cgo), which the static build leaves out: use a package written in Go in its place"},
		{"undefined where there is a generator", "./main.go:5:2: undefined: add", Code{Generates: true}, "if what is undefined is generated: " + generate},
		{"undefined", "./main.go:5:2: undefined: add", code, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Advice(tt.said, tt.code); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
