package scaffold

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// pipeline is the CI file for one host of repositories.
type pipeline struct {
	file     string // where the host looks for it, from the top of the repository
	text     string // among the embedded files; examples/ has it, too
	existing string // the directory or file that a repository with any CI has
	// where and in are a line of it, and what is to follow for a service further down.
	where, in string
}

var pipelines = map[string]pipeline{
	"github": {
		".github/workflows/slipway.yml", "files/ci/github.yml", ".github/workflows",
		"permissions: {}\n", "defaults:\n  run:\n    working-directory: %s\n",
	},
	"gitlab": {
		".gitlab-ci.yml", "files/ci/gitlab-ci.yml", ".gitlab-ci.yml",
		"    - tar -xzf \"/tmp/$archive\" -C /usr/local/bin dagger\n", "    - cd %s\n",
	},
}

// Host is the host of repositories whose CI is known, as the path of a Go module tells
// it: github, gitlab, or "".
func Host(module string) string {
	domain, _, _ := strings.Cut(module, "/")
	switch {
	case domain == "github.com":
		return "github"
	case slices.Contains(strings.Split(domain, "."), "gitlab"):
		return "gitlab"
	}
	return ""
}

// CIFile is where a host looks for its CI file, and what a repository has that has CI.
func CIFile(host string) (file, existing string) {
	return pipelines[host].file, pipelines[host].existing
}

// CI is the CI file for a service whose calls are typed in a directory of the repository.
func CI(host, dir string) (string, error) {
	p := pipelines[host]
	embedded, err := files.ReadFile(p.text)
	if err != nil {
		return "", err
	}
	text := string(embedded)
	if dir = path.Clean(dir); dir == "." {
		return text, nil
	}
	if strings.Count(text, p.where) != 1 {
		return "", fmt.Errorf("the CI file for %s has no place for a directory", host)
	}
	return strings.Replace(text, p.where, p.where+fmt.Sprintf(p.in, dir), 1), nil
}
