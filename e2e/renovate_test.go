package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDependencyBotFindsImages sees to it that the bot knows every default image of the
// module, before and after it has pinned it to a digest.
func TestDependencyBotFindsImages(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "renovate.json"))
	if err != nil {
		t.Fatal(err)
	}
	var bot struct {
		CustomManagers []struct {
			DatasourceTemplate string
			MatchStrings       []string
		}
	}
	if err := json.Unmarshal(text, &bot); err != nil {
		t.Fatal(err)
	}
	var finds *regexp.Regexp
	for _, m := range bot.CustomManagers {
		if m.DatasourceTemplate == "docker" {
			finds = regexp.MustCompile(m.MatchStrings[0])
		}
	}
	source, err := os.ReadFile(filepath.Join("..", ".dagger", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	images := regexp.MustCompile(`\+default="[^"]+"\n\s*\w+Image string`).FindAllString(string(source), -1)
	if len(images) < 5 {
		t.Errorf("only %d images have a default", len(images))
	}
	for _, image := range images {
		line, _, _ := strings.Cut(image, "\n")
		pinned := line
		if !strings.Contains(line, "@") {
			pinned = strings.TrimSuffix(line, `"`) + "@sha256:" + strings.Repeat("0a", 32) + `"`
		}
		for _, line := range []string{line, pinned} {
			if got := finds.FindString(line); got != line {
				t.Errorf("of %s the bot sees %q", line, got)
			}
		}
	}
}

// TestOneLinter sees to it that the linter which is compiled is the one in the image, and that the lab makes that image.
func TestOneLinter(t *testing.T) {
	var versions []string
	for file, pattern := range map[string]string{
		".dagger/main.go":          `\+default="golangci/golangci-lint:v([0-9.]+)-alpine[@"]`,
		".dagger/lint.go":          `cmd/golangci-lint@v([0-9.]+)"`,
		"lab/linter.go":            `linterVersion = "([0-9.]+)"`,
		"lab/golangci-lint/go.mod": `(?m)github.com/golangci/golangci-lint/v2 v([0-9.]+)`,
	} {
		text, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(pattern).FindSubmatch(text)
		if found == nil {
			t.Fatalf("%s names no linter", file)
		}
		versions = append(versions, string(found[1]))
	}
	slices.Sort(versions)
	if len(slices.Compact(slices.Clone(versions))) != 1 {
		t.Errorf("golangci-lint is of several versions: %s", versions)
	}
}

// TestModuleSharesTheSDKsModules sees to it that Slipway has the modules of Dagger's SDK in the versions that every engine has
// compiled. With one that is newer, all that imports it is compiled anew on each new engine.
func TestModuleSharesTheSDKsModules(t *testing.T) {
	versions := func(dir string) map[string]string {
		list := exec.CommandContext(t.Context(), "go", "list", "-C", filepath.Join("..", dir), "-m", "-f",
			"{{.Path}} {{with .Replace}}{{.Version}}{{else}}{{.Version}}{{end}}", "all")
		list.Stderr = t.Output()
		out, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		for line := range strings.Lines(string(out)) {
			module, version, _ := strings.Cut(strings.TrimSpace(line), " ")
			found[module] = version
		}
		return found
	}
	ours, shared := versions(".dagger"), 0
	sdk, err := os.ReadFile("../lab/gosdk/_seed/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	compiled := versions("lab/gosdk/_seed")
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v`).FindAllSubmatch(sdk, -1) {
		module := string(m[1])
		if version := ours[module]; version != "" {
			shared++
			if version != compiled[module] {
				t.Errorf("%s is %s here and %s in Dagger's SDK: see the end of .dagger/go.mod", module, version, compiled[module])
			}
		}
	}
	if shared < 20 {
		t.Errorf("only %d modules are shared", shared)
	}
}
