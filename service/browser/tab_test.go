package browser

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/remote"
)

// patience is for what a busy machine does late; what is wrong shows at once.
const patience = 30 * time.Second

// setting is a variable of the environment, without which nothing can be tested.
func setting(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("$%s is not set; these tests need a browser and pods: dagger call browser", name)
	}
	return value
}

// startBrowser connects to the browser that runs and returns the context for tabs.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	address := setting(t, "BROWSER")
	awaitBrowser(t, address+"/json/version")
	ctx, cancel := remote.NewAllocator(t.Context(), address)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithErrorf(t.Logf))
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("connecting to the browser: %v", err)
	}
	return ctx
}

// awaitBrowser waits until the browser can be driven; its port is open before.
func awaitBrowser(t *testing.T, address string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "localhost" // Chromium answers no other name.
	client := http.Client{Timeout: 5 * time.Second}
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		resp, err := client.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
			err = fmt.Errorf("status %s", resp.Status)
		}
		if time.Now().After(deadline) {
			t.Fatalf("want a browser at %s within %v, got: %v", address, patience, err)
		}
	}
}

// tab shows the page. When its test ends it fails for every error that the browser
// noticed meanwhile, and for every request to another origin.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string
	asked    int // requests for api/whoami
}

type media map[string]string // feature of media queries → value

// open shows the page, in which the scripts have run before its own.
func open(t *testing.T, browser context.Context, address string, width int64, features media, scripts ...string) *tab {
	t.Helper()
	p := &tab{t: t}
	var cancel context.CancelFunc
	p.ctx, cancel = chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.watch(address)))
	t.Cleanup(cancel)
	t.Cleanup(p.noProblems)

	var emulated []*emulation.MediaFeature
	for name, value := range features {
		emulated = append(emulated, &emulation.MediaFeature{Name: name, Value: value})
	}
	p.do(chromedp.EmulateViewport(width, 600))
	// The first command has opened the tab; no later one may take for ever.
	p.ctx, cancel = context.WithTimeout(p.ctx, 4*patience)
	t.Cleanup(cancel)
	if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: emulated}); err != nil {
		t.Fatal(err)
	}
	// Tabs beside this one must not keep it from having the keyboard.
	if _, err := chromedp.Call(p.ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	for _, script := range scripts {
		params := page.AddScriptToEvaluateOnNewDocumentParams{Source: script}
		if _, err := chromedp.Call(p.ctx, page.AddScriptToEvaluateOnNewDocument, params); err != nil {
			t.Fatal(err)
		}
	}
	p.do(chromedp.Navigate(address + "/"))
	return p
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// watch takes down what the browser reports, while nobody waits for it.
func (p *tab) watch(address string) func(any) {
	problem := func(format string, args ...any) {
		p.problems = append(p.problems, fmt.Sprintf(format, args...))
	}
	return func(event any) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			text := e.ExceptionDetails.Text
			if e.ExceptionDetails.Exception != nil {
				text = cmp.Or(e.ExceptionDetails.Exception.Description, text)
			}
			problem("exception at %s:%d: %s", e.ExceptionDetails.URL, e.ExceptionDetails.LineNumber+1, text)
		case *runtime.EventConsoleAPICalled:
			var said []string
			for _, arg := range e.Args {
				said = append(said, cmp.Or(arg.Description, string(arg.Value)))
			}
			problem("console.%s: %s", e.Type, strings.Join(said, " "))
		case *log.EventEntryAdded:
			problem("%s (%s): %s %s", e.Entry.Level, e.Entry.Source, e.Entry.Text, e.Entry.URL)
		case *network.EventRequestWillBeSent:
			if origin(e.Request.URL) != origin(address) {
				problem("a request to another origin than %s: %s", address, e.Request.URL)
			}
			if strings.HasSuffix(e.Request.URL, "/api/whoami") {
				p.asked++
			}
		}
	}
}

func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Scheme + "://" + u.Host
}

func (p *tab) noProblems() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.problems) > 0 {
		p.t.Errorf("want a silent console and no request to another origin, got:\n%s", strings.Join(p.problems, "\n"))
	}
}

func (p *tab) requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// seen is what the page shows at one moment.
type seen struct {
	Counts  map[string]int     // by pod
	Bars    map[string]float64 // by pod: the bar's width in hundredths of what it can have
	Shares  map[string]string  // by pod: what the bar's cell says
	Heads   map[string]string  // by pod: what heads the row
	Pause   string
	Focus   string // id of the element that has the keyboard
	Summary string // what is announced

	Contrast     float64 // of the dimmest text
	Dark         bool
	Transition   string // what of the bars moves by and by
	ScrollsByPix float64
}

const look = `(() => {
  const text = (id) => document.getElementById(id)?.innerText ?? "missing";
  const rows = [...document.querySelectorAll("tr[data-pod][data-count]")];
  const of = (value) => Object.fromEntries(rows.map((row) => [row.dataset.pod, value(row)]));
  const bar = (row) => row.querySelector(".bar");
  const channels = (color) => color.match(/[\d.]+/g).map(Number);
  const luminance = (color) => {
    const [r, g, b] = color.map((part) => part / 255)
      .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const back = channels(getComputedStyle(document.body).backgroundColor);
  const ground = luminance(back);
  // What is around a text and lets the ground shine through dims the text too.
  const opacity = (e) => e ? getComputedStyle(e).opacity * opacity(e.parentElement) : 1;
  const ink = (e) => {
    const [r, g, b, alpha = 1] = channels(getComputedStyle(e).color);
    return [r, g, b].map((c, i) => back[i] + (c - back[i]) * alpha * opacity(e));
  };
  const texts = [...document.querySelectorAll("h1, p, th, td, small, a")].map((e) => luminance(ink(e)));
  const contrast = (l) => (Math.max(l, ground) + 0.05) / (Math.min(l, ground) + 0.05);
  return {
    Counts: of((row) => Number(row.dataset.count)),
    Bars: of((row) => 100 * bar(row).getBoundingClientRect().width / bar(row).parentElement.getBoundingClientRect().width),
    Shares: of((row) => bar(row).closest("td").innerText),
    Heads: of((row) => row.querySelector("th").innerText),
    Pause: text("pause"), Summary: document.querySelector("[aria-live=polite]").innerText,
    Focus: document.activeElement.id,
    Contrast: Math.min(...texts.map(contrast)),
    Dark: texts.every((l) => l > ground),
    Transition: rows.length ? getComputedStyle(bar(rows[0])).transitionProperty : "",
    ScrollsByPix: document.documentElement.scrollWidth - innerWidth,
  };
})()`

func (s seen) String() string {
	text, _ := json.MarshalIndent(s, "", "  ") // It has only what JSON has too.
	return string(text)
}

func (s seen) total() int {
	total := 0
	for _, n := range s.Counts {
		total += n
	}
	return total
}

func (p *tab) look() seen {
	p.t.Helper()
	now, err := chromedp.Run(p.ctx, chromedp.Evaluate[seen](look))
	if err != nil {
		p.t.Fatalf("looking at the page: %v", err)
	}
	return now
}

// until looks at the page until it is as wanted.
func (p *tab) until(want string, ok func(seen) bool) seen {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		now := p.look()
		if ok(now) {
			return now
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("want %s within %v, got:\n%s", want, patience, now)
		}
	}
}
