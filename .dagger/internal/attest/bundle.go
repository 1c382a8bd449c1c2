package attest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"dagger/slipway/internal/signkey"
)

// BundleType is the media type of a bundle, and the artifact type of what holds one.
const BundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"

// bundle is Sigstore's, as far as a signature with a key needs it.
type bundle struct {
	MediaType string   `json:"mediaType"`
	Material  material `json:"verificationMaterial"`
	Envelope  envelope `json:"dsseEnvelope"`
}

type material struct {
	PublicKey hint `json:"publicKey"`
}

type hint struct {
	Hint string `json:"hint"`
}

// envelope is DSSE's. Its bytes are base64 in JSON.
type envelope struct {
	Payload     []byte      `json:"payload"`
	PayloadType string      `json:"payloadType"`
	Signatures  []signature `json:"signatures"`
}

type signature struct {
	Sig []byte `json:"sig"`
}

// Sign makes the bundle of a statement.
func Sign(key *ecdsa.PrivateKey, statement []byte) ([]byte, error) {
	sum := preAuthentication(payloadType, statement)
	// Without a source of randomness the nonce follows from key and message (RFC 6979), so that
	// signing again adds no second signature.
	sig, err := key.Sign(nil, sum[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	return Encode(bundle{
		BundleType, material{hint{signkey.ID(&key.PublicKey)}},
		envelope{statement, payloadType, []signature{{sig}}},
	})
}

// preAuthentication is the hash of what is signed: type and payload, each with its length,
// so that none can be taken for a part of the other.
func preAuthentication(kind string, payload []byte) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(kind), kind, len(payload), payload))
}

// readBundle reads the statement out of a bundle, which anybody may have made.
func readBundle(text []byte) (envelope, statement, error) {
	var b bundle
	if err := json.Unmarshal(text, &b); err != nil {
		return envelope{}, statement{}, err
	}
	e := b.Envelope
	if e.PayloadType != payloadType || len(e.Signatures) != 1 {
		return e, statement{}, errors.New("the bundle holds no statement with one signature")
	}
	s, err := readStatement(e.Payload)
	return e, s, err
}

// by says whether the envelope is signed by one of the keys, and by which.
func (e envelope) by(keys []*ecdsa.PublicKey) *ecdsa.PublicKey {
	sum := preAuthentication(e.PayloadType, e.Payload)
	for _, key := range keys {
		if ecdsa.VerifyASN1(key, sum[:], e.Signatures[0].Sig) {
			return key
		}
	}
	return nil
}
