package e2e

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var wordStart = regexp.MustCompile(`([a-z])([A-Z])`)

// docs/settings.md lists each argument of the module's constructor by both of its names.
func TestSettingsAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "settings.md"))
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", ".dagger", "main.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	settings := 0
	for _, decl := range file.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Name.Name != "New" {
			continue
		}
		params := fn.Type.Params.List // the context, and the settings
		for _, field := range params[len(params)-1].Type.(*ast.StructType).Fields.List {
			name := field.Names[0].Name
			if name == "Workspace" { // Dagger gives it.
				continue
			}
			settings++
			flag := "`--" + strings.ToLower(wordStart.ReplaceAllString(name, "$1-$2")) + "`"
			variable := "`SLIPWAY_" + strings.ToUpper(name) + "`"
			if !strings.Contains(string(text), flag) || !strings.Contains(string(text), variable) {
				t.Errorf("docs/settings.md lacks %s or %s", flag, variable)
			}
		}
	}
	if settings == 0 {
		t.Error("the constructor has no settings")
	}
}

var defaultOfInit = regexp.MustCompile(`default(\w+) += "(.*)"`)

// init leaves out of .env what is the constructor's default, which Go cannot ask an annotation for.
func TestInitKnowsTheDefaults(t *testing.T) {
	settings, err := os.ReadFile(filepath.Join("..", ".dagger", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	known, err := os.ReadFile(filepath.Join("..", ".dagger", "init.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := defaultOfInit.FindAllStringSubmatch(string(known), -1)
	if len(found) == 0 {
		t.Fatal("init.go has no defaults")
	}
	for _, d := range found {
		want := "// +default=[\"" + strings.ReplaceAll(d[2], ",", "\", \"") + "\"]\n\t" + d[1] + " []string"
		if !strings.Contains(string(settings), want) {
			t.Errorf("main.go does not have %q, which init.go takes for the default", want)
		}
	}
}
