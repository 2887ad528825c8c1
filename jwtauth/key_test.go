package jwtauth_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

// refused wants an error of this package that has want in it.
func refused(t *testing.T, k jwtauth.Key, err error, want string) {
	t.Helper()
	if err == nil || !strings.HasPrefix(err.Error(), "authn/jwtauth: key") || !strings.Contains(err.Error(), want) {
		t.Errorf("err = %v, want %q in it", err, want)
	}
	if k != (jwtauth.Key{}) {
		t.Errorf("there is a key beside the error %v", err)
	}
}

// J4: secrets are as long as the hash, and not the obvious placeholder.
func TestHMACKeyPolicy(t *testing.T) {
	random := rand.Text() + rand.Text() + rand.Text()
	tests := []struct {
		name   string
		kid    string
		alg    jwtauth.Algorithm
		secret string
		want   string // in the error; "" is good
	}{
		{"HS256", "k", jwtauth.HS256, random[:32], ""},
		{"HS384", "k", jwtauth.HS384, random[:48], ""},
		{"HS512", "k", jwtauth.HS512, random[:64], ""},
		{"longer", "k", jwtauth.HS256, random, ""},
		{"longest id", strings.Repeat("k", 128), jwtauth.HS256, random, ""},
		{"id of UTF-8", "schlüssel 1", jwtauth.HS256, random, ""},
		{"HS256 short", "k", jwtauth.HS256, random[:31], "31 bytes, and HS256 needs 32 (RFC 7518 §3.2): make one by `openssl rand -base64 32`"},
		{"HS384 short", "k", jwtauth.HS384, random[:47], "needs 48"},
		{"HS512 short", "k", jwtauth.HS512, random[:63], "needs 64"},
		{"none", "k", jwtauth.HS256, "", "0 bytes"},
		{"one byte repeated", "k", jwtauth.HS256, strings.Repeat("x", 32), "repeated"},
		{"zeros", "k", jwtauth.HS512, strings.Repeat("\x00", 64), "repeated"},
		{"no algorithm", "k", "", random, `"" is none of`},
		{"none by name", "k", "none", random, `"none" is none of`},
		{"other case", "k", "hs256", random, `"hs256" is none of`},
		{"asymmetric", "k", jwtauth.RS256, random, "RS256 takes no secret"},
		{"no id", "", jwtauth.HS256, random, "an id is required"},
		{"long id", strings.Repeat("k", 129), jwtauth.HS256, random, "129 bytes"},
		{"control character", "k\n", jwtauth.HS256, random, "control"},
		{"not UTF-8", "k\xff", jwtauth.HS256, random, "UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, err := jwtauth.HMACKey(tt.kid, tt.alg, authn.NewSecret(tt.secret))
			if tt.want != "" {
				refused(t, k, err, tt.want)
				if len(tt.secret) > 8 && strings.Contains(err.Error(), tt.secret[:8]) {
					t.Errorf("the secret is in the error: %v", err)
				}
			} else if err != nil || k.ID() != tt.kid || k.Algorithm() != tt.alg || k.Public() != nil {
				t.Errorf("%v, %v", k, err)
			}
		})
	}
}

// fake answers a public key and never signs.
type fake struct{ public crypto.PublicKey }

func (f fake) Public() crypto.PublicKey { return f.public }
func (f fake) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	panic("a constructor signs")
}

func point(x, y *big.Int) crypto.Signer {
	return fake{&ecdsa.PublicKey{Curve: elliptic.P256(), X: x, Y: y}} //nolint:staticcheck // SA1019: what a host can still do
}

