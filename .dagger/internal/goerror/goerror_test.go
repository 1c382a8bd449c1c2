package goerror

import "testing"

const leftOut = " is C (import \"C\"), which is left out: give --cgo before the function's name to compile it too, " +
	"or use a package written in Go in its place"

func TestAdvice(t *testing.T) {
	code := Code{Module: "example.com/m"}
	foreign := Code{Module: "example.com/m", ForeignCgo: map[string]string{"example.org/webp": "webp", "example.org/govips/v2/vips": "vips"}}
	tests := []struct {
		name, said string
		code       Code
		want       string
	}{
		{"a newer Go", "go: go.mod requires go >= 1.99.1 (running go 1.26.8; GOTOOLCHAIN=local)", code,
			"go.mod wants Go 1.99 or newer and the image has 1.26.8: give --go-image one that has it, for example golang:1.99"},
		{"a dependency's newer Go", "go: example.org/x@v1.0.0 requires go >= 1.30 (running go 1.26.8; GOTOOLCHAIN=local)", code,
			"example.org/x@v1.0.0 wants Go 1.30 or newer and the image has 1.26.8: give --go-image one that has it, for example golang:1.30"},
		{"no line in go.sum", "main.go:3:8: missing go.sum entry for module providing package rsc.io/quote; to add:\n\tgo get example.com/m", code,
			"go.mod and go.sum are not complete: run go mod tidy and commit both"},
		{"go.mod not tidy", "go: updates to go.mod needed; to update it:\n\tgo mod tidy", code,
			"go.mod and go.sum are not complete: run go mod tidy and commit both"},
		{"no file to embed", "main.go:8:12: pattern dist/app.js: no matching files found", code,
			"dist/app.js is embedded but not in the source: " + generate},
		{"no directory to embed, with hidden files", "main.go:5:12: pattern all:ui/dist: no matching files found", code,
			"ui/dist is embedded but not in the source: " + generate},
		{"files whose names differ in case", "package example.com/m: case-insensitive file name collision: \"d/A.txt\" and \"d/a.txt\"", code,
			"go builds no files whose names differ in upper and lower case alone: rename one of \"d/A.txt\" and \"d/a.txt\""},
		{"imports that differ in case", "package example.com/m: case-insensitive import collision: \"example.com/m/A\" and \"example.com/m/a\"", code,
			"go builds no packages whose names differ in upper and lower case alone: rename one of \"example.com/m/A\" and \"example.com/m/a\""},
		{"a workspace of others", "current directory is contained in a module that is not one of the workspace modules listed in go.work. You can add the module", code,
			"go.work does not use the module of the service: run go work use . in its directory, and commit go.work"},
		{"no file whose name has a space", "main.go:5:12: pattern a b.txt: no matching files found", code,
			"a b.txt is embedded but not in the source: " + generate},
		{"an empty directory to embed", "main.go:5:12: pattern dist: cannot embed directory dist: contains no embeddable files", code,
			"dist is embedded but holds no file, or hidden ones only: " + generate},
		{"a link to embed", "main.go:5:12: pattern h.txt: cannot embed irregular file h.txt", code,
			"h.txt is a symbolic link, which go does not embed: put the file itself there"},
		{"a go.mod that is newer than its reader", "go: errors parsing go.mod:\ngo.mod:4: unknown block type: tool\n", code,
			"go.mod is written for another Go than the image has: give --go-image one that is as new as its go line says"},
		{"a go.mod with marks of a merge", "go: errors parsing go.mod:\ngo.mod:4: unknown directive: <<<<<<<\n", code, ""},
		{"not vendored", "main.go:3:8: cannot find module providing package rsc.io/quote: import lookup disabled by -mod=vendor", code, revendor},
		{"no package beside vendor", "main.go:4:8: cannot find module providing package example.com/m/gen: import lookup disabled by -mod=vendor", code,
			"example.com/m/gen is not in the source: " + generate},
		{"a package in other letters", "main.go:3:8: no required module provides package example.com/m/lib; to add it:\n\tgo get example.com/m/lib",
			Code{Module: "example.com/m", Alike: func(dir string) string { return map[string]string{"lib": "Lib"}[dir] }},
			"example.com/m/lib is not in the source, but Lib is: upper and lower case differ, so import it by that name"},
		{"no file for the tags", "package example.com/m\n\timports example.com/m/lib: build constraints exclude all Go files in /src/lib", Code{Cgo: []string{"c"}},
			"lib has no file for this platform and these tags: give --tags, before the function's name, with those that its files want"},
		{"a file of npm to embed", "main.go:8:12: pattern web/node_modules/htmx.js: no matching files found", code,
			"web/node_modules/htmx.js is embedded, but directories called node_modules are not loaded: copy it to another one, and commit that"},
		{"another vendor tree", "go: inconsistent vendoring in /src:\n\trsc.io/quote@v1.5.2: is explicitly required in go.mod, but not marked as explicit in vendor/modules.txt", code,
			"vendor/ is not what go.mod says: run go mod vendor, or go work vendor in a workspace, and commit it"},
		{"no package", "main.go:3:8: no required module provides package example.com/m/gen; to add it:\n\tgo get example.com/m/gen", code,
			"example.com/m/gen is not in the source: " + generate},
		{"no package in the module", "main.go:3:8: package example.com/m/gen is not in std (/usr/local/go/src/example.com/m/gen)", code,
			"example.com/m/gen is not in the source: " + generate},
		{"another's package", "main.go:3:8: no required module provides package rsc.io/quote; to add it:\n\tgo get rsc.io/quote", code, ""},
		{"only C", "package example.com/m\n\timports example.com/m/c: build constraints exclude all Go files in /src/c", Code{Cgo: []string{"c"}},
			"/src/c" + leftOut},
		{"undefined for want of C", "./main.go:5:2: undefined: add", Code{Cgo: []string{"."}},
			"." + leftOut},
		{"something else beside C", "./main.go:5:2: syntax error", Code{Cgo: []string{"."}}, ""},
		{"undefined in another's package, which has C", "# example.org/webp\nwebp.go:119:14: undefined: webpDecode\nwebp.go:119:14: too many errors", foreign,
			"example.org/webp" + leftOut},
		{"undefined for want of another's package with C", "# example.com/m\n./main.go:5:9: undefined: vips.Startup", foreign,
			"example.org/govips/v2/vips" + leftOut},
		{"undefined beside another's package with C", "# example.com/m\n./main.go:5:9: undefined: add", foreign, ""},
		{"no such library", "/usr/bin/ld: cannot find -lfoo: No such file or directory\ncollect2: error: ld returned 1 exit status", code,
			"the Go image has no static form of the C library foo: give --go-image one that has it, libNAME.a and its headers"},
		{"no such library, by an older linker", "/usr/bin/ld: cannot find -lfoo\ncollect2: error: ld returned 1 exit status", code,
			"the Go image has no static form of the C library foo: give --go-image one that has it, libNAME.a and its headers"},
		{"only a shared library", "ld: attempted static link of dynamic object `/usr/lib/libfoo.so'", code,
			"a static program cannot have the shared C library /usr/lib/libfoo.so: give --go-image one that has it as libNAME.a"},
		{"no such header", "./main.go:3:11: fatal error: foo/foo.h: No such file or directory", code,
			"the Go image has no C header foo/foo.h: give --go-image one that has it, or put it into the source"},
		{"nothing known to pkg-config", "Package vips was not found in the pkg-config search path.\nPackage 'vips', required by 'virtual:world', not found", code,
			"pkg-config of the Go image does not know vips: give --go-image one that has it, with its headers and its static library"},
		{"no compiler", `cgo: C compiler "gcc" not found: exec: "gcc": executable file not found in $PATH`, code,
			"to compile C the Go image lacks the program gcc: give --go-image one that has it"},
		{"no pkg-config", `go: exec: "pkg-config": executable file not found in $PATH`, code,
			"to compile C the Go image lacks the program pkg-config: give --go-image one that has it"},
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

func TestNoRace(t *testing.T) {
	tests := []struct{ name, said, want string }{
		{"no compiler", "go: -race requires cgo; enable cgo by setting CGO_ENABLED=1\n",
			"it needs a C compiler, and golang:alpine has none: give --go-image one that has it"},
		{"no such platform", "-race is not supported on linux/arm\n", "-race is not supported on linux/arm"},
		{"more than one line", "go: one\ntwo\n", "one"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := NoRace(tt.said, "golang:alpine"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
