package jwtauth

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // for crypto.Hash
	_ "crypto/sha512"

	"github.com/golang-jwt/jwt/v5"
)

// Algorithm is how tokens are signed, by its name in RFC 7518 §3.1 and, of
// EdDSA, RFC 8037 §3.1. There are no others: "none" is not one.
type Algorithm string

const (
	HS256 Algorithm = "HS256" // HMAC by SHA-256; a secret of 32 bytes or more
	HS384 Algorithm = "HS384" // HMAC by SHA-384; 48 bytes or more
	HS512 Algorithm = "HS512" // HMAC by SHA-512; 64 bytes or more
	RS256 Algorithm = "RS256" // RSA PKCS #1 v1.5 with SHA-256; 2048 to 8192 bits
	PS256 Algorithm = "PS256" // RSA PSS with SHA-256 and a salt of 32 bytes; 2048 to 8192 bits
	ES256 Algorithm = "ES256" // ECDSA on P-256 with SHA-256
	ES384 Algorithm = "ES384" // ECDSA on P-384 with SHA-384
	EdDSA Algorithm = "EdDSA" // Ed25519
)

// ps256 wants a salt as long as the hash (RFC 7518 §3.5). golang-jwt's own
// verifies any length.
var ps256 jwt.SigningMethod = &jwt.SigningMethodRSAPSS{
	SigningMethodRSA: &jwt.SigningMethodRSA{Name: string(PS256), Hash: crypto.SHA256},
	Options:          pssOptions,
}

var pssOptions = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}

func (a Algorithm) known() bool { return a.symmetric() || a.method() != nil }

func (a Algorithm) symmetric() bool {
	return a == HS256 || a == HS384 || a == HS512
}

// hash is what is signed, 0 if it is the message itself.
func (a Algorithm) hash() crypto.Hash {
	switch a {
	case HS256, RS256, PS256, ES256:
		return crypto.SHA256
	case HS384, ES384:
		return crypto.SHA384
	case HS512:
		return crypto.SHA512
	}
	return 0
}

// curve is that of ECDSA, nil of the others.
func (a Algorithm) curve() elliptic.Curve {
	switch a {
	case ES256:
		return elliptic.P256()
	case ES384:
		return elliptic.P384()
	}
	return nil
}

// method verifies with public keys. It is nil of HMAC and of unknown ones.
func (a Algorithm) method() jwt.SigningMethod {
	switch a {
	case RS256:
		return jwt.SigningMethodRS256
	case PS256:
		return ps256
	case ES256:
		return jwt.SigningMethodES256
	case ES384:
		return jwt.SigningMethodES384
	case EdDSA:
		return jwt.SigningMethodEdDSA
	}
	return nil
}
