package browser

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// few is so many questions that, at three seconds each, who answers none of them
// has been silent long enough for the page to say so.
const few = 6

func TestSilence(t *testing.T) {
	browser := startBrowser(t)
	t.Run("is said, in text that can be read", func(t *testing.T) {
		p := fakePods(t, browser, 760)
		if now := p.answer(0, "old", "new"); now.silent("old") || now.silent("new") {
			t.Errorf("want no pod silent that has just answered, got:\n%s", now)
		}
		now := p.answer(3*time.Second, slices.Repeat([]string{"new"}, few)...)
		if !now.silent("old") || now.silent("new") {
			t.Errorf("want only the old pod silent, got:\n%s", now)
		}
		if now.Contrast < 4.5 {
			t.Errorf("want a contrast of 4.5 or more beside a silent pod, got:\n%s", now)
		}
		if now = p.answer(0, "old"); now.silent("old") {
			t.Errorf("want no pod silent that answers again, got:\n%s", now)
		}
	})
	t.Run("is forgotten after minutes", func(t *testing.T) {
		p := fakePods(t, browser, 760)
		p.answer(0, "old", "new", "other")
		now := p.answer(3*time.Second, slices.Repeat([]string{"new", "other"}, 10)...)
		if !strings.Contains(now.Summary, " answers from 2 pods, ") || !strings.HasSuffix(now.Summary, " each, 1 silent.") {
			t.Errorf("want a summary of the two pods that answer, and one silent, got:\n%s", now)
		}
		now = p.answer(3*time.Second, slices.Repeat([]string{"new", "other"}, 30)...)
		if len(now.Counts) != 2 || now.Counts["old"] != 0 {
			t.Errorf("want no row of a pod silent for three minutes, got:\n%s", now)
		}
		if now = p.answer(0, "old"); now.Counts["old"] != 1 || now.silent("old") {
			t.Errorf("want a new row for a pod that answers again, got:\n%s", now)
		}
	})
	t.Run("shows no later beside many silent pods", func(t *testing.T) {
		p := fakePods(t, browser, 760)
		var old []string
		for i := range 30 {
			old = append(old, fmt.Sprintf("old-%02d", i+1))
		}
		p.answer(0, old...)
		now := p.answer(3*time.Second, slices.Repeat([]string{"new", "other"}, 10)...)
		if !now.silent("old-30") {
			t.Errorf("want all old pods silent, got:\n%s", now)
		}
		if now = p.answer(3*time.Second, slices.Repeat([]string{"new"}, few)...); !now.silent("other") {
			t.Errorf("want the other pod silent as soon as if there were only two, got:\n%s", now)
		}
	})
}

// silent tells whether the page says so of a pod, where a screen reader gets it.
func (s seen) silent(pod string) bool { return strings.Contains(s.Heads[pod], "silent") }

// Who is not asked cannot answer: no pod is silent for that.
func TestAway(t *testing.T) {
	browser := startBrowser(t)
	for name, tt := range map[string]struct{ leave, comeBack func(*tab) }{
		"paused": {
			leave:    func(p *tab) { p.do(chromedp.Click("#pause")) },
			comeBack: func(p *tab) { p.do(chromedp.Click("#pause")) },
		},
		"hidden": {
			leave:    func(p *tab) { p.eval("hide(true)") },
			comeBack: func(p *tab) { p.eval("hide(false)") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := fakePods(t, browser, 760)
			p.answer(0, "old", "new", "other")
			p.answer(3*time.Second, slices.Repeat([]string{"new", "other"}, few)...)
			tt.leave(p)
			p.answerLast(0, "new") // It had been asked before.
			p.until("the last answer to count", func(now seen) bool { return now.Counts["new"] == few+2 })
			p.eval("pass(%d)", time.Hour.Milliseconds())
			tt.comeBack(p)
			for _, now := range []seen{p.look(), p.answer(0, "new")} {
				if now.silent("new") || now.silent("other") || !now.silent("old") {
					t.Errorf("want only that pod silent which had been so before, got:\n%s", now)
				}
			}
		})
	}
	t.Run("asleep", func(t *testing.T) {
		p := fakePods(t, browser, 760)
		p.answer(0, "new", "other")
		if now := p.answer(time.Hour, "new"); now.silent("other") {
			t.Errorf("want no pod silent for an hour of the computer's sleep, got:\n%s", now)
		}
	})
}
