package changelog

import "testing"

const text = `# Changelog

## Unreleased

- to come

## [1.3.0] - 2026-02-01

### Added

- bread

` + "```\n## 1.2.9 is no heading here\n```" + `

## v1.2.9: the last of its kind

- butter
## 1.2.8
# 1.2.7

empty above
`

func TestSection(t *testing.T) {
	for version, want := range map[string]string{
		"1.3.0":      "### Added\n\n- bread\n\n```\n## 1.2.9 is no heading here\n```\n",
		"v1.3.0":     "### Added\n\n- bread\n\n```\n## 1.2.9 is no heading here\n```\n",
		"1.2.9":      "- butter\n",
		"1.2.8":      "\n",
		"1.2.7":      "empty above\n",
		"Unreleased": "- to come\n",
	} {
		if got, ok := Section(text, version); !ok || got != want {
			t.Errorf("%s: %q, %v, want %q", version, got, ok, want)
		}
	}
	for _, version := range []string{"1.3", "1.3.0-rc.1", "2.0.0", "", "#"} {
		if got, ok := Section(text, version); ok {
			t.Errorf("%q has a section: %q", version, got)
		}
	}
}
