package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// What was asked before starting over does not count after it.
func TestStartOver(t *testing.T) {
	browser := startBrowser(t)
	for name, late := range map[string]string{"an answer under way": "a", "no answer under way": ""} {
		t.Run(name, func(t *testing.T) {
			p := fakePods(t, browser)
			p.answer(0, "a", "b", "a")
			p.do(chromedp.Click("#reset"))
			if now := p.answer(0, late); len(now.Counts) != 0 || strings.Contains(now.Status, "no answer") {
				t.Errorf("want nothing to count yet, got:\n%s", now)
			}
			now := p.answer(0, "a", "b")
			if now.Counts["a"] != 1 || now.Counts["b"] != 1 || now.Spoken["a"] != "50 %" || now.Spoken["b"] != "50 %" {
				t.Errorf("want an answer, and half of all, for each, got:\n%s", now)
			}
		})
	}
}
