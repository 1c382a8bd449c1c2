package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// fake takes the pods and the clock into the test's hands: minutes pass at once,
// and no question is answered before the test does.
const fake = `(() => {
  let time = Date.now(), hidden = false, asked, question = new Promise((resolve) => { asked = resolve; });
  const wait = setTimeout;
  globalThis.setTimeout = (then) => wait(then);
  Date.now = () => time;
  globalThis.fetch = () => new Promise((answer) => asked(answer));
  Object.defineProperty(document, "hidden", { get: () => hidden });
  globalThis.hide = (value) => {
    hidden = value;
    document.dispatchEvent(new Event("visibilitychange"));
  };
  globalThis.pass = (milliseconds) => { time += milliseconds; };
  globalThis.answer = async (pods, milliseconds) => {
    for (const pod of pods) {
      const answer = await question;
      question = new Promise((resolve) => { asked = resolve; });
      pass(milliseconds);
      answer(pod ? Response.json({ pod, node: "node-of-" + pod }) : new Response("", { status: 503 }));
    }
  };
  globalThis.drawn = () => question;
})()`

// fakePods opens the page before pods that answer when the test says so.
func fakePods(t *testing.T, browser context.Context, width int64) *tab {
	t.Helper()
	return open(t, browser, setting(t, "SERVICE_2"), width, media{"prefers-reduced-motion": "reduce"}, fake)
}

// eval runs an expression of the fake's in the page, to its end.
func (p *tab) eval(format string, args ...any) {
	p.t.Helper()
	expression := fmt.Sprintf("(async () => { await "+format+"; return true })()", args...)
	if _, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](expression, chromedp.EvalAwaitPromise)); err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
}

// answer lets these pods answer one question each, so long after it was asked,
// and returns what the page shows then. No name is no answer.
func (p *tab) answer(after time.Duration, pods ...string) seen {
	p.t.Helper()
	p.answerLast(after, pods...)
	p.eval("drawn()")
	return p.look()
}

// answerLast is answer where no other question follows.
func (p *tab) answerLast(after time.Duration, pods ...string) {
	p.t.Helper()
	names, _ := json.Marshal(pods) // Strings can always be encoded.
	p.eval("answer(%s, %d)", names, after.Milliseconds())
}