// J4, J12: a key fits its algorithm: type, size, curve, and a point that is on it.
func TestNewKeyPolicy(t *testing.T) {
	p256 := authn.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	p384 := authn.Must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	p521 := authn.Must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	rsaKey := authn.Must(rsa.GenerateKey(rand.Reader, 2048))
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edPublic := edKey.Public().(ed25519.PublicKey)
	modulus := func(bits int) *big.Int { // odd, and of so many bits
		n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
		return n.SetBit(n, 0, 1)
	}
	rsaPublic := func(n *big.Int, e int) crypto.Signer { return fake{&rsa.PublicKey{N: n, E: e}} }
	wrongHalf := bytes.Clone(edKey)
	wrongHalf[63] ^= 1
	otherPoint := *p256
	otherPoint.PublicKey = authn.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)).PublicKey
	zeroD := *p256
	zeroD.D = new(big.Int) //nolint:staticcheck // SA1019: what a host can still do
	over := new(big.Int).Lsh(big.NewInt(1), 256)
	otherRSA := &rsa.PrivateKey{PublicKey: authn.Must(rsa.GenerateKey(rand.Reader, 2048)).PublicKey, D: rsaKey.D, Primes: rsaKey.Primes}
	tests := []struct {
		name   string
		alg    jwtauth.Algorithm
		signer crypto.Signer
		want   string
	}{
		{"RS256", jwtauth.RS256, rsaKey, ""},
		{"PS256", jwtauth.PS256, rsaKey, ""},
		{"ES256", jwtauth.ES256, p256, ""},
		{"ES384", jwtauth.ES384, p384, ""},
		{"EdDSA", jwtauth.EdDSA, edKey, ""},
		{"of a KMS", jwtauth.ES256, fake{&p256.PublicKey}, ""},
		{"2048 bits, exponent 3", jwtauth.RS256, rsaPublic(modulus(2048), 3), ""},
		{"8192 bits", jwtauth.PS256, rsaPublic(modulus(8192), 1<<31-1), ""},

		{"nil", jwtauth.ES256, nil, "nil"},
		{"nil RSA key", jwtauth.RS256, (*rsa.PrivateKey)(nil), "damaged"},
		{"empty RSA key", jwtauth.RS256, &rsa.PrivateKey{}, "fewer than 2048 bits"},
		{"public RSA key as a private one", jwtauth.RS256, &rsa.PrivateKey{PublicKey: rsaKey.PublicKey}, "damaged"},
		{"RSA halves of two keys", jwtauth.RS256, otherRSA, "damaged"},
		{"nil ECDSA key", jwtauth.ES256, (*ecdsa.PrivateKey)(nil), "damaged"},
		{"empty ECDSA key", jwtauth.ES256, &ecdsa.PrivateKey{}, "damaged"},
		{"ECDSA key without D", jwtauth.ES256, &ecdsa.PrivateKey{PublicKey: p256.PublicKey}, "damaged"},
		{"ECDSA halves of two keys", jwtauth.ES256, &otherPoint, "damaged"},
		{"ECDSA with D zero", jwtauth.ES256, &zeroD, "damaged"},
		{"nil Ed25519 key", jwtauth.EdDSA, ed25519.PrivateKey(nil), "damaged"},
		{"an Ed25519 seed", jwtauth.EdDSA, edKey[:32], "damaged"},
		{"Ed25519 halves of two keys", jwtauth.EdDSA, ed25519.PrivateKey(wrongHalf), "damaged"},

		{"HMAC", jwtauth.HS256, rsaKey, "use HMACKey"},
		{"no algorithm", "", rsaKey, "none of"},
		{"RS512", "RS512", rsaKey, "none of"},
		{"ES256K", "ES256K", p256, "none of"},
		{"RSA for ES256", jwtauth.ES256, rsaKey, "does not go with a *rsa.PublicKey"},
		{"RSA for EdDSA", jwtauth.EdDSA, rsaKey, "does not go with"},
		{"ECDSA for RS256", jwtauth.RS256, p256, "does not go with"},
		{"Ed25519 for ES256", jwtauth.ES256, edKey, "does not go with"},
		{"P-384 for ES256", jwtauth.ES256, p384, "ES256 needs a key on P-256"},
		{"P-256 for ES384", jwtauth.ES384, p256, "ES384 needs a key on P-384"},
		{"P-521 for ES384", jwtauth.ES384, p521, "ES384 needs a key on P-384"},
		{"nil public key", jwtauth.ES256, fake{nil}, "does not go with"},
		{"nil *rsa.PublicKey", jwtauth.RS256, fake{(*rsa.PublicKey)(nil)}, "does not go with"},
		{"nil *ecdsa.PublicKey", jwtauth.ES256, fake{(*ecdsa.PublicKey)(nil)}, "does not go with"},
		{"pointer to an Ed25519 key", jwtauth.EdDSA, fake{&edPublic}, "does not go with"},

		{"1024 bits", jwtauth.RS256, rsaPublic(modulus(1024), 65537), "fewer than 2048 bits"},
		{"2047 bits", jwtauth.PS256, rsaPublic(modulus(2047), 65537), "fewer than 2048 bits"},
		{"8193 bits", jwtauth.RS256, rsaPublic(modulus(8193), 65537), "8193 bits"},
		{"negative modulus", jwtauth.RS256, rsaPublic(new(big.Int).Neg(modulus(2048)), 65537), "fewer than 2048 bits"},
		{"even modulus", jwtauth.RS256, rsaPublic(new(big.Int).Lsh(big.NewInt(1), 2047), 65537), "even"},
		{"no modulus", jwtauth.RS256, rsaPublic(nil, 65537), "fewer than 2048 bits"},
		{"exponent 1", jwtauth.RS256, rsaPublic(modulus(2048), 1), "exponent"},
		{"exponent 2", jwtauth.RS256, rsaPublic(modulus(2048), 2), "exponent"},
		{"even exponent", jwtauth.RS256, rsaPublic(modulus(2048), 65536), "exponent"},
		{"exponent 0", jwtauth.RS256, rsaPublic(modulus(2048), 0), "exponent"},
		{"negative exponent", jwtauth.RS256, rsaPublic(modulus(2048), -3), "exponent"},

		{"not on the curve", jwtauth.ES256, point(big.NewInt(1), big.NewInt(1)), "not a point of P-256"},
		{"infinity", jwtauth.ES256, point(new(big.Int), new(big.Int)), "not a point of P-256"},
		{"no y", jwtauth.ES256, point(big.NewInt(1), nil), "not a point of P-256"},
		{"no coordinates", jwtauth.ES256, point(nil, nil), "not a point of P-256"},
		{"coordinate of 257 bits", jwtauth.ES256, point(over, big.NewInt(1)), "not a point of P-256"},
		{"short Ed25519", jwtauth.EdDSA, fake{ed25519.PublicKey(make([]byte, 31))}, "32 bytes"},
		{"small order", jwtauth.EdDSA, fake{ed25519.PublicKey(make([]byte, 32))}, "small order"},
		{"not on Ed25519", jwtauth.EdDSA, fake{ed25519.PublicKey(append([]byte{2}, make([]byte, 31)...))}, "not a point of Ed25519"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, err := jwtauth.NewKey("k", tt.alg, tt.signer)
			if tt.want != "" {
				refused(t, k, err, tt.want)
			} else if err != nil || k.ID() != "k" || k.Algorithm() != tt.alg {
				t.Errorf("%v, %v", k, err)
			} else if !k.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(tt.signer.Public()) {
				t.Error("another public key")
			}
		})
	}
	if k, err := jwtauth.NewKey("", jwtauth.ES256, p256); err == nil {
		t.Error("a key without an id: ", k)
	}
}

