package attest

import (
	"encoding/json"
	"net/url"
	"strings"
)

// BuildType is the URI that says what the parameters below mean: docs/supply-chain.md.
const BuildType = "urn:slipway:publish:v1"

// builderID is Slipway, run by whoever holds the key: SLSA level 1 and no more.
const builderID = "urn:slipway:key-holder"

// Parameters are what the index follows from, together with the Go image's digest: given
// again, they make it again. Nothing in them says when, where or by whom it was built.
type Parameters struct {
	Source    string   `json:"source,omitempty"` // URL of the repository, where the module's path says one
	Revision  string   `json:"revision"`         // full hash of the commit
	Package   string   `json:"package"`          // directory of the main package
	Beside    []string `json:"beside,omitempty"` // those of other programs in the image
	Tags      []string `json:"tags"`             // Go build tags
	LinkVars  []string `json:"linkVars,omitempty"`
	Cgo       bool     `json:"cgo,omitempty"` // C is compiled, too
	Platforms []string `json:"platforms"`
	Version   string   `json:"version"` // as it is stamped
	Port      int      `json:"port"`
	GoImage   string   `json:"goImage"`        // with its digest
	Base      string   `json:"base,omitempty"` // image that the program is put onto, with its digest
}

type provenance struct {
	BuildDefinition buildDefinition `json:"buildDefinition"`
	RunDetails      runDetails      `json:"runDetails"`
}

type buildDefinition struct {
	BuildType    string       `json:"buildType"`
	Parameters   Parameters   `json:"externalParameters"`
	Dependencies []dependency `json:"resolvedDependencies"`
}

type dependency struct {
	Name   string            `json:"name"`
	URI    string            `json:"uri,omitempty"`
	Digest map[string]string `json:"digest"`
}

type runDetails struct {
	Builder builder `json:"builder"`
}

type builder struct {
	ID      string            `json:"id"`
	Version map[string]string `json:"version"`
}

// Built is the provenance of an image. goVersion is that of the Go which runs Slipway: its
// gzip makes the layers.
func Built(p Parameters, goVersion string) any {
	source := dependency{Name: "source", Digest: map[string]string{"gitCommit": p.Revision}}
	if p.Source != "" {
		source.URI = "git+" + p.Source + "@" + p.Revision
	}
	repository, digest, _ := strings.Cut(p.GoImage, "@")
	golang := dependency{Name: "go", URI: imageURL(repository, digest), Digest: Image("", digest).Digest}
	dependencies := []dependency{source, golang}
	if p.Base != "" {
		repository, digest, _ := strings.Cut(p.Base, "@")
		dependencies = append(dependencies, dependency{Name: "base", URI: imageURL(repository, digest), Digest: Image("", digest).Digest})
	}
	return provenance{
		buildDefinition{BuildType, p, dependencies},
		runDetails{builder{builderID, map[string]string{"go": goVersion}}},
	}
}

// imageURL is the package URL of an image, as registries' tools write it.
func imageURL(reference, digest string) string {
	repository, tag := reference, ""
	if i := strings.LastIndex(reference, ":"); i > strings.LastIndex(reference, "/") {
		repository, tag = reference[:i], reference[i+1:]
	}
	values := url.Values{"repository_url": {repository}}
	if tag != "" {
		values.Set("tag", tag)
	}
	return "pkg:oci/" + repository[strings.LastIndex(repository, "/")+1:] + "@" + url.QueryEscape(digest) + "?" + values.Encode()
}

// parameters reads those of a provenance of Slipway's. Of what others say they built it is
// not known which of their parameters is the source.
func parameters(predicate json.RawMessage) (Parameters, bool) {
	var p provenance
	err := json.Unmarshal(predicate, &p)
	return p.BuildDefinition.Parameters, err == nil && p.BuildDefinition.BuildType == BuildType
}
