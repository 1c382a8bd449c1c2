package browser

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// What was asked before starting over does not count after it.
func TestStartOver(t *testing.T) {
	browser := startBrowser(t)
	for name, late := range map[string]string{"an answer under way": "a", "no answer under way": ""} {
		t.Run(name, func(t *testing.T) {
			p := fakePods(t, browser, 760)
			p.answer(0, "a", "b", "a")
			p.do(chromedp.Click("#reset"))
			if now := p.answer(0, late); len(now.Counts) != 0 || strings.Contains(now.Summary, "no answer") {
				t.Errorf("want nothing to count yet, got:\n%s", now)
			}
			now := p.answer(0, "a", "b")
			if now.Counts["a"] != 1 || now.Counts["b"] != 1 || now.Shares["a"] != "50 %" || now.Shares["b"] != "50 %" {
				t.Errorf("want an answer, and half of all, for each, got:\n%s", now)
			}
		})
	}
}

// The first question without an answer is announced at once, more of them no
// more often than anything else.
func TestNoAnswer(t *testing.T) {
	p := fakePods(t, startBrowser(t), 760)
	p.answer(0, "a", "b")
	for _, tt := range []struct {
		after time.Duration
		want  string
	}{
		{0, "1 of 3 questions got no answer."},
		{0, "1 of 3 questions got no answer."},
		{10 * time.Second, "3 of 5 questions got no answer."},
	} {
		if now := p.answer(tt.after, ""); !strings.Contains(now.Summary, tt.want) {
			t.Errorf("want it announced that %s, got:\n%s", tt.want, now)
		}
	}
}

// Names as Kubernetes gives them are long.
func TestNode(t *testing.T) {
	p := fakePods(t, startBrowser(t), 320)
	const pod = "hello-world-7c9d8b6f5-x2x4z"
	now := p.answer(0, pod)
	if want := "on node-of-" + pod; !strings.Contains(now.Heads[pod], want) {
		t.Errorf("want the row to say %q, got:\n%s", want, now)
	}
	if now.Contrast < 4.5 || now.ScrollsByPix > 0 {
		t.Errorf("want a contrast of 4.5 or more, and everything within 320 pixels, got:\n%s", now)
	}
}
