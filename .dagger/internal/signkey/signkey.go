// Package signkey reads the keys that images are signed and verified with: ECDSA on P-256,
// which is what cosign and its like verify everywhere. Errors show nothing of a key.
package signkey

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// Blocks of PEM.
const (
	sec1       = "EC PRIVATE KEY"
	pkcs8      = "PRIVATE KEY"
	public     = "PUBLIC KEY"
	parameters = "EC PARAMETERS" // which openssl ecparam writes before the key

	certificate     = "CERTIFICATE"
	encryptedPKCS8  = "ENCRYPTED PRIVATE KEY"
	encrypted       = "ENCRYPTED SIGSTORE PRIVATE KEY"
	encryptedBefore = "ENCRYPTED COSIGN PRIVATE KEY" // by older versions of cosign
)

const giveP256 = "give an ECDSA key on P-256, as cosign generate-key-pair makes"

// Private reads a private key in PEM: SEC1, PKCS#8, or as cosign encrypts it. The flags are
// how errors name key and password.
func Private(text []byte, password string, flag, passwordFlag string) (*ecdsa.PrivateKey, error) {
	block := first(text)
	if block == nil {
		if why := unreadable(text); why != "" {
			return nil, fmt.Errorf("%s %s", flag, why)
		}
		return nil, fmt.Errorf("%s is no private key in PEM: %s, or openssl ecparam -genkey -name prime256v1", flag, giveP256)
	}
	switch kind := block.Type; {
	case kind == public:
		return nil, fmt.Errorf("%s is a public key: give the private one", flag)
	case kind == certificate:
		return nil, fmt.Errorf("%s is a certificate: give the private key", flag)
	case kind == encryptedPKCS8 || block.Headers["DEK-Info"] != "":
		return nil, fmt.Errorf("%s is encrypted in a way that is not read here: cosign import-key-pair --key makes one that is", flag)
	case kind == encrypted || kind == encryptedBefore:
		der, err := open(block.Bytes, strings.TrimRight(password, "\r\n"))
		switch {
		case errors.Is(err, errPassword) && password == "":
			return nil, fmt.Errorf("%s is encrypted: give %s", flag, passwordFlag)
		case errors.Is(err, errPassword):
			return nil, fmt.Errorf("%s does not open %s", passwordFlag, flag)
		case err != nil:
			return nil, fmt.Errorf("%s is encrypted in a way that is not read here: %w", flag, err)
		}
		return private(der, flag)
	case kind == sec1:
		key, err := x509.ParseECPrivateKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s is damaged: it is no EC private key: %s", flag, giveP256)
		}
		return key, onP256(&key.PublicKey, flag)
	case kind == pkcs8:
		return private(block.Bytes, flag)
	case kind == "RSA PRIVATE KEY":
		return nil, fmt.Errorf("%s is an RSA key: %s", flag, giveP256)
	default:
		return nil, fmt.Errorf("%s is %q in PEM, not a private key to sign with: %s", flag, kind, giveP256)
	}
}

func private(der []byte, flag string) (*ecdsa.PrivateKey, error) {
	any, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: it is no private key in PKCS#8: %s", flag, giveP256)
	}
	key, ok := any.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s is %s: %s", flag, kindOf(any), giveP256)
	}
	return key, onP256(&key.PublicKey, flag)
}

// Public reads public keys in PEM, one or several: while a key is replaced, both count.
func Public(text []byte, flag string) ([]*ecdsa.PublicKey, error) {
	var keys []*ecdsa.PublicKey
	why := unreadable(text)
	text = bytes.TrimPrefix(text, byteOrderMark)
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		switch {
		case block.Type == certificate:
			return nil, fmt.Errorf("%s is a certificate: give the public key", flag)
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return nil, fmt.Errorf("%s is a private key: give its public half, such as cosign.pub, and keep this one where nobody reads it", flag)
		case block.Type != public:
			return nil, fmt.Errorf("%s is %q in PEM, not a public key: give the cosign.pub that goes with the key", flag, block.Type)
		}
		any, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s is damaged: it is no public key: give the cosign.pub that goes with the key", flag)
		}
		key, ok := any.(*ecdsa.PublicKey)
		if !ok {
			return nil, fmt.Errorf("%s is %s: %s", flag, kindOf(any), giveP256)
		}
		if err := onP256(key, flag); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	switch {
	case len(keys) == 0 && why != "":
		return nil, fmt.Errorf("%s %s", flag, why)
	case len(keys) == 0:
		return nil, fmt.Errorf("%s is no public key in PEM: give the cosign.pub that goes with the key", flag)
	}
	return keys, nil
}

// ID names a public key: the SHA-256 of its DER in base64, as Sigstore's bundles have it.
func ID(key *ecdsa.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "" // Of a key on P-256 there is none.
	}
	sum := sha256.Sum256(der)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// first is the first block that is not only about the curve.
func first(text []byte) *pem.Block {
	for {
		var block *pem.Block
		if block, text = pem.Decode(bytes.TrimPrefix(text, byteOrderMark)); block == nil || block.Type != parameters {
			return block
		}
	}
}

// byteOrderMark begins the text files that some editors write.
var byteOrderMark = []byte("\ufeff")

// unreadable says why a text that was to be PEM is none, as far as that shows: "" if it does not.
func unreadable(text []byte) string {
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return "is empty: give the file's content, all lines of it"
	case bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")):
		return "is text in UTF-16: write it again as UTF-8"
	case bytes.Contains(text, []byte("-----BEGIN ")):
		return "is cut off or has lost the ends of its lines: give the file as it was made, all lines of it, none indented"
	}
	return ""
}

func onP256(key *ecdsa.PublicKey, flag string) error {
	if key.Curve != elliptic.P256() {
		return fmt.Errorf("%s is on %s, which not every verifier takes: %s", flag, key.Curve.Params().Name, giveP256)
	}
	return nil
}

func kindOf(key any) string {
	switch key.(type) {
	case *rsa.PrivateKey, *rsa.PublicKey:
		return "an RSA key"
	case ed25519.PrivateKey, ed25519.PublicKey:
		return "an Ed25519 key"
	default:
		return "no ECDSA key"
	}
}
