// Package attest has what is said of an image and who says it: in-toto statements, their
// signatures in Sigstore's bundles, and the rules by which they are believed. It asks nobody.
//
// All bytes that it makes depend on what they say alone: the same statement with the same key
// is the same bundle, on any machine and on any day.
package attest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Predicate types: what a statement is about.
const (
	// Signature says only that the key's holder stands for the image, as cosign sign does.
	Signature = "https://sigstore.dev/cosign/sign/v1"
	// Provenance says what the image was built from.
	Provenance = "https://slsa.dev/provenance/v1"
	// SBOM says what is in the image.
	SBOM = "https://spdx.dev/Document"
)

const (
	statementType = "https://in-toto.io/Statement/v1"
	// earlierType is what cosign attest writes.
	earlierType = "https://in-toto.io/Statement/v0.1"
	payloadType = "application/vnd.in-toto+json"
)

// Subject is an image that a statement is about: by digest, since names say nothing.
type Subject struct {
	Name   string            `json:"name,omitempty"`
	Digest map[string]string `json:"digest"`
}

// Image is the subject of a digest, sha256:….
func Image(name, digest string) Subject {
	algorithm, hex, _ := strings.Cut(digest, ":")
	return Subject{name, map[string]string{algorithm: hex}}
}

type statement struct {
	Type          string          `json:"_type"`
	Subject       []Subject       `json:"subject"`
	PredicateType string          `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate"`
}

// State makes a statement of a predicate, which is to become JSON.
func State(predicateType string, predicate any, subjects ...Subject) ([]byte, error) {
	body, err := Encode(predicate)
	if err != nil {
		return nil, err
	}
	return Encode(statement{statementType, subjects, predicateType, body})
}

// Encode is JSON as people write it: <, > and & stay as they are.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func readStatement(text []byte) (statement, error) {
	var s statement
	if err := json.Unmarshal(text, &s); err != nil {
		return s, err
	}
	if s.Type != statementType && s.Type != earlierType {
		return s, fmt.Errorf("%q is no in-toto statement", s.Type)
	}
	if s.PredicateType == "" {
		return s, errors.New("the statement has no predicate type")
	}
	return s, nil
}

// is says whether the statement is about an image.
func (s statement) is(digest string) bool {
	algorithm, hex, _ := strings.Cut(digest, ":")
	for _, subject := range s.Subject {
		if hex != "" && subject.Digest[algorithm] == hex {
			return true
		}
	}
	return false
}
