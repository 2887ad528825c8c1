package jwtauth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"unicode/utf8"
)

// jwkReader has the members of one JSON object, each as it was sent. It keeps
// the first error, which names members but never their values.
type jwkReader struct {
	members map[string]json.RawMessage
	kid     string
	err     error
}

func readJWK(raw []byte) *jwkReader {
	j := &jwkReader{members: map[string]json.RawMessage{}}
	switch {
	case len(raw) > maxKeyBytes:
		j.fail(fmt.Errorf("JWK of %d bytes, and %d are allowed", len(raw), maxKeyBytes))
		return j
	case !utf8.Valid(raw) || !json.Valid(raw):
		j.fail(errors.New("the JWK is not JSON"))
		return j
	}
	d := json.NewDecoder(bytes.NewReader(raw)) // what json.Valid has seen: no error below
	if first, _ := d.Token(); first != json.Delim('{') {
		j.fail(errors.New("the JWK is not a JSON object"))
		return j
	}
	for d.More() {
		token, _ := d.Token()
		name, _ := token.(string)
		if j.has(name) {
			j.fail(fmt.Errorf("the member %.32q is there twice", name))
			return j
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			j.fail(errors.New("the JWK is not JSON"))
			return j
		}
		j.members[name] = value
	}
	return j
}

func (j *jwkReader) fail(err error) {
	if j.err == nil {
		j.err = err
	}
}

func (j *jwkReader) has(name string) bool {
	_, ok := j.members[name]
	return ok
}

// text is a required string.
func (j *jwkReader) text(name string) (s string) {
	raw := j.members[name]
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil || s == "" {
		j.fail(fmt.Errorf("the member %q is required, and a string", name))
	}
	return s
}

// texts is an array of strings. null is an empty one, and in it "".
func (j *jwkReader) texts(name string) (list []string) {
	if json.Unmarshal(j.members[name], &list) != nil {
		j.fail(fmt.Errorf("the member %q is not an array of strings", name))
	}
	return list
}

// bytes is base64url without padding, in its one form (RFC 7515 §2).
// encoding/base64 alone passes over line ends.
func (j *jwkReader) bytes(name string) []byte {
	s := j.text(name)
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") {
		j.fail(fmt.Errorf("the member %q is not base64url without padding", name))
	}
	return b
}

// fixed is bytes of one length: of a curve, leading zeros included
// (RFC 7518 §6.2.1.2).
func (j *jwkReader) fixed(name string, size int) []byte {
	b := j.bytes(name)
	if len(b) != size {
		j.fail(fmt.Errorf("the member %q has %d bytes, not %d", name, len(b), size))
	}
	return b
}

// number is big-endian. A zero in front, which RFC 7518 §6.3.1.1 says that
// some libraries write, is no harm: the number is the same.
func (j *jwkReader) number(name string) *big.Int {
	return new(big.Int).SetBytes(j.bytes(name))
}
