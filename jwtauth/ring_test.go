package jwtauth_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

// ringKeys are a pair for ES256, its public half under another kid, and an HMAC
// key.
func ringKeys(t *testing.T) (pair, public, mac jwtauth.Key) {
	t.Helper()
	private := authn.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	block := &pem.Block{Type: "PUBLIC KEY", Bytes: authn.Must(x509.MarshalPKIXPublicKey(private.Public()))}
	return authn.Must(jwtauth.NewKey("pair", jwtauth.ES256, private)),
		authn.Must(jwtauth.ParsePEM("public", jwtauth.ES256, pem.EncodeToMemory(block))),
		authn.Must(jwtauth.HMACKey("mac", jwtauth.HS256, authn.NewSecret("0123456789abcdefghijklmnopqrstuv")))
}

// J4, J14: what a fixed ring is made of.
func TestFixedRingRefusesUnsafeKeys(t *testing.T) {
	pair, public, mac := ringKeys(t)
	tests := []struct {
		name string
		keys []jwtauth.Key
		want string // in the error; "" for none
	}{
		{"one", []jwtauth.Key{pair}, ""},
		{"an HMAC key alone", []jwtauth.Key{mac}, ""},
		{"HMAC and public keys behind the first", []jwtauth.Key{pair, mac, public}, ""},
		{"none", nil, "needs a key"},
		{"the zero Key", []jwtauth.Key{{}}, "zero Key"},
		{"the zero Key behind the first", []jwtauth.Key{pair, {}}, "key 2"},
		{"a public key first", []jwtauth.Key{public, pair}, "cannot sign"},
		{"a kid twice", []jwtauth.Key{pair, mac, pair}, `"pair"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ring, err := jwtauth.NewKeyRing(test.keys...)
			if test.want == "" {
				if err != nil || ring == nil {
					t.Error(err)
				}
				return
			}
			if ring != nil || err == nil || !strings.HasPrefix(err.Error(), "authn/jwtauth: ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %s", err, test.want)
			}
		})
	}
}

// J3, J14: the first key signs, and each verifies under its own kid only.
func TestFixedRingFindsByKid(t *testing.T) {
	pair, public, mac := ringKeys(t)
	ring := authn.Must(jwtauth.NewKeyRing(mac, pair, public))
	alone := authn.Must(jwtauth.NewKeyRing(pair))
	if key, err := jwtauth.RingSigningKey(t.Context(), ring); err != nil || key.ID() != "mac" {
		t.Errorf("%v signs: %v", key, err)
	}
	tests := []struct {
		ring *jwtauth.KeyRing
		kid  string
		want string // "" for ErrUnknownKey
	}{
		{ring, "mac", "mac"},
		{ring, "pair", "pair"},
		{ring, "public", "public"},
		{ring, "Pair", ""},
		{ring, "pai", ""},
		{ring, "pair ", ""},
		{ring, strings.Repeat("p", 128), ""},
		{ring, "", ""}, // one of three
		{alone, "", "pair"},
		{alone, "mac", ""},
	}
	for _, test := range tests {
		key, err := test.ring.VerificationKey(t.Context(), test.kid)
		if key.ID() != test.want || (test.want == "") != errors.Is(err, jwtauth.ErrUnknownKey) {
			t.Errorf("%q: %v, %v, want %q", test.kid, key, err, test.want)
		}
	}
	if e := authn.AsError(jwtauth.ErrUnknownKey); e.Status != 401 || e.Code != "invalid_token" {
		t.Errorf("ErrUnknownKey is %d %s", e.Status, e.Code)
	}
	if a, b := jwtauth.RingGeneration(ring), jwtauth.RingGeneration(ring); a != b || a == 0 {
		t.Errorf("generations %d and %d", a, b)
	}
}

// J14: a fixed ring says that it cannot change, and an empty one that it is.
func TestFixedRingDoesNotChange(t *testing.T) {
	pair, _, _ := ringKeys(t)
	ring := authn.Must(jwtauth.NewKeyRing(pair))
	for name, err := range map[string]error{
		"Rotate": ring.Rotate(t.Context()), "Retire": ring.Retire(t.Context(), "pair"), "Run": ring.Run(t.Context()),
	} {
		if err == nil || !strings.Contains(err.Error(), "are fixed") {
			t.Errorf("%s: %v", name, err)
		}
	}
	empty := &jwtauth.KeyRing{}
	if _, err := empty.VerificationKey(t.Context(), ""); !isOutage(err) {
		t.Errorf("empty, verifying: %v", err)
	}
	if _, err := jwtauth.RingSigningKey(t.Context(), empty); !isOutage(err) {
		t.Errorf("empty, signing: %v", err)
	}
	if n := jwtauth.RingGeneration(empty); n != 0 {
		t.Errorf("empty, generation %d", n)
	}
}

// J14: a ring prints no key.
func TestRingsPrintNoSecret(t *testing.T) {
	const secret = "0123456789abcdefghijklmnopqrstuv"
	_, _, mac := ringKeys(t)
	s := newRingService(t)
	shared := s.instance()
	shared.signing()
	for _, ring := range []*jwtauth.KeyRing{authn.Must(jwtauth.NewKeyRing(mac)), shared.KeyRing} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			text := fmt.Sprintf(verb, ring)
			if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) || len(text) > 2000 {
				t.Errorf("%s prints %s", verb, text)
			}
		}
	}
}

// J28, J29: looking a key up allocates nothing.
func TestKeyLookupDoesNotAllocate(t *testing.T) {
	pair, _, mac := ringKeys(t)
	s := newRingService(t)
	shared := s.instance()
	for name, ring := range map[string]*jwtauth.KeyRing{"fixed": authn.Must(jwtauth.NewKeyRing(mac, pair)), "shared": shared.KeyRing} {
		ctx := context.Background()
		kid := authn.Must(jwtauth.RingSigningKey(ctx, ring)).ID()
		if n := testing.AllocsPerRun(100, func() { _, _ = ring.VerificationKey(ctx, kid) }); n != 0 {
			t.Errorf("%s: VerificationKey allocates %v times", name, n)
		}
		if n := testing.AllocsPerRun(100, func() { jwtauth.RingGeneration(ring) }); n != 0 {
			t.Errorf("%s: generation allocates %v times", name, n)
		}
	}
}

// J14: what is in the store is sealed.
func TestStoredKeysAreSealed(t *testing.T) {
	s := newRingService(t)
	for _, alg := range []jwtauth.Algorithm{"", jwtauth.RS256, jwtauth.PS256, jwtauth.ES384, jwtauth.EdDSA} {
		s.keys = newRingService(t).keys
		ring := s.instance(func(cfg *jwtauth.RingConfig) { cfg.Algorithm = alg })
		kid := ring.signing()
		rec := s.records()[0]
		if alg == "" {
			alg = jwtauth.ES256
		}
		if rec.ID != kid || rec.Algorithm != string(alg) || len(rec.ID) > 64 || !rec.SignFrom.Equal(rec.CreatedAt) {
			t.Errorf("%s: record %q (%s)", alg, rec.ID, rec.Algorithm)
		}
		if _, err := x509.ParsePKCS8PrivateKey(rec.Sealed); err == nil {
			t.Errorf("%s: the private key is not sealed", alg)
		}
		der, _, err := s.kc.Open("signing-keys", rec.Sealed, []byte(kid))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x509.ParsePKCS8PrivateKey(der); err != nil || bytes.Contains(rec.Public, []byte(`"d"`)) {
			t.Errorf("%s: %v, published %s", alg, err, rec.Public)
		}
		key := authn.Must(jwtauth.RingSigningKey(t.Context(), ring.KeyRing))
		signature := authn.Must(jwtauth.KeySign(key, "header.payload"))
		other := authn.Must(s.instance().VerificationKey(t.Context(), kid))
		if err := jwtauth.KeyVerify(other, "header.payload", signature); err != nil || other.Algorithm() != alg {
			t.Errorf("%s: another instance: %v", alg, err)
		}
	}
}
