package release

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"slipway/helpers/internal/object"
)

// seal is what a signature needs of the Secrets of a record, as they were written or read.
type seal struct {
	sum   string // checksum of what the parts hold
	parts int
}

// sign is the signature of a record: HMAC-SHA256 over what it holds and over all that says
// which record it is and what became of it. A record that is copied to another release,
// number or namespace is not signed there.
func (s Store) sign(of seal, number int, status, note string) string {
	mac := hmac.New(sha256.New, []byte(s.Key))
	for _, field := range []string{
		"slipway record", s.Client.Namespace(), s.Name, strconv.Itoa(number), of.sum, strconv.Itoa(of.parts), status, note,
	} {
		fmt.Fprintf(mac, "%d:%s,", len(field), field)
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// verify says why a record that was read is not believed. Without a key, all are.
func (s Store) verify(r Record, head object.Object) error {
	if s.Key == "" {
		return nil
	}
	signature := head.Annotation(signKey)
	switch {
	case signature == "":
		return errors.New("it is not signed, while --record-key demands it")
	case r.seal.sum == "" || !hmac.Equal([]byte(signature), []byte(s.sign(r.seal, r.Number, r.Status, head.Annotation(noteKey)))):
		return errors.New("it is not signed with the key that --record-key gives")
	}
	return nil
}
