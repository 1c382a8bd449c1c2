package render

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"

	"slipway/helpers/internal/object"
)

// kustomization has the fields that name files. As with kustomize, their case does not
// matter.
type kustomization struct {
	Resources, Bases, Components           []string
	CRDs, Configurations                   []string
	Transformers, Generators, Validators   []string
	OpenAPI                                struct{ Path string }
	Patches, PatchesJSON6902, Replacements []struct{ Path, Patch string }
	PatchesStrategicMerge                  []string
	ConfigMapGenerator, SecretGenerator    []generator
	HelmCharts                             []any
	HelmChartInflationGenerator            []any
}

type generator struct {
	Files, Envs, Literals []string
	Env                   string
}

// paths are the files that a generator reads.
func (g generator) paths() []string {
	paths := append([]string{g.Env}, g.Envs...)
	for _, file := range g.Files {
		if _, value, named := strings.Cut(file, "="); named {
			file = value
		}
		paths = append(paths, file)
	}
	return paths
}

// plugin has the fields of kustomize's own generators and transformers that name files.
type plugin struct {
	APIVersion, Kind string
	Path             string
	Paths            []string
	Replacements     []struct{ Path string }
	generator
}

// role is what becomes of a file that a kustomization names.
type role int

const (
	asText       role = iota // data, or a patch
	asSecret                 // data of a Secret
	asResource               // objects, or a directory with a kustomization
	asPlugin                 // the same; the objects configure generators and transformers
	asInlineText             // a patch, or the text of one in place of its path
)

// ref is an entry of a kustomization that names a file or a directory.
type ref struct {
	from    string // directory that it is seen from
	file    string // of the kustomization
	field   string
	entry   string
	becomes role
}

func (r ref) refuse(why error) error {
	if inside := (*inBase)(nil); errors.As(why, &inside) {
		return inside.error
	}
	if r.file == "" {
		return fmt.Errorf("%q %w", path.Join(r.from, r.entry), why)
	}
	return fmt.Errorf("%s: %s: %q %w", object.InLine(r.file), r.field, r.entry, why)
}

// visit copies a kustomization and all that it names. plugins is the directory from which
// the objects in it name files in turn, if they configure generators and transformers.
func (t *tree) visit(dir, plugins string) error {
	if at := (visited{dir, plugins}); t.seen[at] {
		return nil
	} else {
		t.seen[at] = true
	}
	// Where there is none, kustomize says so.
	if err := os.MkdirAll(filepath.Join(t.target, dir), 0o755); err != nil {
		return err
	}
	for _, name := range kustomizationFiles {
		file := path.Join(t.name, dir, name)
		real, err := t.resolve(dir, name)
		if errors.Is(err, errMissing) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s %w", object.InLine(file), err)
		}
		text, err := t.copy(real)
		if err != nil {
			return fmt.Errorf("%s %w", object.InLine(file), err)
		}
		t.keep.yaml(text)
		// What does not fit is left out, and kustomize says what is wrong with it.
		var k kustomization
		_ = yaml.Unmarshal(text, &k)
		if len(k.HelmCharts)+len(k.HelmChartInflationGenerator) > 0 {
			return fmt.Errorf("%s: helmCharts: Helm would fetch and run what was not committed: "+
				"commit what helm template writes, and name that in resources", object.InLine(file))
		}
		renamed := map[string]string{}
		for _, r := range k.refs(dir, file) {
			if r.becomes == asResource && plugins == "" && t.isRemote(r) {
				if renamed[r.entry], err = t.base(r); err != nil {
					return r.refuse(err)
				}
				continue
			}
			if err := t.take(r, plugins); err != nil {
				return err
			}
		}
		if len(renamed) > 0 {
			if err := t.rename(dir, name, text, renamed); err != nil {
				return fmt.Errorf("%s %w", object.InLine(file), err)
			}
		}
	}
	return nil
}

