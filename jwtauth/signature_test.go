package jwtauth

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gatehouse-go/authn"
)

var algorithms = []Algorithm{HS256, HS384, HS512, RS256, PS256, ES256, ES384, EdDSA}

func generate(tb testing.TB, alg Algorithm) Key {
	tb.Helper()
	k, err := GenerateKey(alg)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

const input = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UifQ"

// J3, J12: what a key signs verifies with it, of any length, and with no other
// key; and golang-jwt thinks so, too.
func TestSignaturesVerify(t *testing.T) {
	long := input + strings.Repeat("A", 8<<10)
	for _, alg := range algorithms {
		t.Run(string(alg), func(t *testing.T) {
			k, other := generate(t, alg), generate(t, alg)
			for _, in := range []string{"", input, long[:511], long[:512], long[:513], long} {
				signature, err := k.sign([]byte(in))
				if err != nil {
					t.Fatal(err)
				}
				if err := k.verify(in, signature); err != nil {
					t.Errorf("%d bytes: %v", len(in), err)
				}
				if err := other.verify(in, signature); !errors.Is(err, errBadSignature) {
					t.Errorf("%d bytes with another key: %v", len(in), err)
				}
				if pub := k.Public(); pub != nil {
					if err := jwt.GetSigningMethod(string(alg)).Verify(in, signature, pub); err != nil {
						t.Errorf("golang-jwt: %v", err)
					}
				}
			}
		})
	}
}

// J3: what is not the signature of the message is refused.
func TestForgedSignaturesAreRefused(t *testing.T) {
	for _, alg := range algorithms {
		t.Run(string(alg), func(t *testing.T) {
			k := generate(t, alg)
			signature, err := k.sign([]byte(input))
			if err != nil {
				t.Fatal(err)
			}
			flipped := func(i int) []byte {
				b := bytes.Clone(signature)
				b[i] ^= 1
				return b
			}
			half := len(signature) / 2
			tests := map[string]struct {
				input     string
				signature []byte
			}{
				"other message":    {input + "x", signature},
				"cut message":      {input[:len(input)-1], signature},
				"no message":       {"", signature},
				"no signature":     {input, nil},
				"first bit":        {input, flipped(0)},
				"middle":           {input, flipped(half)},
				"last bit":         {input, flipped(len(signature) - 1)},
				"cut":              {input, signature[:len(signature)-1]},
				"cut in front":     {input, signature[1:]},
				"half":             {input, signature[:half]},
				"longer":           {input, append(bytes.Clone(signature), 0)},
				"longer in front":  {input, append([]byte{0}, signature...)},
				"zeros":            {input, make([]byte, len(signature))},
				"each half longer": {input, append(append(append([]byte{0}, signature[:half]...), 0), signature[half:]...)},
			}
			for name, tt := range tests {
				if err := k.verify(tt.input, tt.signature); !errors.Is(err, errBadSignature) {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

// J3: PS256 has a salt of 32 bytes (RFC 7518 §3.5); golang-jwt takes any.
func TestPS256WantsItsSalt(t *testing.T) {
	priv, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	k, err := NewKey("k", PS256, priv)
	if err != nil {
		t.Fatal(err)
	}
	h := crypto.SHA256.New()
	h.Write([]byte(input))
	for salt, good := range map[int]bool{32: true, rsa.PSSSaltLengthEqualsHash: true, 20: false, 31: false, 33: false, rsa.PSSSaltLengthAuto: false} {
		signature, err := rsa.SignPSS(rand.Reader, priv, crypto.SHA256, h.Sum(nil), &rsa.PSSOptions{SaltLength: salt})
		if err != nil {
			t.Fatal(err)
		}
		if err := k.verify(input, signature); (err == nil) != good {
			t.Errorf("salt of %d bytes: %v", salt, err)
		}
	}
	pkcs1, err := rsa.SignPKCS1v15(rand.Reader, priv, crypto.SHA256, h.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := k.verify(input, pkcs1); !errors.Is(err, errBadSignature) {
		t.Errorf("a signature of RS256: %v", err)
	}
}

// derSignature is what a crypto.Signer of ECDSA answers.
func derSignature(tb testing.TB, r, s *big.Int) []byte {
	tb.Helper()
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		tb.Fatal(err)
	}
	return der
}

// J3: r and s of ECDSA have a fixed length each, zeros in front (RFC 7518 §3.4).
func TestECDSASignaturesHaveOneLength(t *testing.T) {
	for _, size := range []int{32, 48} {
		most := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(size*8)), big.NewInt(1))
		for _, tt := range []struct{ r, s *big.Int }{{big.NewInt(1), most}, {most, big.NewInt(0x80)}, {big.NewInt(0x100), big.NewInt(1)}} {
			got, err := joinECDSA(derSignature(t, tt.r, tt.s), size)
			if err != nil || len(got) != 2*size || new(big.Int).SetBytes(got[:size]).Cmp(tt.r) != 0 || new(big.Int).SetBytes(got[size:]).Cmp(tt.s) != 0 {
				t.Errorf("%x, %x: %x, %v", tt.r, tt.s, got, err)
			}
		}
	}
}

// fakeSigner is a KMS that answers what it is told to.
type fakeSigner struct {
	crypto.Signer
	answer func(signature []byte) ([]byte, error)
	opts   crypto.SignerOpts
	got    int
}

func (s *fakeSigner) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.opts, s.got = opts, len(digest)
	signature, err := s.Signer.Sign(r, digest, opts)
	if err != nil {
		return nil, err
	}
	return s.answer(signature)
}

func signers(tb testing.TB) map[Algorithm]crypto.Signer {
	tb.Helper()
	all := map[Algorithm]crypto.Signer{}
	for _, alg := range algorithms {
		if !alg.symmetric() {
			all[alg] = generate(tb, alg).k.signer()
		}
	}
	return all
}

// J12: a KMS signs by crypto.Signer: it gets the digest, or the message for
// Ed25519, and the options that say which.
func TestSignersOfAKMS(t *testing.T) {
	for alg, s := range signers(t) {
		kms := &fakeSigner{Signer: s, answer: func(b []byte) ([]byte, error) { return b, nil }}
		k, err := NewKey("kms", alg, kms)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		signature, err := k.sign([]byte(input))
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		if err := k.verify(input, signature); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		wantLen := map[Algorithm]int{EdDSA: len(input), ES384: 48}[alg]
		if wantLen == 0 {
			wantLen = 32
		}
		if kms.got != wantLen || kms.opts.HashFunc() != alg.hash() {
			t.Errorf("%s: signs %d bytes by %v", alg, kms.got, kms.opts.HashFunc())
		}
		if pss, ok := kms.opts.(*rsa.PSSOptions); ok != (alg == PS256) || ok && pss.SaltLength != rsa.PSSSaltLengthEqualsHash {
			t.Errorf("%s: options %+v", alg, kms.opts)
		}
		if _, err := k.private(); !errors.Is(err, errNoPrivate) {
			t.Errorf("%s: the key of a KMS is exported: %v", alg, err)
		}
	}
}

// J12: what a KMS answers is a signature, or an error; never a token that
// verifies nowhere.
func TestBadAnswersOfAKMSAreErrors(t *testing.T) {
	down := errors.New("kms is down")
	all := signers(t)
	der := func(r, s int64) []byte { return derSignature(t, big.NewInt(r), big.NewInt(s)) }
	huge := derSignature(t, new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	tests := []struct {
		name   string
		alg    Algorithm
		answer func([]byte) ([]byte, error)
		want   string
	}{
		{"an error", ES256, func([]byte) ([]byte, error) { return nil, down }, "kms is down"},
		{"nothing", ES256, func([]byte) ([]byte, error) { return nil, nil }, "no ASN.1"},
		{"r||s", ES256, func([]byte) ([]byte, error) { return make([]byte, 64), nil }, "no ASN.1"},
		{"cut ASN.1", ES256, func(b []byte) ([]byte, error) { return b[:len(b)-1], nil }, "no ASN.1"},
		{"trailing data", ES384, func(b []byte) ([]byte, error) { return append(b, 0), nil }, "no ASN.1"},
		{"zero r", ES256, func([]byte) ([]byte, error) { return der(0, 1), nil }, "another curve"},
		{"zero s", ES256, func([]byte) ([]byte, error) { return der(1, 0), nil }, "another curve"},
		{"negative r", ES256, func([]byte) ([]byte, error) { return der(-1, 1), nil }, "no ASN.1"},
		{"r of 257 bits", ES256, func([]byte) ([]byte, error) { return huge, nil }, "another curve"},
		{"cut RSA", RS256, func(b []byte) ([]byte, error) { return b[1:], nil }, "255 bytes, not 256"},
		{"cut PSS", PS256, func(b []byte) ([]byte, error) { return b[1:], nil }, "255 bytes, not 256"},
		{"long Ed25519", EdDSA, func(b []byte) ([]byte, error) { return append(b, 0), nil }, "65 bytes, not 64"},
		{"no Ed25519", EdDSA, func([]byte) ([]byte, error) { return nil, nil }, "0 bytes, not 64"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, err := NewKey("kms", tt.alg, &fakeSigner{Signer: all[tt.alg], answer: tt.answer})
			if err != nil {
				t.Fatal(err)
			}
			signature, err := k.sign([]byte(input))
			if err == nil || signature != nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), `authn/jwtauth: signing with key "kms": `) {
				t.Errorf("%x, %v", signature, err)
			}
			if tt.name == "an error" && !errors.Is(err, down) {
				t.Error("the error of the KMS is lost")
			}
		})
	}
}

// J3: keys serve many requests at once.
func TestKeysAreSafeForConcurrentUse(t *testing.T) {
	for _, alg := range algorithms {
		k := generate(t, alg)
		done := make(chan error)
		for i := range 8 {
			go func() {
				in := strings.Repeat(input, i+1)
				signature, err := k.sign([]byte(in))
				for range 10 {
					err = errors.Join(err, k.verify(in, signature))
				}
				done <- err
			}()
		}
		for range 8 {
			if err := <-done; err != nil {
				t.Errorf("%s: %v", alg, err)
			}
		}
	}
}

// J7: the zero Key is refused everywhere, and so is signing by a public one.
func TestZeroAndPublicKeysDoNotSign(t *testing.T) {
	var zero Key
	_, signErr := zero.sign(nil)
	_, privateErr := zero.private()
	for name, err := range map[string]error{"verify": zero.verify("", nil), "sign": signErr, "private": privateErr} {
		if !errors.Is(err, errZeroKey) {
			t.Errorf("%s of the zero Key: %v", name, err)
		}
	}
	if _, ok := zero.publicJWK(); ok || !zero.isZero() || zero.canSign() || zero.ID() != "" || zero.Algorithm() != "" || zero.Public() != nil {
		t.Error("the zero Key is something")
	}
	private := generate(t, ES256)
	k, err := publicKey("k", ES256, private.Public())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (Key{k}).sign([]byte(input)); err == nil || !strings.Contains(err.Error(), "for verifying only") || (Key{k}).canSign() {
		t.Errorf("sign by a public key: %v", err)
	}
	if _, err := (Key{k}).private(); !errors.Is(err, errNoPrivate) {
		t.Errorf("private of a public key: %v", err)
	}
	secret, err := HMACKey("k", HS256, authn.NewSecret(rand.Text()+rand.Text()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := secret.private(); !errors.Is(err, errNoPrivate) {
		t.Errorf("private of a secret: %v", err)
	}
}

// J14: a private key that was sealed comes back, and only as what it is.
func TestPrivateKeysComeBack(t *testing.T) {
	for _, alg := range algorithms {
		if alg.symmetric() {
			continue
		}
		k := generate(t, alg)
		der, err := k.private()
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		again, err := keyFromPKCS8(k.ID(), alg, der)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		signature, err := again.sign([]byte(input))
		if err != nil || k.verify(input, signature) != nil || again.ID() != k.ID() {
			t.Errorf("%s: another key came back: %v", alg, err)
		}
		for _, other := range algorithms {
			rsaPair := (alg == RS256 || alg == PS256) && (other == RS256 || other == PS256)
			if _, err := keyFromPKCS8("k", other, der); (err == nil) != (other == alg || rsaPair) {
				t.Errorf("%s as %s: %v", alg, other, err)
			}
		}
		for name, bad := range map[string][]byte{"nothing": nil, "cut": der[:len(der)-1], "longer": append(bytes.Clone(der), 0), "text": []byte("key")} {
			if _, err := keyFromPKCS8("k", alg, bad); err == nil || !strings.HasPrefix(err.Error(), `authn/jwtauth: key "k": `) {
				t.Errorf("%s: %s: %v", alg, name, err)
			}
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range algorithms {
		b.Run(string(alg), func(b *testing.B) {
			k := generate(b, alg)
			signature, err := k.sign([]byte(input))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if k.verify(input, signature) != nil {
					b.Fatal("bad")
				}
			}
		})
	}
}
