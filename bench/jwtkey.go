package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"math/big"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

const keyID = "2026-01"

// key is one key as each contender wants it.
type key struct {
	alg             string
	private, public any // of HMAC both are the secret, a []byte
	ring            *jwtauth.KeyRing
}

func newKey(alg string) key {
	k := key{alg: alg}
	if alg == "HS256" {
		secret := make([]byte, 32)
		_, _ = rand.Read(secret) // never fails
		k.private, k.public = secret, secret
		k.ring = authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.HMACKey(keyID, jwtauth.HS256, authn.NewSecret(string(secret))))))
		return k
	}
	var s crypto.Signer
	switch alg {
	case "RS256":
		s = authn.Must(rsa.GenerateKey(rand.Reader, 2048))
	case "ES256":
		s = authn.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	case "EdDSA":
		s = ed25519.NewKeyFromSeed([]byte(rand.Text() + rand.Text())[:ed25519.SeedSize])
	}
	k.private, k.public = s, s.Public()
	k.ring = authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.NewKey(keyID, jwtauth.Algorithm(alg), s))))
	return k
}

// signed is an access token by golang-jwt.
func (k key) signed(claims jwt.Claims) string { return k.signedAs("at+jwt", claims) }

func (k key) signedAs(typ string, claims jwt.Claims) string {
	t := jwt.NewWithClaims(jwt.GetSigningMethod(k.alg), claims)
	t.Header["kid"], t.Header["typ"] = keyID, typ
	return authn.Must(t.SignedString(k.private))
}

func signingInput(raw string) string { return raw[:strings.LastIndexByte(raw, '.')] }

func signatureOf(raw string) []byte {
	return authn.Must(base64.RawURLEncoding.DecodeString(raw[strings.LastIndexByte(raw, '.')+1:]))
}

var errForged = errors.New("forged")

// bareHMAC is what no verification can do without: as one writes it down, and
// with a hash that has its key and an input that is not copied.
func (k key) bareHMAC(raw string) (bare, keyed func() error) {
	input, signature := signingInput(raw), signatureOf(raw)
	check := func(ok bool) error {
		if !ok {
			return errForged
		}
		return nil
	}
	bare = func() error {
		h := hmac.New(sha256.New, k.private.([]byte))
		h.Write([]byte(input))
		return check(hmac.Equal(h.Sum(nil), signature))
	}
	h, bytes, sum := hmac.New(sha256.New, k.private.([]byte)), []byte(input), [sha256.Size]byte{}
	keyed = func() error {
		h.Reset()
		h.Write(bytes)
		return check(hmac.Equal(h.Sum(sum[:0]), signature))
	}
	return bare, keyed
}

// bareCheck is the same with a public key. The signature has the form that the
// standard library wants.
func (k key) bareCheck(raw string) func() error {
	input, signature := []byte(signingInput(raw)), signatureOf(raw)
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		return func() error {
			digest := sha256.Sum256(input)
			return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature)
		}
	case *ecdsa.PublicKey:
		half := len(signature) / 2
		der := authn.Must(asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])}))
		return func() error {
			digest := sha256.Sum256(input)
			if !ecdsa.VerifyASN1(public, digest[:], der) {
				return errForged
			}
			return nil
		}
	default:
		return func() error {
			if !ed25519.Verify(public.(ed25519.PublicKey), input, signature) {
				return errForged
			}
			return nil
		}
	}
}
