package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	inlineLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	labelUsed  = regexp.MustCompile(`\]\[([\w-]+)\]`)
	labelGiven = regexp.MustCompile(`(?m)^\[([\w-]+)\]: \S+$`)
	codeBlock  = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	codeSpan   = regexp.MustCompile("`[^`\n]*`")
	heading    = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notInID    = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// brokenLinks are the links of a page that lead nowhere in this repository. What is elsewhere is not asked.
func brokenLinks(t *testing.T, page, text string) (broken []string) {
	t.Helper()
	text = codeSpan.ReplaceAllString(codeBlock.ReplaceAllString(text, ""), "")
	for _, link := range inlineLink.FindAllStringSubmatch(text, -1) {
		if strings.Contains(link[1], "://") {
			continue
		}
		path, id, _ := strings.Cut(link[1], "#")
		target := page
		if path != "" {
			target = filepath.Join(filepath.Dir(page), path)
		}
		if _, err := os.Stat(target); err != nil || id != "" && !headings(t, target)[id] {
			broken = append(broken, link[1])
		}
	}
	given := map[string]bool{}
	for _, label := range labelGiven.FindAllStringSubmatch(text, -1) {
		given[label[1]] = true
	}
	used := map[string]bool{}
	for _, label := range labelUsed.FindAllStringSubmatch(text, -1) {
		used[label[1]] = true
		if !given[label[1]] {
			broken = append(broken, "["+label[1]+"]")
		}
	}
	for label := range given {
		if !used[label] {
			broken = append(broken, "["+label+"]:")
		}
	}
	return broken
}

// headings are the names by which links reach the headings of a page.
func headings(t *testing.T, page string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(string(text), ""), -1) {
		ids[strings.ReplaceAll(notInID.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")] = true
	}
	return ids
}

// TestLinks follows the links between the pages of this repository.
func TestLinks(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"../*.md", "../docs/*.md", "../lab/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	if len(pages) < 10 {
		t.Errorf("found %d pages only", len(pages))
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range brokenLinks(t, page, string(text)) {
			t.Errorf("%s: %s leads nowhere", page, link)
		}
	}
}

// What docs/ci.md says of Dagger was read and measured in one version. With another it is to be read and measured again:
// whether a stop keeps the cache, what the garbage collector takes, which variables have an effect.
func TestCachesAreThoseOfThisDagger(t *testing.T) {
	text, err := os.ReadFile("../docs/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile("../dagger.json")
	if err != nil {
		t.Fatal(err)
	}
	engine := regexp.MustCompile(`"engineVersion": "(v[\d.]+)"`).FindSubmatch(module)
	if engine == nil {
		t.Fatal("dagger.json has no engineVersion")
	}
	for _, want := range []string{"holds for " + string(engine[1]), "/engine:" + string(engine[1]) + "\n", "/blob/" + string(engine[1]) + "/"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("docs/ci.md is not about Dagger %s: it lacks %q", engine[1], want)
		}
	}
}
