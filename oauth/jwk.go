package oauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// algorithms are those of id_tokens: asymmetric, whatever a provider advertises.
var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

const (
	maxKeys    = 100
	minRSABits = 2048
	maxRSABits = 8192
)

// jwk is a key that may verify id_tokens.
type jwk struct {
	kid, alg string // "" if the set does not say
	issuer   string // of Microsoft: whose tokens it signs
	key      crypto.PublicKey
}

// fits reports whether k is of alg: the key decides, not the token.
func (k jwk) fits(alg string) bool {
	if k.alg != "" && k.alg != alg {
		return false
	}
	switch key := k.key.(type) {
	case *rsa.PublicKey:
		return alg[:2] == "RS" || alg[:2] == "PS"
	case *ecdsa.PublicKey:
		return alg == map[elliptic.Curve]string{elliptic.P256(): "ES256", elliptic.P384(): "ES384", elliptic.P521(): "ES512"}[key.Curve]
	case ed25519.PublicKey:
		return alg == "EdDSA"
	}
	return false
}

// parseKeys reads a JWK Set (RFC 7517 §5) and skips what cannot be used (§5): other
// types, weak keys, private ones, and those that are not for signatures.
func parseKeys(raws []json.RawMessage) ([]jwk, error) {
	if len(raws) > maxKeys {
		return nil, fmt.Errorf("more than %d keys", maxKeys)
	}
	var keys []jwk
	for _, raw := range raws {
		if k, err := parseKey(raw); err == nil {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("no key that can be used")
	}
	return keys, nil
}

func parseKey(raw []byte) (jwk, error) {
	var m struct {
		Kty string          `json:"kty"`
		Use string          `json:"use"`
		Ops []string        `json:"key_ops"`
		Alg string          `json:"alg"`
		Kid string          `json:"kid"`
		N   string          `json:"n"`
		E   string          `json:"e"`
		Crv string          `json:"crv"`
		X   string          `json:"x"`
		Y   string          `json:"y"`
		D   json.RawMessage `json:"d"`
		Iss string          `json:"issuer"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return jwk{}, err
	}
	if m.D != nil || m.Use != "" && m.Use != "sig" || m.Ops != nil && !slices.Contains(m.Ops, "verify") {
		return jwk{}, errors.New("not for signatures")
	}
	k := jwk{kid: m.Kid, alg: m.Alg, issuer: m.Iss}
	var err error
	switch m.Kty {
	case "RSA":
		k.key, err = rsaKey(m.N, m.E)
	case "EC":
		k.key, err = ecKey(m.Crv, m.X, m.Y)
	case "OKP":
		k.key, err = edKey(m.Crv, m.X)
	default:
		err = errors.New("another type")
	}
	return k, err
}

func rsaKey(n, e string) (crypto.PublicKey, error) {
	modulus, err := base64.RawURLEncoding.DecodeString(n)
	if err != nil {
		return nil, err
	}
	exponent, err := base64.RawURLEncoding.DecodeString(e)
	if err != nil || len(exponent) > 4 {
		return nil, errors.New("exponent")
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(new(big.Int).SetBytes(exponent).Int64())}
	if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits || key.N.Bit(0) == 0 || key.E < 3 || key.E%2 == 0 || key.E > 1<<31-1 {
		return nil, errors.New("weak")
	}
	return key, nil
}

func ecKey(crv, x, y string) (crypto.PublicKey, error) {
	curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[crv]
	if curve == nil {
		return nil, errors.New("another curve")
	}
	point := []byte{4} // uncompressed (SEC 1 §2.3.3)
	for _, s := range []string{x, y} {
		coordinate, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil || len(coordinate) != (curve.Params().BitSize+7)/8 {
			return nil, errors.New("coordinate")
		}
		point = append(point, coordinate...)
	}
	return ecdsa.ParseUncompressedPublicKey(curve, point)
}

func edKey(crv, x string) (crypto.PublicKey, error) {
	key, err := base64.RawURLEncoding.DecodeString(x)
	if err != nil || crv != "Ed25519" || len(key) != ed25519.PublicKeySize {
		return nil, errors.New("another curve")
	}
	return ed25519.PublicKey(key), nil
}