// refs are all entries that name files.
func (k kustomization) refs(dir, file string) []ref {
	var refs []ref
	add := func(field string, becomes role, entries ...string) {
		for _, entry := range entries {
			if entry != "" {
				refs = append(refs, ref{dir, file, field, entry, becomes})
			}
		}
	}
	add("resources", asResource, k.Resources...)
	add("bases", asResource, k.Bases...)
	add("components", asResource, k.Components...)
	add("crds", asText, k.CRDs...)
	add("configurations", asText, k.Configurations...)
	add("openapi", asText, k.OpenAPI.Path)
	add("transformers", asPlugin, k.Transformers...)
	add("generators", asPlugin, k.Generators...)
	add("validators", asPlugin, k.Validators...)
	add("patchesStrategicMerge", asInlineText, k.PatchesStrategicMerge...)
	for _, p := range k.Patches {
		add("patches", asText, p.Path)
	}
	for _, p := range k.PatchesJSON6902 {
		add("patchesJson6902", asText, p.Path)
	}
	for _, r := range k.Replacements {
		add("replacements", asText, r.Path)
	}
	for _, g := range k.ConfigMapGenerator {
		add("configMapGenerator", asText, g.paths()...)
	}
	for _, g := range k.SecretGenerator {
		add("secretGenerator", asSecret, g.paths()...)
	}
	return refs
}

// take copies what an entry names.
func (t *tree) take(r ref, plugins string) error {
	if r.becomes == asPlugin {
		plugins = r.from
	}
	if (r.becomes == asPlugin || r.becomes == asInlineText) && isMapping(r.entry) {
		if r.becomes == asPlugin {
			return t.plugins(r, []byte(r.entry), plugins)
		}
		return nil
	}
	if t.isRemote(r) {
		return r.refuse(errRemote)
	}
	real, err := t.resolve(r.from, r.entry)
	switch {
	case err != nil:
		return r.refuse(err)
	case t.isDir(real) && (r.becomes == asResource || r.becomes == asPlugin):
		return t.visit(real, plugins)
	}
	text, err := t.copy(real)
	if err != nil {
		return r.refuse(err)
	}
	if r.becomes == asSecret {
		t.keep.text(text)
		return nil
	}
	t.keep.yaml(text)
	if plugins != "" && (r.becomes == asResource || r.becomes == asPlugin) {
		return t.plugins(r, text, plugins)
	}
	return nil
}

// plugins copies what configurations of generators and transformers name. Those that are
// programs or images are refused.
func (t *tree) plugins(r ref, text []byte, dir string) error {
	for _, document := range documents(text) {
		var p plugin
		if err := yaml.Unmarshal(document, &p); err != nil { // What cannot be read here, kustomize may read.
			return fmt.Errorf("%s: %s: cannot be read: %s", object.InLine(r.file), r.field, object.InLine(err.Error()))
		}
		if p.Kind == "" {
			continue
		}
		if p.APIVersion != "builtin" || p.Kind == "HelmChartInflationGenerator" {
			return fmt.Errorf("%s: %s: %s %s is a program that would run while rendering: "+
				"only what kustomize does by itself is taken; commit what it writes, and name that in resources",
				object.InLine(r.file), r.field, object.InLine(p.APIVersion), object.InLine(p.Kind))
		}
		becomes := asText
		if p.Kind == "SecretGenerator" {
			becomes = asSecret
		}
		entries := append(append([]string{p.Path}, p.Paths...), p.paths()...)
		for _, replacement := range p.Replacements {
			entries = append(entries, replacement.Path)
		}
		for _, entry := range entries {
			if entry == "" || isMapping(entry) {
				continue
			}
			if err := t.take(ref{dir, r.file, r.field, entry, becomes}, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// isRemote says whether kustomize would fetch what an entry names.
func (t *tree) isRemote(r ref) bool {
	if strings.Contains(r.entry, "://") || strings.Contains(r.entry, "::") {
		return true
	}
	_, err := t.resolve(r.from, r.entry)
	return errors.Is(err, errMissing) && looksRemote(r.entry)
}

// looksRemote says whether something that is no file was meant to be fetched: an
// address with a query or a directory in it, user@host:path, or host.domain/path.
func looksRemote(entry string) bool {
	first, _, deep := strings.Cut(entry, "/")
	host := strings.Trim(first, ".")
	return strings.ContainsAny(entry, "?@:") || strings.Contains(entry, "//") || deep && strings.Contains(host, ".")
}

// isMapping says whether an entry is the text of an object, in place of a path to it.
func isMapping(entry string) bool {
	var o map[string]any
	return yaml.Unmarshal([]byte(entry), &o) == nil && len(o) > 0
}
