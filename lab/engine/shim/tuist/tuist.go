// Package tuist stands in for github.com/vito/tuist, which no public module proxy serves at the
// version Dagger wants. It lays text out but draws no live terminal UI, so the CLI must be run
// with plain, dots or logs progress.
package tuist

import (
	"io"
	"os"
	"strings"
	"time"

	uv "github.com/charmbracelet/ultraviolet"
)

type Context struct {
	Width, Height int
	lines         *[]string
	tui           *TUI
}

func (c Context) Line(s string) { c.Lines(s) }
func (c Context) Lines(s ...string) {
	if c.lines != nil {
		*c.lines = append(*c.lines, s...)
	}
}
func (c Context) Resize(w, h int) Context { c.Width, c.Height = w, h; return c }
func (c Context) ScreenHeight() int       { return c.Height }
func (c Context) SetFocus(Component)      {}
func (c Context) Dispatch(f func())       { f() }
func (c Context) Done() <-chan struct{}   { return nil }
func (c Context) Err() error              { return nil }

type Component interface{ Render(Context) }
type Interactive interface {
	HandleKeyPress(Context, uv.KeyPressEvent) bool
}
type Mounter interface{ OnMount(Context) }
type Dismounter interface{ OnDismount() }
type Focusable interface{ SetFocused(Context, bool) }
type MouseEnabled interface {
	HandleMouse(Context, MouseEvent) bool
}
type Hoverable interface{ SetHovered(Context, bool) }

type MouseEvent struct {
	uv.MouseEvent
	Row, Col int
}

type Result struct{ Lines []string }

type Compo struct{}

func (*Compo) Update() {}
func render(ctx Context, c Component) Result {
	var out []string
	ctx.lines = &out
	c.Render(ctx)
	return Result{Lines: out}
}
func (*Compo) RenderChildResult(ctx Context, c Component) Result { return render(ctx, c) }
func (*Compo) RenderChild(ctx Context, c Component)              { ctx.Lines(render(ctx, c).Lines...) }
func (*Compo) RenderChildInline(ctx Context, c Component) string {
	return strings.Join(render(ctx, c).Lines, "")
}

type Container struct {
	Compo
	Children []Component
}

func (c *Container) AddChild(k Component)    { c.Children = append(c.Children, k) }
func (c *Container) RemoveChild(k Component) {}
func (c *Container) Render(ctx Context) {
	for _, k := range c.Children {
		c.RenderChild(ctx, k)
	}
}

type Spinner struct {
	Compo
	Epoch time.Time
	Style func(string) string
}

func NewSpinner() *Spinner          { return &Spinner{} }
func (*Spinner) Render(ctx Context) { ctx.Line("*") }

type TextInput struct {
	Compo
	Prompt         string
	OnSubmit       func(Context, string) bool
	KeyInterceptor func(Context, uv.KeyPressEvent) bool
	OnChange       func(Context, string)
	value          string
}

func NewTextInput(string) *TextInput    { return &TextInput{} }
func (t *TextInput) Value() string      { return t.value }
func (t *TextInput) SetValue(s string)  { t.value = s }
func (t *TextInput) InsertRune(r rune)  { t.value += string(r) }
func (t *TextInput) Render(ctx Context) {}

type Completion struct{ Label, InsertText, DisplayLabel, Detail, Documentation, Kind string }
type CompletionResult struct {
	Items       []Completion
	ReplaceFrom int
}
type CompletionMenu struct{}

func NewCompletionMenu(*TextInput, func(string, int) CompletionResult) *CompletionMenu {
	return &CompletionMenu{}
}
func (*CompletionMenu) HandleKeyPress(Context, uv.KeyPressEvent) bool { return false }

type OverlayHandle struct{}

func (*OverlayHandle) Remove() {}

type Size int
type Anchor int

func SizeAbs(n int) Size { return Size(n) }

const AnchorTopRight Anchor = 0

type OverlayMargin struct{ Top, Right, Bottom, Left int }
type OverlayOptions struct {
	Width  Size
	Anchor Anchor
	Margin OverlayMargin
}
type Terminal struct{}

func NewStdTerminal() *Terminal { return &Terminal{} }

type TUI struct{ Container }

func New(*Terminal) *TUI { return &TUI{} }
func (t *TUI) Start() {
	for _, c := range t.Children {
		if m, ok := c.(Mounter); ok {
			m.OnMount(Context{Width: 100, Height: 40, tui: t})
		}
	}
}
func (t *TUI) Stop()                                                 {}
func (t *TUI) Dispatch(f func())                                     { f() }
func (t *TUI) SetFocus(Component)                                    {}
func (t *TUI) SetShowHardwareCursor(bool)                            {}
func (t *TUI) SetDebugWriter(io.Writer)                              {}
func (t *TUI) RequestRender(bool)                                    {}
func (t *TUI) RenderLines() []string                                 { return nil }
func (t *TUI) ShowOverlay(Component, *OverlayOptions) *OverlayHandle { return &OverlayHandle{} }
func (t *TUI) Exec(f func(io.Reader, io.Writer, io.Writer) error) error {
	return f(os.Stdin, os.Stdout, os.Stderr)
}
