package goerror

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

var (
	onlyCgo   = regexp.MustCompile(`build constraints exclude all Go files in (\S+)`)
	noLibrary = regexp.MustCompile(`cannot find -l(\S+?):?(?:\s|$)`)
	noArchive = regexp.MustCompile("attempted static link of dynamic object [`']([^`']+)'")
	noHeader  = regexp.MustCompile(`fatal error: (\S+): No such file or directory`)
	noPackage = regexp.MustCompile(`Package '?([^\s',]+)'?,? (?:was not found|required by)`)
	noProgram = regexp.MustCompile(`(?:C compiler|exec:) "(\S+?)"(?: not found|: executable file not found)`)
)

const giveImage = ": give --go-image one that has it"

// cgo is advice about C: that which is left out, and that which is not there to compile or link.
func cgo(said string, code Code) string {
	for _, missing := range []struct {
		pattern   *regexp.Regexp
		what, end string
	}{
		{noLibrary, "the Go image has no static form of the C library ", giveImage + ", libNAME.a and its headers"},
		{noArchive, "a static program cannot have the shared C library ", giveImage + " as libNAME.a"},
		{noHeader, "the Go image has no C header ", giveImage + ", or put it into the source"},
		{noPackage, "pkg-config of the Go image does not know ", giveImage + ", with its headers and its static library"},
		{noProgram, "to compile C the Go image lacks the program ", giveImage},
	} {
		if m := missing.pattern.FindStringSubmatch(said); m != nil {
			return missing.what + m[1] + missing.end
		}
	}
	which := strings.Join(code.Cgo, ", ")
	for _, path := range slices.Sorted(maps.Keys(code.ForeignCgo)) {
		if strings.Contains(said, "# "+path+"\n") || strings.Contains(said, "undefined: "+code.ForeignCgo[path]+".") {
			which = path
			break
		}
	}
	if m := onlyCgo.FindStringSubmatch(said); m != nil {
		if dir, own := strings.CutPrefix(m[1], "/src/"); own && !slices.Contains(code.Cgo, dir) {
			return dir + " has no file for this platform and these tags: give --tags, before the function's name, with those that its files want"
		}
		which = m[1]
	} else if !strings.Contains(said, "undefined: ") && !strings.Contains(said, "too many errors") {
		return ""
	}
	if which == "" {
		return ""
	}
	return which + " is C (import \"C\"), which is left out: give --cgo before the function's name to compile it too, " +
		"or use a package written in Go in its place"
}
