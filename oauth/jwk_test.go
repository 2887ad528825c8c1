package oauth_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/oauth"
)

// O4: a key is for the algorithms that its type, its curve and its "alg" allow, and
// for none if it is weak, secret, of another use or damaged.
func TestUsableKeys(t *testing.T) {
	b64 := base64.RawURLEncoding.EncodeToString
	members := func(m map[string]any, change map[string]any) string {
		all := map[string]any{}
		for _, from := range []map[string]any{m, change} {
			for name, value := range from {
				all[name] = value
			}
		}
		return authn.Must(marshal(all))
	}
	modulus := rsaKey().N
	rsaJWK := map[string]any{"kty": "RSA", "kid": "1", "n": b64(modulus.Bytes()), "e": "AQAB"}
	weak := authn.Must(rsa.GenerateKey(rand.Reader, 1024))
	point := authn.Must(authn.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)).PublicKey.Bytes())
	ecJWK := map[string]any{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}
	big384 := authn.Must(authn.Must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)).PublicKey.Bytes())
	pub, _, _ := ed25519.GenerateKey(rand.Reader)
	edJWK := map[string]any{"kty": "OKP", "crv": "Ed25519", "x": b64(pub)}
	const allRSA = "RS256 RS384 RS512 PS256 PS384 PS512"
	const skipped = "skipped"
	for name, c := range map[string]struct{ jwk, want string }{
		"RSA":                      {members(rsaJWK, nil), allRSA},
		"RSA for signatures":       {members(rsaJWK, map[string]any{"use": "sig", "key_ops": []string{"verify"}, "alg": "RS256", "x5c": []string{"MII"}}), "RS256"},
		"RSA for encryption":       {members(rsaJWK, map[string]any{"use": "enc"}), skipped},
		"RSA to wrap keys":         {members(rsaJWK, map[string]any{"key_ops": []string{"wrapKey"}}), skipped},
		"RSA for no operation":     {members(rsaJWK, map[string]any{"key_ops": []string{}}), skipped},
		"RSA-OAEP":                 {members(rsaJWK, map[string]any{"alg": "RSA-OAEP"}), ""},
		"RSA with HS256":           {members(rsaJWK, map[string]any{"alg": "HS256"}), ""},
		"RSA, private":             {members(rsaJWK, map[string]any{"d": "AQAB"}), skipped},
		"RSA of 1024 bits":         {members(rsaJWK, map[string]any{"n": b64(weak.N.Bytes())}), skipped},
		"RSA of 16384 bits":        {members(rsaJWK, map[string]any{"n": b64(new(big.Int).Lsh(modulus, 16384-2048).Bytes())}), skipped},
		"RSA, even":                {members(rsaJWK, map[string]any{"n": b64(new(big.Int).Add(modulus, big.NewInt(1)).Bytes())}), skipped},
		"RSA, exponent 1":          {members(rsaJWK, map[string]any{"e": "AQ"}), skipped},
		"RSA, even exponent":       {members(rsaJWK, map[string]any{"e": "AQAA"}), skipped},
		"RSA, huge exponent":       {members(rsaJWK, map[string]any{"e": "AQABAQAB"}), skipped},
		"RSA of 8192 bits":         {members(rsaJWK, map[string]any{"n": b64(new(big.Int).SetBit(big.NewInt(1), 8191, 1).Bytes())}), allRSA},
		"RSA of 8193 bits":         {members(rsaJWK, map[string]any{"n": b64(new(big.Int).SetBit(big.NewInt(1), 8192, 1).Bytes())}), skipped},
		"RSA of 2048 bits":         {members(rsaJWK, map[string]any{"n": b64(new(big.Int).SetBit(big.NewInt(1), 2047, 1).Bytes())}), allRSA},
		"RSA of 2047 bits":         {members(rsaJWK, map[string]any{"n": b64(new(big.Int).SetBit(big.NewInt(1), 2046, 1).Bytes())}), skipped},
		"RSA, exponent 3":          {members(rsaJWK, map[string]any{"e": "Aw"}), allRSA},
		"RSA, exponent 2^31-1":     {members(rsaJWK, map[string]any{"e": b64([]byte{0x7f, 0xff, 0xff, 0xff})}), allRSA},
		"RSA, exponent 2^31+1":     {members(rsaJWK, map[string]any{"e": b64([]byte{0x80, 0, 0, 1})}), skipped},
		"RSA, exponent of 5 bytes": {members(rsaJWK, map[string]any{"e": b64([]byte{0, 0, 1, 0, 1})}), skipped},
		"RSA, exponent and more":   {members(rsaJWK, map[string]any{"e": "AQAB?"}), skipped},
		"RSA, padded":              {members(rsaJWK, map[string]any{"n": b64(modulus.Bytes()) + "=="}), skipped},
		"RSA without a modulus":    {members(rsaJWK, map[string]any{"n": ""}), skipped},
		"RSA, a modulus of number": {members(rsaJWK, map[string]any{"n": 7}), skipped},
		"P-256":                    {members(ecJWK, nil), "ES256"},
		"P-256 as ES384":           {members(ecJWK, map[string]any{"alg": "ES384"}), ""},
		"P-256 named P-384":        {members(ecJWK, map[string]any{"crv": "P-384"}), skipped},
		"P-384":                    {members(ecJWK, map[string]any{"crv": "P-384", "x": b64(big384[1:49]), "y": b64(big384[49:])}), "ES384"},
		"not on the curve":         {members(ecJWK, map[string]any{"y": b64(point[1:33])}), skipped},
		"a short coordinate":       {members(ecJWK, map[string]any{"x": b64(point[2:33])}), skipped},
		"a coordinate and more":    {members(ecJWK, map[string]any{"crv": "P-384", "x": b64(big384[1:49]) + "?", "y": b64(big384[49:])}), skipped},
		"secp256k1":                {members(ecJWK, map[string]any{"crv": "secp256k1"}), skipped},
		"Ed25519":                  {members(edJWK, nil), "EdDSA"},
		"X25519":                   {members(edJWK, map[string]any{"crv": "X25519"}), skipped},
		"a short Ed25519":          {members(edJWK, map[string]any{"x": b64(pub[:31])}), skipped},
		"Ed25519 and more":         {members(edJWK, map[string]any{"x": b64(pub) + "?"}), skipped},
		"symmetric":                {`{"kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}`, skipped},
		"no object":                {`[]`, skipped},
		"nothing":                  {`{}`, skipped},
	} {
		got := skipped
		if algs, err := oauth.UsableKeys(c.jwk); err == nil {
			got = strings.Join(algs[0], " ")
		}
		if got != c.want {
			t.Errorf("%s: good for %q, want %q", name, got, c.want)
		}
	}
	// Beside a good one, and as many as may be.
	good, bad := members(edJWK, nil), `{"kty":"oct","k":"AAAA"}`
	for n, want := range map[int]int{99: 1, 100: 0} {
		algs, err := oauth.UsableKeys(append(slices.Repeat([]string{bad}, n), good)...)
		if len(algs) != want || (err == nil) != (want == 1) {
			t.Errorf("a good key after %d others: %v, %v", n, algs, err)
		}
	}
}
