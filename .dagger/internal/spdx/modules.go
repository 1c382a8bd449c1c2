package spdx

import (
	"cmp"
	"maps"
	"slices"
)

// Module is a Go module with its version, and what the source calls it: another name if it
// is replaced.
type Module struct{ Path, Version, As string }

// Modules are those that any of the programs holds, and Go's own library. Directories of the
// source that stand in for one are the source's own, and so are the other modules of its workspace.
func Modules(programs []Program) []Module {
	found := map[Module]bool{}
	for _, p := range programs {
		found[Module{standardLibrary, goVersion(p), standardLibrary}] = true
		for _, m := range p.Info.Deps {
			is := m
			if m.Replace != nil {
				is = m.Replace
			}
			if is.Version != "" && is.Version != development {
				found[Module{is.Path, is.Version, m.Path}] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b Module) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Version, b.Version), cmp.Compare(a.As, b.As))
	})
}
