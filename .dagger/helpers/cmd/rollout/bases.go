package main

import (
	"encoding/json"
	"errors"

	"slipway/helpers/internal/render"
)

// unfetched is a base that rendering takes and that is not there.
type unfetched struct {
	Name       string // also its directory below the bases'
	Repository string
	Commit     string
}

// bases prints, as JSON, which bases have yet to be fetched before the manifests can be
// rendered. A base that was fetched may name others.
func (s *session) bases() error {
	in, err := s.input()
	if err != nil {
		return err
	}
	bases, err := render.Unfetched(in)
	if errors.Is(err, render.ErrNoManifests) || errors.Is(err, render.ErrNoOverlay) {
		err = nil // said by what renders
	}
	if err != nil {
		return err
	}
	missing := []unfetched{}
	for _, b := range bases {
		missing = append(missing, unfetched{b.Name(), b.Repository, b.Commit})
	}
	enc := json.NewEncoder(s.out)
	enc.SetIndent("", "  ")
	return enc.Encode(missing)
}
