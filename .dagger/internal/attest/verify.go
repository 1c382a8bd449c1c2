package attest

import (
	"crypto/ecdsa"
	"fmt"
	"io/fs"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"dagger/slipway/internal/foreign"
	"dagger/slipway/internal/signkey"
)

// Policy is what is asked of an image.
type Policy struct {
	Keys     []*ecdsa.PublicKey // one of them must have signed it
	Source   string             // repository that it must have been built from, "" for any
	Revision string             // commit that it must have been built from, "" for any
}

// Verified is what is known of an image that a policy accepts.
type Verified struct {
	Key      string // as signkey.ID names it
	Source   string // as the provenance by this key says; "" where there is none
	Revision string
	Built    *Parameters // nil where there is no provenance
}

// Verify judges an image, which address names, by the bundles that are attached to it. What
// is damaged or by others counts for nothing and stands in nobody's way.
func Verify(address string, bundles [][]byte, policy Policy) (Verified, error) {
	_, digest, _ := strings.Cut(address, "@")
	var found Verified
	var built []Parameters
	foreign, misplaced, attested := 0, 0, 0
	for _, text := range bundles {
		envelope, statement, err := readBundle(text)
		if err != nil {
			continue
		}
		key := envelope.by(policy.Keys)
		switch {
		case key == nil:
			foreign++
		case !statement.is(digest):
			misplaced++
		case statement.PredicateType == Signature:
			found.Key = signkey.ID(key)
		case statement.PredicateType == Provenance:
			attested++
			if p, ours := parameters(statement.Predicate); ours {
				built = append(built, p)
			}
		default:
			attested++
		}
	}
	switch {
	case found.Key != "":
	case misplaced > 0:
		return found, fmt.Errorf("%s carries a signature of another image, and none of its own by --verify-key", address)
	case attested > 0:
		return found, fmt.Errorf("%s has attestations by --verify-key but no signature: publish it again with --sign-key", address)
	case foreign > 0:
		plural := "s"
		if foreign == 1 {
			plural = ""
		}
		return found, fmt.Errorf("%s is signed, but not by --verify-key (%d signature%s by others)", address, foreign, plural)
	default:
		return found, fmt.Errorf("%s is not signed: publish it with --sign-key. Was it copied? "+
			"crane and docker leave signatures behind, oras cp -r takes them along", address)
	}
	if policy.Source == "" && policy.Revision == "" && len(built) == 0 {
		return found, nil
	}
	return found, found.match(address, built, policy)
}

// match looks for a provenance with the source and the commit that are asked for.
func (v *Verified) match(address string, built []Parameters, policy Policy) error {
	if len(built) == 0 {
		return fmt.Errorf("%s is signed, but has no provenance by --verify-key, so what it was built from is not known: "+
			"publish it again with --sign-key", address)
	}
	var err error
	for _, p := range built {
		if err = policy.Accepts(address, p); err == nil {
			v.Source, v.Revision, v.Built = p.Source, p.Revision, &p
			return nil
		}
	}
	return err
}

// Accepts compares what an image was built from with what the policy asks for.
func (policy Policy) Accepts(image string, built Parameters) error {
	switch {
	case policy.Source != "" && built.Source == "":
		return fmt.Errorf("%s was built from a source whose module path names no repository, not from %s", image, policy.Source)
	case policy.Source != "" && normal(built.Source) != normal(policy.Source):
		return fmt.Errorf("%s was built from %s, not from %s", image, foreign.Quote(built.Source), policy.Source)
	case policy.Revision != "" && built.Revision != policy.Revision:
		return fmt.Errorf("%s was built from commit %s, not from %s", image, foreign.Quote(built.Revision), policy.Revision)
	}
	return nil
}

// Claims are what others say, with or without a signature, that an image was built from by
// Slipway, each once. They prove nothing: building it again does.
func Claims(digest string, attached [][]byte) []Parameters {
	var all []Parameters
	for _, text := range attached {
		_, said, err := readBundle(text)
		if err != nil {
			said, err = readStatement(text)
		}
		if err != nil || said.PredicateType != Provenance || !said.is(digest) {
			continue
		}
		p, ours := parameters(said.Predicate)
		same := func(other Parameters) bool { return reflect.DeepEqual(p, other) }
		if ours && !slices.ContainsFunc(all, same) {
			all = append(all, p)
		}
	}
	return all
}

// Check refuses parameters that Slipway does not write: they go into commands that build.
func (p Parameters) Check() error {
	switch {
	case !commitHash.MatchString(p.Revision):
		return fmt.Errorf("its provenance has %.80q for a commit", p.Revision)
	case !word.MatchString(p.Version):
		return fmt.Errorf("its provenance has %.80q for a version", p.Version)
	case p.Port < 1 || p.Port > 65535:
		return fmt.Errorf("its provenance has %d for a port", p.Port)
	}
	for _, dir := range append([]string{p.Package}, p.Beside...) {
		if !fs.ValidPath(dir) || strings.Contains(dir, "...") {
			return fmt.Errorf("its provenance has %.80q for a package's directory", dir)
		}
	}
	for _, tag := range p.Tags {
		if !word.MatchString(tag) {
			return fmt.Errorf("its provenance has %.80q for a build tag", tag)
		}
	}
	return nil
}

// CheckVersion refuses what is no word: it goes into commands, and becomes a tag of the image.
func CheckVersion(version string) error {
	if !word.MatchString(version) || len(version) > 128 {
		return fmt.Errorf("--version %.80q is not a version: letters, digits and . - + _ ~ /, a letter or a digit first, 128 at most", version)
	}
	return nil
}

// word is a version or a build tag: nothing that could be an argument of its own.
var word = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~/-]*$`)

var commitHash = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// CheckRevision refuses what is no commit: an abbreviation may come to mean another one.
func CheckRevision(revision string) error {
	if !commitHash.MatchString(revision) {
		return fmt.Errorf("--verify-revision %q is not the full hash of a commit, in lower case: git rev-parse HEAD prints it", revision)
	}
	return nil
}

// CheckSource refuses what names no repository.
func CheckSource(source string) error {
	u, err := url.Parse(source)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		strings.Trim(u.Path, "/") == "" {
		return fmt.Errorf("--verify-source %q is not the URL of a repository: give one like https://github.com/acme/hello", source)
	}
	return nil
}

// normal is a repository's URL without what makes no difference to where it leads.
func normal(source string) string {
	u, err := url.Parse(source)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return source
	}
	return u.Scheme + "://" + strings.TrimSuffix(strings.ToLower(u.Host), ":443") + strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), ".git")
}
