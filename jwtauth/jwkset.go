package jwtauth

import (
	"context"
	"errors"
	"fmt"
)

// ParseJWKS reads a JWK Set (RFC 7517 §5) of at most 100 public keys, as the
// owner of the private ones has given it: a client of a token endpoint, or an
// issuer that publishes none. Each must be one that can be used: none is
// symmetric, two do not have the same kid, and only a key that is alone has
// none. Where a key has no alg, it is the usual one of its type: RS256, ES256,
// ES384, EdDSA.
func ParseJWKS(set []byte) (KeySource, error) {
	if len(set) > maxSetBytes {
		return nil, fmt.Errorf("authn/jwtauth: JWK Set: more than %d bytes", maxSetBytes)
	}
	keys, skipped, err := parseJWKSet(set)
	if err == nil && skipped != "" {
		err = errors.New(skipped)
	}
	if _, nameless := keys[""]; err == nil && nameless && len(keys) > 1 {
		err = errors.New("a key without kid beside others: no token can name it")
	}
	if err != nil {
		return nil, fmt.Errorf("authn/jwtauth: JWK Set: %w", err)
	}
	return &fixedSet{remoteSet{keys: keys}}, nil
}

// fixedSet is a set that does not change.
type fixedSet struct{ set remoteSet }

// VerificationKey is of [KeySource].
func (s *fixedSet) VerificationKey(_ context.Context, kid string) (Key, error) {
	if key, ok := s.set.key(kid); ok {
		return key, nil
	}
	return Key{}, ErrUnknownKey
}
