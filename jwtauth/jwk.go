package jwtauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// Key types of RFC 7518 §6.1 and RFC 8037 §2.
const (
	ktyOct = "oct"
	ktyRSA = "RSA"
	ktyEC  = "EC"
	ktyOKP = "OKP"
)

// privateMembers are what a published key must not have.
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// ParseJWK reads one JSON Web Key (RFC 7517) of at most 16 KiB: public,
// private or, of type oct, secret. It must have kid and alg. If it has "use"
// or "key_ops", they must permit what a token's key does: one that may verify
// only does not sign. A member that is there twice is refused, and an unknown
// one is not looked at.
func ParseJWK(jwk []byte) (Key, error) { return parseJWKSetKey(jwk, false) }

// parseJWKSetKey reads one key of a set. If the set is remote, alg may be
// absent where the type has a usual one, and kid as well (RFC 7517 §4.4, 4.5);
// and the key must be public: one whose private half is published is burnt.
func parseJWKSetKey(raw []byte, remote bool) (Key, error) {
	j := readJWK(raw)
	k, err := j.key(remote)
	if j.err != nil {
		k, err = nil, j.err // what came before it
	}
	return named(j.kid, k, err)
}

func (j *jwkReader) key(remote bool) (*key, error) {
	kty := j.text("kty")
	if remote {
		if kty == ktyOct {
			return nil, errors.New("a published JWK is symmetric")
		}
		for _, name := range privateMembers {
			if j.has(name) {
				return nil, fmt.Errorf("a published JWK has the private member %q", name)
			}
		}
	}
	alg := j.algorithm(kty, remote)
	if !remote || j.has("kid") {
		j.kid = j.text("kid")
	}
	pub, signer := j.material(kty)
	verifies, signs := j.operations()
	switch {
	case j.err != nil:
		return nil, j.err
	case !verifies && (signer == nil || !signs):
		return nil, errors.New("key_ops does not permit verifying")
	case kty == ktyOct:
		return j.secret(alg, signs)
	case signer != nil && signs:
		return signingKey(j.kid, alg, signer)
	case remote && !j.has("kid"):
		pub, err := checkPublic(alg, pub)
		return &key{alg: alg, public: pub}, err
	}
	return publicKey(j.kid, alg, pub)
}

// algorithm is "alg" or, in a remote set, what goes with the type.
func (j *jwkReader) algorithm(kty string, remote bool) Algorithm {
	if !remote || j.has("alg") {
		return Algorithm(j.text("alg"))
	}
	switch kty {
	case ktyRSA:
		return RS256
	case ktyEC:
		if j.text("crv") == "P-384" {
			return ES384
		}
		return ES256
	}
	return EdDSA
}

// operations is what "use" and "key_ops" permit. Both together must not
// contradict each other (RFC 7517 §4.3), so that any other purpose is refused.
func (j *jwkReader) operations() (verify, sign bool) {
	if j.has("use") && j.text("use") != "sig" {
		j.fail(errors.New(`"use" is not "sig"`))
	}
	if !j.has("key_ops") {
		return true, true
	}
	ops := j.texts("key_ops")
	for i, op := range ops {
		if op != "verify" && op != "sign" || slices.Contains(ops[:i], op) {
			j.fail(errors.New(`"key_ops" has something else than "verify" and "sign", each once`))
		}
	}
	return slices.Contains(ops, "verify"), slices.Contains(ops, "sign")
}

func (j *jwkReader) secret(alg Algorithm, signs bool) (*key, error) {
	k, err := macKey(j.kid, alg, j.bytes("k"))
	if err == nil {
		k.signs = signs
	}
	return k, err
}

// material is the public key of all but oct, and the private one if there is.
func (j *jwkReader) material(kty string) (crypto.PublicKey, crypto.Signer) {
	switch kty {
	case ktyOct:
		return nil, nil
	case ktyRSA:
		return j.rsa()
	case ktyEC:
		return j.ec()
	case ktyOKP:
		return j.okp()
	}
	j.fail(fmt.Errorf("the key type %.32q is none of oct, RSA, EC, OKP", kty))
	return nil, nil
}

func (j *jwkReader) rsa() (crypto.PublicKey, crypto.Signer) {
	n, e := j.number("n"), j.number("e")
	if e.BitLen() > 31 {
		e = new(big.Int) // which checkRSA refuses
	}
	pub := rsa.PublicKey{N: n, E: int(e.Int64())}
	if !j.has("d") {
		return &pub, nil
	}
	// RFC 7518 §6.3.2: all or none of p, q, dp, dq, qi. Without them signing
	// takes four times as long, and nothing says that d belongs to n.
	priv := &rsa.PrivateKey{PublicKey: pub, D: j.number("d"), Primes: []*big.Int{j.number("p"), j.number("q")}}
	dp, dq, qi := j.number("dp"), j.number("dq"), j.number("qi")
	switch {
	case j.has("oth"):
		j.fail(errors.New("an RSA key of more than two primes"))
	case j.err == nil:
		j.fail(checkPrivate(priv))
	}
	if j.err != nil {
		return nil, nil
	}
	priv.Precompute()
	if c := priv.Precomputed; c.Dp.Cmp(dp) != 0 || c.Dq.Cmp(dq) != 0 || c.Qinv.Cmp(qi) != 0 {
		j.fail(errPrivate)
	}
	return &pub, priv
}

func (j *jwkReader) ec() (crypto.PublicKey, crypto.Signer) {
	var curve elliptic.Curve
	switch crv := j.text("crv"); crv {
	case "P-256":
		curve = elliptic.P256()
	case "P-384":
		curve = elliptic.P384()
	default:
		j.fail(fmt.Errorf("the curve %.32q is none of P-256, P-384", crv))
		return nil, nil
	}
	size := (curve.Params().BitSize + 7) / 8
	x, y := j.fixed("x", size), j.fixed("y", size)
	if j.err != nil {
		return nil, nil
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	if err != nil {
		j.fail(fmt.Errorf("not a point of %s", curve.Params().Name))
		return nil, nil
	}
	if !j.has("d") {
		return pub, nil
	}
	priv, err := ecdsa.ParseRawPrivateKey(curve, j.fixed("d", size))
	if err != nil || !priv.PublicKey.Equal(pub) {
		j.fail(errPrivate)
		return nil, nil
	}
	return pub, priv
}

func (j *jwkReader) okp() (crypto.PublicKey, crypto.Signer) {
	if crv := j.text("crv"); crv != "Ed25519" {
		j.fail(fmt.Errorf("the curve %.32q is not Ed25519", crv))
		return nil, nil
	}
	pub := ed25519.PublicKey(j.fixed("x", ed25519.PublicKeySize))
	if !j.has("d") {
		return pub, nil
	}
	seed := j.fixed("d", ed25519.SeedSize)
	if j.err != nil {
		return nil, nil
	}
	priv := ed25519.NewKeyFromSeed(seed)
	if !pub.Equal(priv.Public()) {
		j.fail(errPrivate)
	}
	return pub, priv
}
