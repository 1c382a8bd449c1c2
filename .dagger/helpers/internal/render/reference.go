package render

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// Base is a directory in a Git repository at a commit, which a kustomization names.
type Base struct {
	Repository string // its URL
	Commit     string // full hash
	Dir        string // in it, "." at the top
}

// Name tells bases of different content apart. It is a path, such as
// github.com/acme/base@0123456789abcdef….
func (b Base) Name() string {
	_, place, _ := strings.Cut(b.Repository, "://")
	return strings.TrimSuffix(place, ".git") + "@" + b.Commit
}

// What a reference is refused for. Each is said behind the entry.
var (
	errSSH = errors.New("is fetched over ssh, for which there is no key here: name it by https://")
	errWay = errors.New("is fetched neither over https nor from the manifests directory: " +
		"name a repository as https://github.com/acme/base//deploy?ref= and the full hash of a commit")
	errFile = errors.New("is a file of a server that may be another one tomorrow: " +
		"commit a copy in the manifests directory, or name the directory of a repository at a commit")
	errLogin = errors.New("has a login in it, which everybody sees: name it without")
	errNoRef = errors.New("names no commit and may be something else tomorrow: add ?ref= and the full hash of a commit")
)

var (
	scpLike    = regexp.MustCompile(`^([\w.-]+@)?[\w.-]+:[^:/\d]`)
	hostName   = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$`)
	element    = regexp.MustCompile(`^[A-Za-z0-9_~.][A-Za-z0-9_~.-]*$`)
	fullHash   = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	partOfHash = regexp.MustCompile(`^[0-9a-f]{4,63}$`)
)

// parseBase reads a reference in the forms that kustomize has for directories of
// repositories. Of these it takes what names a full commit over https, or over http where
// that repository is allowed by http.
func parseBase(entry string) (Base, error) {
	text := strings.TrimPrefix(entry, "git::")
	scheme, rest, found := strings.Cut(text, "://")
	switch {
	case !found && scpLike.MatchString(text), strings.EqualFold(scheme, "ssh"), strings.EqualFold(scheme, "git+ssh"):
		return Base{}, errSSH
	case !found:
		scheme, rest = "https", text
	}
	if scheme = strings.ToLower(scheme); scheme != "https" && scheme != "http" {
		return Base{}, errWay
	}
	u, err := url.Parse(scheme + "://" + rest)
	if err != nil || u.Fragment != "" || u.Opaque != "" {
		return Base{}, errWay
	}
	if u.User != nil {
		return Base{}, errLogin
	}
	repository, dir := splitRepository(u)
	place := strings.ToLower(u.Host) + "/" + repository
	if !isPlace(place) {
		return Base{}, errWay
	}
	if dir = path.Clean(dir); !fs.ValidPath(dir) {
		return Base{}, errors.New("names a directory outside of its repository: correct the path behind //")
	}
	ref := u.Query().Get("ref")
	if ref == "" {
		ref = u.Query().Get("version")
	}
	switch commit := strings.ToLower(ref); {
	case ref == "" && strings.Contains(path.Ext(u.Path), "yaml"), ref == "" && strings.Contains(path.Ext(u.Path), "yml"):
		return Base{}, errFile
	case ref == "":
		return Base{}, errNoRef
	case fullHash.MatchString(commit):
		return Base{Repository: scheme + "://" + place, Commit: commit, Dir: dir}, nil
	case partOfHash.MatchString(commit):
		return Base{}, fmt.Errorf("names a part of a commit's hash, %q, which may fit another one too: give the full hash", ref)
	default:
		return Base{}, fmt.Errorf("names %q, a tag or a branch, which may be moved: give the full hash of a commit", ref)
	}
}

// splitRepository tells the path of a repository from that of a directory in it: by //, by
// .git, or on GitHub by knowing that a repository's path has two elements.
func splitRepository(u *url.URL) (repository, dir string) {
	whole := strings.Trim(u.Path, "/")
	if repository, dir, found := strings.Cut(whole, "//"); found {
		return strings.TrimRight(repository, "/"), strings.Trim(dir, "/")
	}
	if repository, dir, found := strings.Cut(whole+"/", ".git/"); found {
		return repository + ".git", strings.Trim(dir, "/")
	}
	if elements := strings.SplitN(whole, "/", 3); strings.EqualFold(u.Host, "github.com") && len(elements) == 3 {
		return elements[0] + "/" + elements[1], elements[2]
	}
	return whole, ""
}

// isPlace says whether a text is host/path of what may be a repository, and nothing that
// git or a file system would take for something else.
func isPlace(place string) bool {
	host, rest, _ := strings.Cut(place, "/")
	if !hostName.MatchString(host) || strings.Contains(host, "..") {
		return false
	}
	for name := range strings.SplitSeq(rest, "/") {
		if !element.MatchString(name) || strings.Trim(name, ".") == "" || name == ".git" {
			return false
		}
	}
	return true
}

// Allowed are the repositories that bases may be of, each by its URL: a repository, or
// what is common to several, up to a slash.
type Allowed []string

// ParseAllowed reads what --remote-bases gives. https:// may be left out.
func ParseAllowed(given []string) (Allowed, error) {
	var all Allowed
	for _, one := range given {
		scheme, place, found := strings.Cut(strings.TrimSpace(one), "://")
		if !found {
			scheme, place = "https", scheme
		}
		place = strings.TrimSuffix(strings.TrimSuffix(place, "/"), ".git")
		host, rest, deep := strings.Cut(place, "/")
		place = strings.ToLower(host) + "/" + rest
		if scheme != "https" && scheme != "http" || deep && !isPlace(place) || !deep && !isPlace(place+"x") || !strings.ContainsAny(host, ".:") {
			return nil, fmt.Errorf("--remote-bases %q is no repository: give one as github.com/acme/base, "+
				"or github.com/acme for all of theirs; several with commas", one)
		}
		all = append(all, scheme+"://"+strings.TrimSuffix(place, "/"))
	}
	return all, nil
}

// has says whether a base may be fetched.
func (a Allowed) has(b Base) bool {
	repository := strings.TrimSuffix(b.Repository, ".git")
	for _, one := range a {
		if repository == one || strings.HasPrefix(repository, one+"/") {
			return true
		}
	}
	return false
}
