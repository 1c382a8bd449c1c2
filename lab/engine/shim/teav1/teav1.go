// Package teav1 stands in for github.com/vito/tuist/teav1: prompts embedded in the live terminal
// UI, which does not exist here (see the tuist stand-in).
package teav1

import "github.com/vito/tuist"

type Wrap struct{ tuist.Compo }

func New(any) *Wrap                { return &Wrap{} }
func (*Wrap) OnQuit(func())        {}
func (*Wrap) Render(tuist.Context) {}