// J12: generated keys differ, and say which they are.
func TestGenerateKey(t *testing.T) {
	for _, alg := range []jwtauth.Algorithm{jwtauth.HS256, jwtauth.HS384, jwtauth.HS512, jwtauth.RS256, jwtauth.PS256, jwtauth.ES256, jwtauth.ES384, jwtauth.EdDSA} {
		a, b := authn.Must(jwtauth.GenerateKey(alg)), authn.Must(jwtauth.GenerateKey(alg))
		if a.ID() == b.ID() || len(a.ID()) < 26 || a.Algorithm() != alg {
			t.Errorf("%v and %v", a, b)
		}
	}
	for _, alg := range []jwtauth.Algorithm{"", "none", "RS512", "es256"} {
		k, err := jwtauth.GenerateKey(alg)
		refused(t, k, err, "none of")
	}
}

// C12: a key prints as its id and algorithm under every verb, in slog and in JSON.
func TestKeysDoNotShowSecrets(t *testing.T) {
	secret := rand.Text() + rand.Text()
	k := authn.Must(jwtauth.HMACKey("2026-01", jwtauth.HS256, authn.NewSecret(secret)))
	type holder struct {
		Shown  jwtauth.Key
		Ptr    *jwtauth.Key
		hidden jwtauth.Key
	}
	h := holder{k, &k, k}
	_ = h.hidden
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, k); got != "2026-01 (HS256)" {
			t.Errorf("%s: %s", verb, got)
		}
		fmt.Fprintf(&out, verb+verb+"\n", h, &h)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "key", k, "holder", h)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "key", k, "holder", h)
	fmt.Fprintf(&out, "%s", authn.Must(json.Marshal(h)))
	hex, numbers := fmt.Sprintf("%x", secret), strings.Trim(fmt.Sprintf("%d", []byte(secret)), "[]")
	for _, s := range []string{secret, hex, strings.ToUpper(hex), numbers} {
		if strings.Contains(out.String(), s[:16]) {
			t.Errorf("the secret is shown: %s", out.String())
		}
	}
	if got := string(authn.Must(json.Marshal(k))); got != `"2026-01 (HS256)"` {
		t.Errorf("JSON %s", got)
	}
	if got := fmt.Sprint(jwtauth.Key{}); got != "no key" {
		t.Errorf("the zero Key prints as %q", got)
	}
}
