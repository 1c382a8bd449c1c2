package signkey

import (
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/crypto/nacl/secretbox"
	"golang.org/x/crypto/scrypt"
)

// sealed is a private key as cosign generate-key-pair encrypts it.
type sealed struct {
	KDF struct {
		Name   string
		Params struct{ N, R, P int }
		Salt   []byte
	}
	Cipher struct {
		Name  string
		Nonce []byte
	}
	Ciphertext []byte
}

// Those of cosign are 65536, 8 and 1, which take 64 MiB. More than four times that is no key.
const (
	costLimit   = 1 << 18
	factorLimit = 16
)

var errPassword = errors.New("the password is wrong")

// open decrypts a key, and returns it in PKCS#8.
func open(text []byte, password string) ([]byte, error) {
	var s sealed
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, errors.New("its block holds no JSON")
	}
	p := s.KDF.Params
	switch {
	case s.KDF.Name != "scrypt" || s.Cipher.Name != "nacl/secretbox":
		return nil, fmt.Errorf("with %q and %q, where cosign has scrypt and nacl/secretbox", s.KDF.Name, s.Cipher.Name)
	case p.N > costLimit || p.R > factorLimit || p.P > factorLimit:
		return nil, errors.New("with parameters of scrypt beyond those of cosign")
	case len(s.Cipher.Nonce) != 24:
		return nil, errors.New("its nonce is not of 24 bytes")
	}
	derived, err := scrypt.Key([]byte(password), s.KDF.Salt, p.N, p.R, p.P, 32)
	if err != nil {
		return nil, err
	}
	der, ok := secretbox.Open(nil, s.Ciphertext, (*[24]byte)(s.Cipher.Nonce), (*[32]byte)(derived))
	if !ok {
		return nil, errPassword
	}
	return der, nil
}
