package jwtauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"

	"github.com/gatehouse-go/authn"
)

// Key has an id (the "kid" of tokens) and one algorithm; no header of a token
// can choose another (RFC 8725 §3.1). It verifies, and signs if it has more
// than a public half. A Key is immutable, cheap to copy and safe for
// concurrent use; the zero Key is refused everywhere. It prints as its id and
// algorithm, never as its secret.
//
// An id is 1 to 128 bytes of UTF-8 without control characters.
type Key struct{ k *key }

type key struct {
	id     string
	alg    Algorithm
	public crypto.PublicKey // *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey; nil of HMAC
	macs   *macPool         // of HMAC only
	// signer is nil of HMAC and of public keys. A closure is opaque to
	// reflection, and so to every printer of structs.
	signer func() crypto.Signer
	signs  bool
}

// rsaBits of keys that GenerateKey makes: good until 2030 (NIST SP 800-57),
// and rotated long before.
const rsaBits = 2048

var (
	errZeroKey   = errors.New("authn/jwtauth: the zero Key: make one by GenerateKey, ParsePEM, ParseJWK, NewKey or HMACKey")
	errNoPrivate = errors.New("authn/jwtauth: the private key cannot be exported")
)

// GenerateKey makes a new key. Its id is its thumbprint (RFC 7638), and of an
// HMAC key, where that would tell of the secret, random. RSA keys have 2048
// bits. A key that is not kept ends with the process, and all its tokens with
// it: that is for development and tests.
func GenerateKey(alg Algorithm) (Key, error) {
	if alg.symmetric() {
		secret := make([]byte, alg.hash().Size())
		_, _ = rand.Read(secret) // never fails (crypto/rand)
		k, err := macKey(rand.Text(), alg, secret)
		return named("", k, err)
	}
	var s crypto.Signer
	var err error
	switch alg {
	case RS256, PS256:
		s, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case ES256, ES384:
		s, err = ecdsa.GenerateKey(alg.curve(), rand.Reader)
	case EdDSA:
		_, s, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = unknownAlgorithm(alg)
	}
	if err != nil {
		return named("", nil, err)
	}
	k, err := signingKey(thumbprint(s.Public()), alg, s)
	return named("", k, err)
}

// NewKey signs by s: a private key, or one that stays in a KMS or HSM. s gets
// the digest to sign, or the whole message for EdDSA, with the options of
// package crypto: *[rsa.PSSOptions] for PS256, else a [crypto.Hash]. Its
// Public is asked once.
func NewKey(kid string, alg Algorithm, s crypto.Signer) (Key, error) {
	k, err := signingKey(kid, alg, s)
	return named(kid, k, err)
}

// HMACKey is of a secret that whoever verifies shares, and could sign with,
// too. The bytes of secret are the key, not decoded from anything: 32 random
// ones at least, 48 for HS384, 64 for HS512 (RFC 7518 §3.2). A password is
// not a secret of this kind: it is guessed from a single token.
func HMACKey(kid string, alg Algorithm, secret authn.Secret) (Key, error) {
	k, err := macKey(kid, alg, []byte(secret.Reveal()))
	return named(kid, k, err)
}

// named is what constructors answer.
func named(kid string, k *key, err error) (Key, error) {
	switch {
	case err == nil:
		return Key{k}, nil
	case kid == "":
		return Key{}, fmt.Errorf("authn/jwtauth: key: %w", err)
	}
	return Key{}, fmt.Errorf("authn/jwtauth: key %.64q: %w", kid, err)
}

func publicKey(kid string, alg Algorithm, pub crypto.PublicKey) (*key, error) {
	if err := checkID(kid); err != nil {
		return nil, err
	}
	pub, err := checkPublic(alg, pub)
	if err != nil {
		return nil, err
	}
	return &key{id: kid, alg: alg, public: pub}, nil
}

func signingKey(kid string, alg Algorithm, s crypto.Signer) (*key, error) {
	if err := checkPrivate(s); err != nil {
		return nil, err
	}
	k, err := publicKey(kid, alg, s.Public())
	if err != nil {
		return nil, err
	}
	k.signer, k.signs = func() crypto.Signer { return s }, true
	return k, nil
}

func macKey(kid string, alg Algorithm, secret []byte) (*key, error) {
	if err := checkID(kid); err != nil {
		return nil, err
	}
	if err := checkSecret(alg, secret); err != nil {
		return nil, err
	}
	return &key{id: kid, alg: alg, macs: newMACPool(alg.hash(), secret), signs: true}, nil
}

// keyFromPKCS8 reads what private wrote.
func keyFromPKCS8(kid string, alg Algorithm, der []byte) (Key, error) {
	s, err := parsePKCS8(der)
	if err != nil {
		return named(kid, nil, err)
	}
	return NewKey(kid, alg, s)
}

// ID is the "kid". It may be "" only of a key that a remote set publishes
// without one.
func (k Key) ID() string {
	if k.k == nil {
		return ""
	}
	return k.k.id
}

// Algorithm is "" of the zero Key.
func (k Key) Algorithm() Algorithm {
	if k.k == nil {
		return ""
	}
	return k.k.alg
}

// Public is an *[rsa.PublicKey], *[ecdsa.PublicKey] or [ed25519.PublicKey],
// to be read only. It is nil of an HMAC key and of the zero Key.
func (k Key) Public() crypto.PublicKey {
	if k.k == nil {
		return nil
	}
	return k.k.public
}

func (k Key) isZero() bool { return k.k == nil }

func (k Key) canSign() bool { return k.k != nil && k.k.signs }

// private is PKCS #8, to be sealed: not of HMAC keys and not of what a KMS
// keeps.
func (k Key) private() (pkcs8 []byte, err error) {
	if k.k == nil {
		return nil, errZeroKey
	}
	if k.k.signer == nil {
		return nil, errNoPrivate
	}
	switch s := k.k.signer().(type) {
	case *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey:
		return x509.MarshalPKCS8PrivateKey(s)
	}
	return nil, errNoPrivate
}

// String is the id and the algorithm.
func (k Key) String() string {
	if k.k == nil {
		return "no key"
	}
	return k.k.id + " (" + string(k.k.alg) + ")"
}

// Format is a [fmt.Formatter] that prints String for every verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// LogValue is a [slog.LogValuer].
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText writes String, as JSON, XML and YAML do through it.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
