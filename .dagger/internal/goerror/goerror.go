// Package goerror says what to do next about what the go command complains of.
package goerror

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Code is what is known of the code that go was to build.
type Code struct {
	Cgo        []string          // packages with files that are left out for want of cgo
	ForeignCgo map[string]string // names of those of other modules, by import path
	Generates  bool              // there are go:generate lines
	Module     string            // path of the module
	Netrc      bool              // passwords were given for fetching modules

	// Alike finds a directory of the module whose name differs in upper and lower case
	// only; "" if there is none.
	Alike func(dir string) string
}

var (
	newerGo       = regexp.MustCompile(`(\S+) requires go >= (\d+\.\d+)\S* \(running go (\S+);`)
	vendorDiffers = regexp.MustCompile(`inconsistent vendoring|is explicitly required in go\.mod, but not marked as explicit in vendor/`)
	missingSum    = regexp.MustCompile(`missing go\.sum entry|updates to go\.(mod|sum) needed|missing go\.sum`)
	newerSyntax   = regexp.MustCompile(`unknown (?:directive|block type): (?:toolchain|tool|ignore|godebug)\b|invalid go version '[\d.]+'`)
	missingFile   = regexp.MustCompile(`pattern (?:all:)?(.+): no matching files found`)
	emptyDir      = regexp.MustCompile(`cannot embed directory (.+): contains no embeddable files`)
	irregular     = regexp.MustCompile(`cannot embed irregular file (.+)`)
	collision     = regexp.MustCompile(`case-insensitive (file name|import) collision: (.+)`)
	notUsed       = regexp.MustCompile(`is contained in a module that is not one of the workspace modules`)
	notVendored   = regexp.MustCompile(`import lookup disabled by -mod=vendor`)
	missingLocal  = regexp.MustCompile(`(?:no required module provides package|module providing package|package) (\S+?)[;:]? `)
)

// Advice is a line to put below what go said, "" if there is none.
func Advice(said string, code Code) string {
	if m := newerGo.FindStringSubmatch(said); m != nil {
		return fmt.Sprintf("%s wants Go %s or newer and the image has %s: give --go-image one that has it, for example golang:%s",
			m[1], m[2], m[3], m[2])
	}
	if newerSyntax.MatchString(said) {
		return "go.mod is written for another Go than the image has: give --go-image one that is as new as its go line says"
	}
	if vendorDiffers.MatchString(said) {
		return revendor
	}
	if advice := notFetched(said, code); advice != "" {
		return advice
	}
	if missingSum.MatchString(said) {
		return "go.mod and go.sum are not complete: run go mod tidy and commit both"
	}
	if m := missingFile.FindStringSubmatch(said); m != nil {
		if slices.Contains(strings.Split(m[1], "/"), "node_modules") {
			return m[1] + " is embedded, but directories called node_modules are not loaded: copy it to another one, and commit that"
		}
		return m[1] + " is embedded but not in the source: " + generate
	}
	if m := emptyDir.FindStringSubmatch(said); m != nil {
		return m[1] + " is embedded but holds no file, or hidden ones only: " + generate
	}
	if m := irregular.FindStringSubmatch(said); m != nil {
		return m[1] + " is a symbolic link, which go does not embed: put the file itself there"
	}
	for _, m := range missingLocal.FindAllStringSubmatch(said, -1) {
		dir, own := strings.CutPrefix(m[1], code.Module+"/")
		if code.Module == "" || !own {
			continue
		}
		if code.Alike != nil {
			if other := code.Alike(dir); other != "" {
				return fmt.Sprintf("%s is not in the source, but %s is: upper and lower case differ, so import it by that name", m[1], other)
			}
		}
		return m[1] + " is not in the source: " + generate
	}
	if notVendored.MatchString(said) {
		return revendor
	}
	if m := collision.FindStringSubmatch(said); m != nil {
		return "go builds no " + map[bool]string{true: "files", false: "packages"}[m[1] == "file name"] +
			" whose names differ in upper and lower case alone: rename one of " + m[2]
	}
	if notUsed.MatchString(said) {
		return "go.work does not use the module of the service: run go work use . in its directory, and commit go.work"
	}
	if advice := cgo(said, code); advice != "" {
		return advice
	}
	if code.Generates && strings.Contains(said, "undefined: ") {
		return "if what is undefined is generated: " + generate
	}
	return ""
}

// NoRace words why the race detector is not to be had, from what go says when it is asked
// for it in an image.
func NoRace(said, image string) string {
	if strings.Contains(said, "requires cgo") {
		return "it needs a C compiler, and " + image + " has none: give --go-image one that has it"
	}
	first, _, _ := strings.Cut(strings.TrimSpace(said), "\n")
	return strings.TrimPrefix(first, "go: ")
}

const revendor = "vendor/ is not what go.mod says: run go mod vendor, or go work vendor in a workspace, and commit it"

const generate = "run what generates it, for example go generate ./..., before the build, or commit it"
