package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const mit = `MIT License

Copyright (c) 2026 Somebody

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
`

func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		files       map[string]string
		want, texts string
	}{
		"known":               {map[string]string{"LICENSE": mit, "main.go": "package x"}, "MIT", "LICENSE"},
		"in British":          {map[string]string{"licence.txt": mit}, "MIT", "licence.txt"},
		"with a notice":       {map[string]string{"COPYING": mit, "NOTICE": "thanks"}, "MIT", "COPYING, NOTICE"},
		"none":                {map[string]string{"README": mit}, "unknown", "it has no file with a licence"},
		"a few words":         {map[string]string{"LICENSE": "Ask me.\n"}, "unknown", "LICENSE"},
		"mostly other words":  {map[string]string{"LICENSE": mit + strings.Repeat("But not on Sundays, nor in the rain.\n", 100)}, "unknown", "LICENSE"},
		"one of two is known": {map[string]string{"LICENSE": mit, "LICENSE.docs": "Ask me."}, "MIT; not known: LICENSE.docs", "LICENSE, LICENSE.docs"},
		"a clause before":     {map[string]string{"LICENSE": "Under the MIT licence, with the Commons Clause.\n\n" + mit}, "unknown", "LICENSE"},
		"a clause after": {map[string]string{"LICENSE": mit + "\nThis software may not be used in production without a subscription.\n"},
			"unknown", "LICENSE"},
		"two with a clause": {map[string]string{"LICENSE": mit + "\nNot for commercial use.\n\n" + mit}, "unknown", "LICENSE"},
		"a word of thanks":  {map[string]string{"LICENSE": "Copyright of many, see AUTHORS.\n\n" + mit + "\nThanks to all.\n"}, "MIT", "LICENSE"},
		"a mark before":     {map[string]string{"LICENSE.md": "\ufeff# Licence\n\n" + mit}, "MIT", "LICENSE.md"},
		"two of a kind":     {map[string]string{"LICENSE-MIT": mit, "COPYING": mit}, "MIT", "COPYING, LICENSE-MIT"},
		"only its name":     {map[string]string{"LICENSE": "MIT\n"}, "unknown", "LICENSE"},
		"a program":         {map[string]string{"license.go": mit}, "unknown", "it has no file with a licence"},
		"another word":      {map[string]string{"licensed.txt": mit}, "unknown", "it has no file with a licence"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, body := range c.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(body), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			l, err := read(module{Path: "example.com/m", Version: "v1.0.0"}, dir)
			if err != nil || l.names() != c.want || l.files() != c.texts {
				t.Errorf("%q of %q, %v, want %q of %q", l.names(), l.files(), err, c.want, c.texts)
			}
		})
	}
	dir := t.TempDir()
	for file, body := range map[string]string{
		"LICENSE": mit, "LICENSE.enterprise": "May not be used in production without a subscription.",
		"LICENSE.3rd": "Others:\n\n" + mit + strings.Repeat("May not.\n", 200),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if l, err := read(module{}, dir); err != nil || !slices.Equal(l.limits, []string{"LICENSE.enterprise"}) {
		t.Errorf("limited by %q, %v", l.limits, err)
	}
	if _, err := read(module{Path: "example.com/m", Version: "v1.0.0"}, "/nowhere"); err == nil {
		t.Error("a module without a directory has a licence")
	}
}

func TestRefused(t *testing.T) {
	found := []licensed{
		{module: module{Path: "example.com/a"}, ids: []string{"MIT"}},
		{module: module{Path: "example.com/b"}, ids: []string{"Apache-2.0", "BSD-3-Clause"}},
	}
	unknown := licensed{module: module{Path: "example.com/c"}, texts: []text{{"LICENSE", "Ask me."}}}
	for name, c := range map[string]struct {
		found []licensed
		allow []string
		want  []string
	}{
		"all":        {found, nil, nil},
		"listed":     {found, []string{"mit", "apache-2.0", "bsd-3-clause"}, nil},
		"one is not": {found, []string{"MIT", "Apache-2.0"}, []string{"example.com/b is under BSD-3-Clause, which --allow does not list"}},
		"limited": {[]licensed{{module: module{Path: "example.com/d"}, ids: []string{"MIT"}, limits: []string{"LICENSE.enterprise"}}}, nil,
			[]string{"example.com/d has a file that limits what MIT allows: read LICENSE.enterprise"}},
		"unknown":      {append(found, unknown), nil, []string{"example.com/c has no licence that is known", "(LICENSE)"}},
		"unknown, too": {append(found, unknown), []string{"MIT"}, []string{"under Apache-2.0", "under BSD-3-Clause", "example.com/c has no licence"}},
	} {
		err := refused(c.found, c.allow)
		if (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: no %q in %v", name, want, err)
			}
		}
	}
}

func TestDir(t *testing.T) {
	for want, got := range map[string]string{
		"/go": module{Path: standardLibrary}.dir("/go", "/cache", ""),
		"/cache/github.com/!burnt!sushi/toml@v1.0.0": module{Path: "github.com/BurntSushi/toml", Version: "v1.0.0"}.dir("/go", "/cache", ""),
		"/src/vendor/github.com/BurntSushi/toml":     module{Path: "example.com/fork", Version: "v1.0.0", As: "github.com/BurntSushi/toml"}.dir("/go", "/cache", "/src/vendor"),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// The licence of this machine's Go, through the whole program.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	from, texts := filepath.Join(dir, "request.json"), filepath.Join(dir, "texts")
	if err := os.WriteFile(from, []byte(`{"Modules":[{"Path":"stdlib","Version":"1.26.8"}],"Allow":["BSD-3-Clause"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := run(from, texts)
	if err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(texts)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(list, "stdlib  1.26.8  BSD-3-Clause") || !strings.Contains(string(body), "stdlib 1.26.8, LICENSE\n\nCopyright 2009 The Go Authors") {
		t.Errorf("%s\n%.200s", list, body)
	}
}
