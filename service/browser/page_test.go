// Package browser tests the page in a browser, as people use it: with two pods
// behind it and with twelve.
package browser

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestPage(t *testing.T) {
	browser := startBrowser(t)
	for _, tt := range []struct {
		pods       int
		screenshot string
	}{
		{2, "page.png"},
		{12, "page-twelve.png"},
	} {
		t.Run(fmt.Sprintf("%d pods", tt.pods), func(t *testing.T) {
			t.Parallel() // One tab at a time for each Service, so that tabs do not take turns with the pods.
			address := setting(t, fmt.Sprintf("SERVICE_%d", tt.pods))
			var names []string
			for i := range tt.pods {
				names = append(names, fmt.Sprintf("pod-%02d", i+1))
			}
			t.Run("counts", func(t *testing.T) {
				p := open(t, browser, address, 760, media{"prefers-color-scheme": "light"})
				counts(p, names)
				screenshot(p, tt.screenshot)
			})
			t.Run("obeys the keyboard", func(t *testing.T) {
				p := open(t, browser, address, 760, nil)
				keyboard(p, names)
			})
			t.Run("dark and without motion", func(t *testing.T) {
				p := open(t, browser, address, 760, media{"prefers-color-scheme": "dark", "prefers-reduced-motion": "reduce"})
				dark(p, names)
			})
			t.Run("on a phone", func(t *testing.T) {
				p := open(t, browser, address, 320, nil)
				now := p.untilAll(names, 1)
				if now.ScrollsByPix > 0 {
					t.Errorf("want everything within 320 pixels, got %v more", now.ScrollsByPix)
				}
			})
		})
	}
}

// untilAll waits until every pod, and no other, has answered at least so often.
func (p *tab) untilAll(names []string, times int) seen {
	p.t.Helper()
	now := p.until(fmt.Sprintf("at least %d answers from each of %v", times, names), func(now seen) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return now.Counts[name] < times })
	})
	if len(now.Counts) != len(names) {
		p.t.Fatalf("want bars for %v only, got:\n%s", names, now)
	}
	return now
}

// counts: there is a bar for each pod, and all of them go on counting.
func counts(p *tab, names []string) {
	p.t.Helper()
	first := p.untilAll(names, 1)
	p.until("each pod's count to grow", func(now seen) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return now.Counts[name] <= first.Counts[name] })
	})
	// Just after it, the summary and the rows agree: so they shall in the picture.
	now := p.until("a summary of 24 answers from all pods; it comes every ten seconds", func(now seen) bool {
		var answers, pods int
		_, err := fmt.Sscanf(now.Summary, "%d answers from %d pods, ", &answers, &pods)
		return err == nil && answers >= 24 && pods == len(names)
	})
	if strings.Contains(now.Summary, "no answer") {
		p.t.Errorf("want every question answered, got %q", now.Summary)
	}
	if now.Dark || now.Contrast < 4.5 {
		p.t.Errorf("want dark text on a light ground, with a contrast of 4.5 or more, got:\n%s", now)
	}
}

var summary = regexp.MustCompile(`^\d+ answers from (\d+) pods, \d+ to \d+ each\. Paused\.$`)

// keyboard: the buttons are reached and pressed without a mouse.
func keyboard(p *tab, names []string) {
	p.t.Helper()
	p.untilAll(names, 1)
	p.do(chromedp.KeyEvent(kb.Tab))
	if now := p.look(); now.Focus != "pause" {
		p.t.Fatalf("want the first Tab to reach the button #pause, got #%s", now.Focus)
	}

	p.do(chromedp.KeyEvent(kb.Enter))
	p.until(`the button to say "Resume" after Enter`, func(now seen) bool { return now.Pause == "Resume" })
	time.Sleep(time.Second) // The answer to a question already asked still counts.
	before, asked := p.look(), p.requests()
	time.Sleep(time.Second)
	paused := p.look()
	if paused.total() != before.total() || p.requests() != asked {
		p.t.Errorf("want no question and no count while paused, got %d questions and %d answers more",
			p.requests()-asked, paused.total()-before.total())
	}
	if m := summary.FindStringSubmatch(paused.Summary); m == nil || m[1] != fmt.Sprint(len(names)) {
		p.t.Errorf("want a summary of %d pods, like %s; got %q", len(names), summary, paused.Summary)
	}
	total, most := 0, 0
	for _, n := range paused.Counts {
		total, most = total+n, max(most, n)
	}
	for name, n := range paused.Counts {
		share := 100 * float64(n) / float64(most)
		if math.Abs(paused.Bars[name]-share) > 2 {
			p.t.Errorf("%s, with %d answers where the most is %d: want a bar of %.0f %%, got %.0f %%", name, n, most, share, paused.Bars[name])
		}
		if want := fmt.Sprintf("%d %%", (200*n+total)/(2*total)); paused.Shares[name] != want {
			p.t.Errorf("%s, with %d of %d answers: want %q beside its bar, got %q", name, n, total, want, paused.Shares[name])
		}
	}

	p.do(chromedp.KeyEvent(" "))
	now := p.until("to go on counting after Space", func(now seen) bool { return now.total() > paused.total()+2 })
	if now.Pause != "Pause" {
		p.t.Errorf(`want the button to say "Pause" again, got %q`, now.Pause)
	}

	p.do(chromedp.KeyEvent(kb.Tab))
	if now := p.look(); now.Focus != "reset" {
		p.t.Fatalf("want the second Tab to reach the button #reset, got #%s", now.Focus)
	}
	p.do(chromedp.KeyEvent(kb.Enter))
	p.until("to start over", func(now seen) bool { return now.total() < paused.total() })
}

// dark: who asks for light letters and no motion gets them.
func dark(p *tab, names []string) {
	p.t.Helper()
	now := p.untilAll(names, 1)
	if !now.Dark || now.Contrast < 4.5 {
		p.t.Errorf("want light text on a dark ground, with a contrast of 4.5 or more, got:\n%s", now)
	}
	if now.Transition != "none" {
		p.t.Errorf("want bars that do not move, got transition: %q", now.Transition)
	}
}

func screenshot(p *tab, name string) {
	p.t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(p.ctx, chromedp.Screenshot(chromedp.CSS("body")))
	if err != nil {
		p.t.Fatalf("taking a screenshot: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), picture, 0o644); err != nil {
		p.t.Fatal(err)
	}
}
