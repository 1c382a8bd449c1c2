package attest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"reflect"
	"strings"
	"testing"
)

const (
	digest   = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	another  = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	address  = "registry.test/hello@" + digest
	revision = "0123456789012345678901234567890123456789"
	source   = "https://github.com/acme/hello"
)

// keyOf is a private key of a small number.
func keyOf(n int64) *ecdsa.PrivateKey {
	k := &ecdsa.PrivateKey{D: big.NewInt(n)}
	k.Curve = elliptic.P256()
	k.X, k.Y = k.Curve.ScalarBaseMult(k.D.Bytes()) //nolint:staticcheck // A fixed key is what makes fixed bytes.
	return k
}

var params = Parameters{
	Source: source, Revision: revision, Package: "service", Tags: []string{"nomsgpack"}, Platforms: []string{"linux/amd64"},
	Version: "1.2.3", Port: 8080, GoImage: "docker.io/library/golang:1.26.8@" + another,
}

func signed(t *testing.T, key *ecdsa.PrivateKey, predicateType string, predicate any, subjects ...string) []byte {
	t.Helper()
	var of []Subject
	for _, s := range subjects {
		of = append(of, Image("", s))
	}
	text, err := State(predicateType, predicate, of...)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Sign(key, text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The example of DSSE's own protocol.
func TestPreAuthentication(t *testing.T) {
	want := sha256.Sum256([]byte("DSSEv1 29 http://example.com/HelloWorld 11 hello world"))
	if got := preAuthentication("http://example.com/HelloWorld", []byte("hello world")); got != want {
		t.Errorf("%x, want %x", got, want)
	}
}

// These bytes are what every other machine makes, too.
func TestSameBytes(t *testing.T) {
	b, err := Sign(keyOf(7), []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":` +
		`{"hint":"EQhmSc0+XRiSIApCALFlu+pcn5tHyoN5LU+aHvDciSE="}},` +
		`"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json",` +
		`"signatures":[{"sig":"MEUCIFenmxaJsl5WvVByrRWsmKis1j48b4fQn005v2O7/hDGAiEA9N/xCR74wtKBnsrPCb61fYzSMafjrzArply/NS15lF4="}]}}`
	if string(b) != want {
		t.Errorf("the bundle is\n%s, was\n%s", b, want)
	}
}

func TestProvenance(t *testing.T) {
	_, s, err := readBundle(signed(t, keyOf(7), Provenance, Built(params, "go1.26.8"), digest))
	if err != nil {
		t.Fatal(err)
	}
	if got, ours := parameters(s.Predicate); !ours || !reflect.DeepEqual(got, params) {
		t.Errorf("read back: %v %+v", ours, got)
	}
	for _, want := range []string{
		`"uri":"git+https://github.com/acme/hello@` + revision + `","digest":{"gitCommit":"` + revision + `"}`,
		`"uri":"pkg:oci/golang@sha256%3Abb`, `"builder":{"id":"urn:slipway:key-holder","version":{"go":"go1.26.8"}}`,
	} {
		if !strings.Contains(string(s.Predicate), want) {
			t.Errorf("no %s in %s", want, s.Predicate)
		}
	}
}

func TestEncodeKeepsMarks(t *testing.T) {
	if b, err := Encode("a<b>&c"); err != nil || string(b) != `"a<b>&c"` {
		t.Errorf("%s %v", b, err)
	}
}

type set = [][]byte

func TestVerify(t *testing.T) {
	ours, theirs := keyOf(7), keyOf(8)
	signature := signed(t, ours, Signature, struct{}{}, digest)
	built := signed(t, ours, Provenance, Built(params, "go1.26.8"), digest, another)
	sbom := signed(t, ours, SBOM, struct{}{}, digest)
	foreign := signed(t, theirs, Signature, struct{}{}, digest)
	misplaced := signed(t, ours, Signature, struct{}{}, another)
	edit := func(b []byte, from, to string) []byte { // changes what a bundle says, and leaves the signature
		e, _, err := readBundle(b)
		if err != nil {
			t.Fatal(err)
		}
		before := base64.StdEncoding.EncodeToString(e.Payload)
		after := base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(string(e.Payload), from, to)))
		if before == after {
			t.Fatal("nothing was changed")
		}
		return []byte(strings.Replace(string(b), before, after, 1))
	}
	unsigned := []byte(strings.Replace(string(signature), `"signatures":[`, `"signatures":[],"was":[`, 1))
	retyped := []byte(strings.Replace(string(signature), "vnd.in-toto", "vnd.other", 1))
	digestOfAnotherKind := signed(t, ours, Signature, struct{}{}, "sha512:"+digest[7:])
	twice := []byte(strings.Replace(string(signature), `"signatures":[`, `"signatures":[{"sig":"AAAA"},`, 1))
	moved := params
	moved.Source = "https://github.com/evil/hello"
	other := params
	other.Revision = strings.Repeat("f", 40)
	nowhere := params
	nowhere.Source = ""
	from := func(source string) Parameters {
		p := params
		p.Source = source
		return p
	}
	named, err := State(Signature, struct{}{}, Image("registry.example.com/other:v2", digest))
	if err == nil {
		named, err = Sign(ours, named)
	}
	if err != nil {
		t.Fatal(err)
	}
	foreignType := strings.NewReplacer(BuildType, "https://example.com/build/v1")
	earlier := strings.NewReplacer(statementType, earlierType)
	resigned := func(b []byte, r *strings.Replacer) []byte {
		e, _, err := readBundle(b)
		if err != nil {
			t.Fatal(err)
		}
		b, err = Sign(ours, []byte(r.Replace(string(e.Payload))))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	provenanceOf := func(key *ecdsa.PrivateKey, p Parameters) []byte {
		return signed(t, key, Provenance, Built(p, "go1.26.8"), digest)
	}

	evil, elsewhere := provenanceOf(ours, moved), signed(t, ours, Provenance, Built(params, ""), another)

	for name, c := range map[string]struct {
		bundles set
		source  string
		commit  string
		want    string
	}{
		"signed":                       {set{signature}, "", "", ""},
		"all of it":                    {set{sbom, built, signature}, source, revision, ""},
		"source as cloned":             {set{built, signature}, "https://GitHub.com/acme/hello.git/", "", ""},
		"port of https":                {set{built, signature}, "https://github.com:443/acme/hello", "", ""},
		"under another name":           {set{named, built}, source, "", ""},
		"twice":                        {set{signature, signature, built, built}, source, revision, ""},
		"among what others left":       {set{[]byte("{"), nil, unsigned, foreign, built, signature}, source, "", ""},
		"with an earlier statement":    {set{resigned(built, earlier), resigned(signature, earlier)}, source, "", ""},
		"two provenances, one matches": {set{evil, built, signature}, source, revision, ""},

		"nothing":                           {nil, "", "", "is not signed: publish it with --sign-key. Was it copied?"},
		"no signature inside":               {set{unsigned}, "", "", "is not signed"},
		"two signatures inside":             {set{twice}, "", "", "is not signed"},
		"another payload":                   {set{retyped}, "", "", "is not signed"},
		"by another":                        {set{foreign}, "", "", "not by --verify-key (1 signature by others)"},
		"of another image":                  {set{misplaced}, "", "", "carries a signature of another image"},
		"of a digest of another kind":       {set{digestOfAnotherKind}, "", "", "carries a signature of another image"},
		"edited to this image":              {set{edit(misplaced, another[7:], digest[7:])}, "", "", "is signed, but not by --verify-key"},
		"only an SBOM":                      {set{sbom}, "", "", "has attestations by --verify-key but no signature"},
		"only a provenance":                 {set{built}, source, "", "has attestations by --verify-key but no signature"},
		"an SBOM edited to a signature":     {set{edit(sbom, SBOM, Signature)}, "", "", "is signed, but not by --verify-key"},
		"signed by another, attested by us": {set{foreign, built}, "", "", "but no signature"},

		"no provenance":                   {set{signature}, source, "", "has no provenance by --verify-key"},
		"no provenance, commit":           {set{signature}, "", revision, "has no provenance by --verify-key"},
		"provenance by another":           {set{signature, provenanceOf(theirs, params)}, source, "", "has no provenance by --verify-key"},
		"provenance of another image":     {set{signature, elsewhere}, source, "", "has no provenance"},
		"provenance by other means":       {set{signature, resigned(built, foreignType)}, source, "", "has no provenance by --verify-key"},
		"edited source":                   {set{signature, edit(evil, moved.Source, source)}, source, "", "has no provenance by --verify-key"},
		"another source":                  {set{signature, evil}, source, "", `was built from "https://github.com/evil/hello", not from https`},
		"another letter case in the path": {set{signature, built}, "https://github.com/Acme/hello", "", "not from https://github.com/Acme/hello"},
		"a longer name":                   {set{signature, provenanceOf(ours, from(source+"-evil"))}, source, "", `hello-evil", not from`},
		"a shorter name":                  {set{signature, built}, source + "-evil", "", "not from https://github.com/acme/hello-evil"},
		"below it":                        {set{signature, provenanceOf(ours, from(source+"/evil"))}, source, "", `hello/evil", not from`},
		"an escaped slash":                {set{signature, provenanceOf(ours, from(source+"%2Fevil"))}, source, "", "not from"},
		"a longer host":                   {set{signature, provenanceOf(ours, from("https://github.com.evil.example/acme/hello"))}, source, "", "not from"},
		"with a query":                    {set{signature, provenanceOf(ours, from(source+"?evil"))}, source, "", "not from"},
		"by another scheme":               {set{signature, provenanceOf(ours, from("http://github.com/acme/hello"))}, source, "", "not from"},
		"another commit":                  {set{signature, provenanceOf(ours, other)}, source, revision, `was built from commit "ffff`},
		"source and commit of two":        {set{signature, evil, provenanceOf(ours, other)}, source, revision, "was built from"},
		"a source without a name":         {set{signature, provenanceOf(ours, nowhere)}, source, "", "names no repository"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Verify(address, c.bundles, Policy{[]*ecdsa.PublicKey{&keyOf(9).PublicKey, &ours.PublicKey}, c.source, c.commit})
			switch {
			case c.want == "" && err != nil:
				t.Fatal(err)
			case c.want == "" && (got.Key == "" || c.source != "" && got.Source != source || c.commit != "" && got.Revision != revision):
				t.Errorf("verified %+v", got)
			case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), address) || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestChecks(t *testing.T) {
	for _, good := range []string{source, source + ".git", "https://gitlab.example.com:8443/a/b/c/"} {
		if err := CheckSource(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{
		"", "github.com/acme/hello", "http://github.com/acme/hello", "https://github.com", "https://u:p@github.com/acme/hello",
		"https://github.com/acme/hello#main", "ssh://git@github.com/acme/hello.git", "git+https://github.com/acme/hello", "git@github.com:acme/hello.git", "https://%zz",
	} {
		if CheckSource(bad) == nil {
			t.Errorf("%q is taken for a repository", bad)
		}
	}
	for _, good := range []string{"1", "v1", "1.2.3", "v1.2.3+meta", "v1.2.3-rc.1", "2026.01.31", "feature/x", "1~2"} {
		if err := CheckVersion(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", " ", "1 2", "-x", ".1", "1.0\n", "1,2", "v1.0é", "\x1b[2J", strings.Repeat("1", 129)} {
		if CheckVersion(bad) == nil {
			t.Errorf("%q is taken for a version", bad)
		}
	}
	if err := CheckRevision(revision); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "main", revision[:12], strings.ToUpper(strings.Repeat("a", 40))} {
		if CheckRevision(bad) == nil {
			t.Errorf("%q is taken for a commit", bad)
		}
	}
}

func TestImageURL(t *testing.T) {
	for reference, want := range map[string]string{
		"docker.io/library/golang:1.26.8": "pkg:oci/golang@sha256%3Aff?repository_url=docker.io%2Flibrary%2Fgolang&tag=1.26.8",
		"localhost:5000/golang":           "pkg:oci/golang@sha256%3Aff?repository_url=localhost%3A5000%2Fgolang",
	} {
		if got := imageURL(reference, "sha256:ff"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestClaims(t *testing.T) {
	built := signed(t, keyOf(8), Provenance, Built(params, ""), another, digest)
	bare, err := State(Provenance, Built(params, ""), Image("", digest))
	if err != nil {
		t.Fatal(err)
	}
	foreign := strings.Replace(string(bare), BuildType, "https://example.com/build/v1", 1)
	moved := params
	moved.Port = 9090
	unsigned, err := State(Provenance, Built(moved, ""), Image("", digest))
	if err != nil {
		t.Fatal(err)
	}
	all := Claims(digest, set{
		[]byte("{"), built, bare, []byte(foreign), unsigned, unsigned, built,
		signed(t, keyOf(8), Provenance, Built(params, ""), another), signed(t, keyOf(8), Signature, struct{}{}, digest),
	})
	if len(all) != 2 || !reflect.DeepEqual(all[0], params) || !reflect.DeepEqual(all[1], moved) {
		t.Errorf("claims %+v", all)
	}
}

func TestParametersCheck(t *testing.T) {
	if err := params.Check(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(p *Parameters){
		`"main" for a commit`:                  func(p *Parameters) { p.Revision = "main" },
		`"../other" for a package's directory`: func(p *Parameters) { p.Package = "../other" },
		`"../more" for a package's directory`:  func(p *Parameters) { p.Beside = []string{"migrate", "../more"} },
		`"./..." for a package's directory`:    func(p *Parameters) { p.Package = "./..." },
		`"1.0 -extld=sh" for a version`:        func(p *Parameters) { p.Version = "1.0 -extld=sh" },
		`"-X" for a version`:                   func(p *Parameters) { p.Version = "-X" },
		`"" for a version`:                     func(p *Parameters) { p.Version = "" },
		`"a,b" for a build tag`:                func(p *Parameters) { p.Tags = []string{"x", "a,b"} },
		`0 for a port`:                         func(p *Parameters) { p.Port = 0 },
		`"\x1b[2J" for a version`:              func(p *Parameters) { p.Version = "\x1b[2J" },
	} {
		p := params
		change(&p)
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
