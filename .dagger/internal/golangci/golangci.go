// Package golangci knows which golangci-lint reads which Go.
package golangci

import (
	"fmt"
	"go/version"
	"strings"
)

// Reads tells whether a linter reads the code of a toolchain: it must be built with the same Go release or a newer
// one. The text is what "go env GOVERSION && go version LINTER" prints with that toolchain.
func Reads(versions string) (bool, error) {
	toolchain, linter, _ := strings.Cut(strings.TrimSpace(versions), "\n")
	if i := strings.LastIndex(linter, ": "); i >= 0 {
		linter = linter[i+2:]
	}
	// Behind it there may be the experiments it was built with.
	toolchain, linter = first(toolchain), first(linter)
	if !version.IsValid(linter) {
		return false, fmt.Errorf("%.200q names no Go release of the linter", versions)
	}
	if !version.IsValid(toolchain) { // of no release: only what it compiles itself is sure to read its code
		return false, nil
	}
	return version.Compare(version.Lang(toolchain), version.Lang(linter)) <= 0, nil
}

func first(text string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	return word
}
