package browser

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// few is so many questions that, at three seconds each, who answers none of them
// has been silent long enough for the page to say so.
const few = 6

func TestSilence(t *testing.T) {
	browser := startBrowser(t)
	t.Run("is said, in text that can be read", func(t *testing.T) {
		p := fakePods(t, browser)
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
}

// silent tells whether the page says so of a pod, where a screen reader gets it.
func (s seen) silent(pod string) bool { return strings.Contains(s.Heads[pod], "silent") }
