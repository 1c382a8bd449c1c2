// Package spdx says which Go modules an image holds, as an SPDX 2.3 document. It reads them
// out of the binaries in the layers, so what it says is true of what runs.
package spdx

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/url"
	"path"
	"runtime/debug"
	"slices"
	"strings"
)

const (
	none = "NOASSERTION"
	// created is not known: the same source makes the same document on any day.
	created = "1970-01-01T00:00:00Z"

	documentID = "SPDXRef-DOCUMENT"
	indexID    = "SPDXRef-Index"
	baseID     = "SPDXRef-Base"
)

// Document is SPDX's, as far as it is used here.
type Document struct {
	Version       string         `json:"spdxVersion"`
	License       string         `json:"dataLicense"`
	ID            string         `json:"SPDXID"`
	Name          string         `json:"name"`
	Namespace     string         `json:"documentNamespace"`
	Creation      creation       `json:"creationInfo"`
	Packages      []Package      `json:"packages"`
	Relationships []relationship `json:"relationships"`
}

type creation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

// Package is a package of SPDX: the index, an image, a binary, or a Go module.
type Package struct {
	Name      string      `json:"name"`
	ID        string      `json:"SPDXID"`
	Version   string      `json:"versionInfo,omitempty"`
	Purpose   string      `json:"primaryPackagePurpose,omitempty"`
	Location  string      `json:"downloadLocation"`
	Analyzed  bool        `json:"filesAnalyzed"`
	Checksums []checksum  `json:"checksums,omitempty"`
	Concluded string      `json:"licenseConcluded"`
	Declared  string      `json:"licenseDeclared"`
	Copyright string      `json:"copyrightText"`
	Comment   string      `json:"comment,omitempty"`
	Refs      []reference `json:"externalRefs,omitempty"`
}

type checksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type reference struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type relationship struct {
	From string `json:"spdxElementId"`
	Type string `json:"relationshipType"`
	To   string `json:"relatedSpdxElement"`
}

// Describe makes the document of an index with programs for each platform, of which the first is the
// one that the image starts with. One document covers all, so that whoever asks for the index finds
// everything. base is the image that the programs were put onto, by digest, or "".
func Describe(index, version, base string, programs []Program) Document {
	name := "image"
	if len(programs) > 0 {
		name = path.Base(programs[0].Path)
	}
	d := Document{
		Version: "SPDX-2.3", License: "CC0-1.0", ID: documentID, Name: name,
		Namespace: "urn:slipway:spdx:" + index,
		Creation:  creation{created, []string{"Tool: slipway"}},
	}
	top := fresh(indexID, name, version)
	top.Purpose, top.Checksums = "CONTAINER", sha(index)
	d.Packages = append(d.Packages, top)
	d.relate(documentID, "DESCRIBES", indexID)
	if base != "" {
		repository, digest, _ := strings.Cut(base, "@")
		below := fresh(baseID, repository, "")
		below.Purpose, below.Checksums, below.Comment = "CONTAINER", sha(digest), "its packages are not listed here"
		d.Packages = append(d.Packages, below)
	}
	modules, described := map[string]Package{}, map[string]bool{}
	for _, p := range programs {
		suffix := strings.ReplaceAll(p.Platform, "/", "-")
		image := fresh("SPDXRef-Image-"+suffix, name+" for "+p.Platform, version)
		image.Purpose, image.Checksums = "CONTAINER", sha(p.Image)
		binary := fresh("SPDXRef-Binary-"+suffix, p.Info.Path, version)
		binary.Purpose, binary.Checksums = "APPLICATION", sha(p.SHA256)
		binary.Comment = p.Path + " in the image for " + p.Platform
		if !described[image.ID] {
			described[image.ID] = true
			d.Packages = append(d.Packages, image)
			d.relate(image.ID, "VARIANT_OF", indexID)
			if base != "" {
				d.relate(image.ID, "DESCENDANT_OF", baseID)
			}
		} else { // another program of the same image
			binary.ID += "-" + short(p.Path)
		}
		d.Packages = append(d.Packages, binary)
		d.relate(image.ID, "CONTAINS", binary.ID)
		for _, m := range dependencies(p) {
			modules[m.ID] = m
			d.relate(binary.ID, "DEPENDS_ON", m.ID)
		}
	}
	byName := func(a, b Package) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) }
	for _, m := range slices.SortedFunc(maps.Values(modules), byName) {
		d.Packages = append(d.Packages, m)
	}
	return d
}

func (d *Document) relate(from, kind, to string) {
	d.Relationships = append(d.Relationships, relationship{from, kind, to})
}

// standardLibrary is what package URLs call Go's own.
const standardLibrary = "stdlib"

// development is the version of a module of the source, such as another one of its workspace.
const development = "(devel)"

func goVersion(p Program) string {
	version, _, _ := strings.Cut(strings.TrimPrefix(p.Info.GoVersion, "go"), " ") // A space begins the experiments.
	return version
}

// dependencies are the modules that are linked into a program, and Go's own library.
func dependencies(p Program) []Package {
	all := []Package{module(standardLibrary, goVersion(p), "")}
	for _, m := range p.Info.Deps {
		all = append(all, ofModule(m))
	}
	return all
}

func ofModule(m *debug.Module) Package {
	by := m.Replace
	switch {
	case by == nil:
		return module(m.Path, m.Version, m.Sum)
	case by.Version != "":
		p := module(by.Path, by.Version, by.Sum)
		p.Comment = strings.TrimPrefix(p.Comment+"; in place of "+m.Path+" "+m.Version, "; ")
		return p
	default: // A directory of the source: the module's version says nothing of what is in it.
		p := fresh("SPDXRef-Module-"+short(m.Path+"=>"+by.Path), m.Path, "")
		p.Purpose, p.Comment = "LIBRARY", "in place of "+m.Version+": "+by.Path+" of the source"
		return p
	}
}

func module(name, version, sum string) Package {
	p := fresh("SPDXRef-Module-"+short(name+"@"+version), name, version)
	p.Purpose = "LIBRARY"
	if sum != "" {
		p.Comment = "go.sum: " + sum // It is no checksum of a file.
	}
	if version != "" && version != development {
		name := strings.ReplaceAll(url.QueryEscape(name), "%2F", "/")
		p.Refs = []reference{{"PACKAGE-MANAGER", "purl", "pkg:golang/" + name + "@" + url.QueryEscape(version)}}
	}
	return p
}

func fresh(id, name, version string) Package {
	return Package{Name: name, ID: id, Version: version, Location: none, Concluded: none, Declared: none, Copyright: none}
}

func sha(digest string) []checksum {
	return []checksum{{"SHA256", strings.TrimPrefix(digest, "sha256:")}}
}

// short makes a name of any text, of letters that SPDX allows in one.
func short(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}
