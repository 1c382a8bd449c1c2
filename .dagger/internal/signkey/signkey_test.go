package signkey

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"golang.org/x/crypto/nacl/secretbox"
	"golang.org/x/crypto/scrypt"
)

func inPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// seal encrypts a key as cosign does.
func seal(t *testing.T, der []byte, password string, cost int) []byte {
	t.Helper()
	var s sealed
	s.KDF.Name, s.KDF.Salt = "scrypt", []byte("a salt of 32 bytes or so, or so.")
	s.KDF.Params.N, s.KDF.Params.R, s.KDF.Params.P = cost, 8, 1
	s.Cipher.Name, s.Cipher.Nonce = "nacl/secretbox", make([]byte, 24)
	key, err := scrypt.Key([]byte(password), s.KDF.Salt, min(cost, 1024), 8, 1, 32)
	if err != nil {
		t.Fatal(err)
	}
	s.Ciphertext = secretbox.Seal(nil, der, (*[24]byte)(s.Cipher.Nonce), (*[32]byte)(key))
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestPrivate(t *testing.T) {
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	larger := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	der := must[[]byte](t)
	ec, in8 := der(x509.MarshalECPrivateKey(key)), der(x509.MarshalPKCS8PrivateKey(key))
	sealed := inPEM(encrypted, seal(t, in8, "open, sesame", 1024))

	for name, c := range map[string]struct{ text, password, want string }{
		"SEC1":                             {inPEM(sec1, ec), "", ""},
		"after parameters":                 {inPEM(parameters, []byte{6, 8}) + inPEM(sec1, ec), "", ""},
		"PKCS#8":                           {inPEM(pkcs8, in8), "", ""},
		"a byte order mark before":         {"\ufeff" + inPEM(pkcs8, in8), "", ""},
		"lines of Windows":                 {strings.ReplaceAll(inPEM(pkcs8, in8), "\n", "\r\n"), "", ""},
		"a password that is not needed":    {inPEM(pkcs8, in8), "secret", ""},
		"encrypted":                        {sealed, "open, sesame", ""},
		"a password out of a file":         {sealed, "open, sesame\n", ""},
		"encrypted by an earlier cosign":   {inPEM(encryptedBefore, seal(t, in8, "open, sesame", 1024)), "open, sesame", ""},
		"encrypted with an empty password": {inPEM(encrypted, seal(t, in8, "", 1024)), "", ""},

		"blanks after": {strings.ReplaceAll(inPEM(pkcs8, in8), "\n", " \t\n"), "", ""},
		"words before": {"The key of acme:\n" + inPEM(pkcs8, in8), "", ""},

		"nothing":          {"", "", "--sign-key is empty: give the file's content"},
		"a blank":          {" \r\n", "", "--sign-key is empty"},
		"one line":         {strings.ReplaceAll(inPEM(pkcs8, in8), "\n", " "), "", "--sign-key is cut off or has lost the ends of its lines"},
		"escaped lines":    {strings.ReplaceAll(inPEM(pkcs8, in8), "\n", `\n`), "", "--sign-key is cut off or has lost the ends of its lines"},
		"indented":         {"  " + strings.ReplaceAll(inPEM(pkcs8, in8), "\n", "\n  "), "", "none indented"},
		"UTF-16":           {"\xff\xfe-\x00-\x00", "", "--sign-key is text in UTF-16: write it again as UTF-8"},
		"UTF-16, reversed": {"\xfe\xff\x00-", "", "--sign-key is text in UTF-16"},
		"DER":              {string(in8), "", "--sign-key is no private key in PEM"},
		"another file":     {"hello\n", "", "--sign-key is no private key in PEM"},
		"cut off":          {inPEM(pkcs8, in8)[:80], "", "--sign-key is cut off"},
		"public":           {inPEM(public, der(x509.MarshalPKIXPublicKey(&key.PublicKey))), "", "--sign-key is a public key"},
		"certificate":      {inPEM(certificate, nil), "", "--sign-key is a certificate"},
		"P-384 in SEC1":    {inPEM(sec1, der(x509.MarshalECPrivateKey(larger))), "", "--sign-key is on P-384"},
		"P-384 in PKCS#8":  {inPEM(pkcs8, der(x509.MarshalPKCS8PrivateKey(larger))), "", "--sign-key is on P-384"},
		"P-384, encrypted": {inPEM(encrypted, seal(t, der(x509.MarshalPKCS8PrivateKey(larger)), "", 1024)), "", "--sign-key is on P-384"},
		"Ed25519":          {inPEM(pkcs8, der(x509.MarshalPKCS8PrivateKey(edwards))), "", "--sign-key is an Ed25519 key"},
		"RSA in PKCS#8":    {inPEM(pkcs8, der(x509.MarshalPKCS8PrivateKey(other))), "", "--sign-key is an RSA key"},
		"RSA in PKCS#1":    {inPEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(other)), "", "--sign-key is an RSA key"},
		"of ssh":           {inPEM("OPENSSH PRIVATE KEY", nil), "", `--sign-key is "OPENSSH PRIVATE KEY" in PEM`},
		"damaged":          {inPEM(pkcs8, in8[:20]), "", "--sign-key is damaged"},
		"damaged SEC1":     {inPEM(sec1, ec[:20]), "", "--sign-key is damaged"},
		"encrypted PKCS#8": {inPEM(encryptedPKCS8, nil), "", "--sign-key is encrypted in a way that is not read here: cosign import-key-pair"},
		"encrypted by openssl ec": {string(pem.EncodeToMemory(&pem.Block{Type: sec1, Headers: map[string]string{
			"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}})), "", "--sign-key is encrypted in a way that is not read here"},
		"no password":    {sealed, "", "--sign-key is encrypted: give --sign-password"},
		"wrong password": {sealed, "open, barley", "--sign-password does not open --sign-key"},
		"no JSON":        {inPEM(encrypted, []byte("hello")), "", "its block holds no JSON"},
		"too dear":       {inPEM(encrypted, seal(t, in8, "", 1<<30)), "", "parameters of scrypt beyond"},
		"another cipher": {inPEM(encrypted, []byte(`{"kdf":{"name":"argon2"}}`)), "", "where cosign has scrypt"},
		"no nonce":       {inPEM(encrypted, []byte(`{"kdf":{"name":"scrypt"},"cipher":{"name":"nacl/secretbox"}}`)), "", "nonce"},
		"no cost": {inPEM(encrypted, []byte(`{"kdf":{"name":"scrypt"},"cipher":{"name":"nacl/secretbox","nonce":"`+
			strings.Repeat("A", 32)+`"}}`)), "", "is encrypted in a way that is not read here"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Private([]byte(c.text), c.password, "--sign-key", "--sign-password")
			check(t, err, c.want)
			if c.want == "" && !got.Equal(key) {
				t.Error("it is another key")
			}
		})
	}
}

func TestPublic(t *testing.T) {
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	larger := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := func(key any) string { return inPEM(public, must[[]byte](t)(x509.MarshalPKIXPublicKey(key))) }
	for name, c := range map[string]struct {
		text string
		keys int
		want string
	}{
		"one":                         {of(&key.PublicKey), 1, ""},
		"two":                         {of(&key.PublicKey) + "the next\n" + of(&key.PublicKey), 2, ""},
		"a byte order mark before":    {"\ufeff" + of(&key.PublicKey), 1, ""},
		"lines of Windows":            {strings.ReplaceAll(of(&key.PublicKey), "\n", "\r\n"), 1, ""},
		"blanks after":                {strings.ReplaceAll(of(&key.PublicKey), "\n", "  \n"), 1, ""},
		"empty":                       {"\n", 0, "--verify-key is empty"},
		"one line":                    {strings.ReplaceAll(of(&key.PublicKey), "\n", " "), 0, "--verify-key is cut off or has lost"},
		"UTF-16":                      {"\xff\xfe-\x00", 0, "--verify-key is text in UTF-16"},
		"RSA in PKCS#1":               {inPEM("RSA PUBLIC KEY", []byte{1}), 0, `--verify-key is "RSA PUBLIC KEY" in PEM`},
		"none":                        {"hello", 0, "--verify-key is no public key in PEM"},
		"private":                     {inPEM(encrypted, nil), 0, "--verify-key is a private key: give its public half"},
		"private, after a public one": {of(&key.PublicKey) + inPEM(sec1, nil), 0, "--verify-key is a private key"},
		"certificate":                 {inPEM(certificate, nil), 0, "--verify-key is a certificate"},
		"P-384":                       {of(&larger.PublicKey), 0, "--verify-key is on P-384"},
		"Ed25519":                     {of(edwards), 0, "--verify-key is an Ed25519 key"},
		"damaged":                     {inPEM(public, []byte{1}), 0, "--verify-key is damaged"},
		"another":                     {inPEM("PGP PUBLIC KEY BLOCK", nil), 0, `--verify-key is "PGP PUBLIC KEY BLOCK" in PEM`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Public([]byte(c.text), "--verify-key")
			check(t, err, c.want)
			if len(got) != c.keys {
				t.Errorf("%d keys, want %d", len(got), c.keys)
			}
		})
	}
}

func check(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Error(err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("error %v, want %q", err, want)
	case want != "" && strings.Contains(err.Error(), "\n"):
		t.Errorf("more than a line: %v", err)
	}
}
