package jwtauth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxKeyID   = 128
	minRSABits = 2048
	maxRSABits = 8192 // verifying costs time by the square of it, and a token chooses the key
	// maxKeyBytes bounds a key in PEM or JSON: the longest that can be good has 7 KiB.
	maxKeyBytes = 16 << 10
)

func unknownAlgorithm(alg Algorithm) error {
	return fmt.Errorf("the algorithm %.32q is none of HS256, HS384, HS512, RS256, PS256, ES256, ES384, EdDSA", string(alg))
}

func checkID(kid string) error {
	switch {
	case kid == "":
		return errors.New("an id is required")
	case len(kid) > maxKeyID:
		return fmt.Errorf("the id has %d bytes, and may have %d", len(kid), maxKeyID)
	case !utf8.ValidString(kid) || strings.ContainsFunc(kid, unicode.IsControl):
		return errors.New("the id is not UTF-8, or has control characters")
	}
	return nil
}

func checkSecret(alg Algorithm, secret []byte) error {
	if !alg.known() {
		return unknownAlgorithm(alg)
	}
	if !alg.symmetric() {
		return fmt.Errorf("%s takes no secret: use GenerateKey, ParsePEM, ParseJWK or NewKey", alg)
	}
	need := alg.hash().Size()
	if len(secret) < need {
		return fmt.Errorf("the secret has %d bytes, and %s needs %d (RFC 7518 §3.2): make one by `openssl rand -base64 %d`", len(secret), alg, need, need)
	}
	if bytes.Count(secret, secret[:1]) == len(secret) {
		return fmt.Errorf("the secret is one byte repeated: make one by `openssl rand -base64 %d`", need)
	}
	return nil
}

// checkPublic holds pub against the algorithm, and answers a copy of it.
func checkPublic(alg Algorithm, pub crypto.PublicKey) (crypto.PublicKey, error) {
	switch {
	case !alg.known():
		return nil, unknownAlgorithm(alg)
	case alg.symmetric():
		return nil, fmt.Errorf("%s needs a shared secret: use HMACKey", alg)
	}
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		if (alg == RS256 || alg == PS256) && pub != nil {
			if err := checkRSA(pub); err != nil {
				return nil, err
			}
			return &rsa.PublicKey{N: new(big.Int).Set(pub.N), E: pub.E}, nil
		}
	case *ecdsa.PublicKey:
		if curve := alg.curve(); curve != nil && pub != nil {
			if pub.Curve != curve {
				return nil, fmt.Errorf("%s needs a key on %s", alg, curve.Params().Name)
			}
			return copyECDSA(pub)
		}
	case ed25519.PublicKey:
		if alg == EdDSA {
			if err := checkEd25519(pub); err != nil {
				return nil, err
			}
			return ed25519.PublicKey(bytes.Clone(pub)), nil
		}
	}
	return nil, fmt.Errorf("%s does not go with a %T", alg, pub)
}

func checkRSA(pub *rsa.PublicKey) error {
	switch {
	case pub.N == nil || pub.N.Sign() <= 0 || pub.N.BitLen() < minRSABits:
		return fmt.Errorf("an RSA key of fewer than %d bits can be broken: make one by `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072`", minRSABits)
	case pub.N.BitLen() > maxRSABits:
		return fmt.Errorf("an RSA key of %d bits is over the %d that are verified in reasonable time", pub.N.BitLen(), maxRSABits)
	case pub.N.Bit(0) == 0:
		return errors.New("the RSA modulus is even")
	case pub.E < 3 || pub.E%2 == 0 || pub.E > math.MaxInt32:
		return errors.New("the RSA exponent is not an odd number from 3 to 2^31 - 1: 65537 is good")
	}
	return nil
}

// copyECDSA wants a point of the curve, and not the one at infinity.
func copyECDSA(pub *ecdsa.PublicKey) (*ecdsa.PublicKey, error) {
	if pub.X != nil && pub.Y != nil { //nolint:staticcheck // SA1019: without them Bytes panics
		if point, err := pub.Bytes(); err == nil {
			return ecdsa.ParseUncompressedPublicKey(pub.Curve, point)
		}
	}
	return nil, fmt.Errorf("not a point of %s", pub.Curve.Params().Name)
}

// checkPrivate refuses private keys whose halves do not belong together: what
// they sign verifies nowhere, and tells of an Ed25519 key. Of what stays
// in a KMS there is nothing to check.
func checkPrivate(s crypto.Signer) error {
	good := true
	switch s := s.(type) {
	case nil:
		return errors.New("the crypto.Signer is nil")
	case *rsa.PrivateKey:
		if s == nil {
			return errPrivate
		}
		if err := checkRSA(&s.PublicKey); err != nil {
			return err // before the arithmetic, whose cost it bounds
		}
		good = s.D != nil && s.Validate() == nil
	case *ecdsa.PrivateKey:
		if s == nil || s.D == nil || s.X == nil || s.Y == nil { //nolint:staticcheck // SA1019: without them Bytes panics
			return errPrivate
		}
		d, err := s.Bytes()
		if err != nil {
			good = false
			break
		}
		derived, err := ecdsa.ParseRawPrivateKey(s.Curve, d)
		good = err == nil && derived.Equal(s)
	case ed25519.PrivateKey:
		good = len(s) == ed25519.PrivateKeySize && ed25519.NewKeyFromSeed(s.Seed()).Equal(s)
	}
	if !good {
		return errPrivate
	}
	return nil
}

var errPrivate = errors.New("the private key is damaged, or does not belong to its public half")
