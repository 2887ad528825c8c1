package jwtauth

import (
	"crypto"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"sync"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

var errBadSignature = errors.New("authn/jwtauth: bad signature")

// verify checks the signature of input, which is header.payload as it was
// sent. It compares HMACs in constant time and allocates nothing for them.
func (k Key) verify(input string, signature []byte) error {
	switch {
	case k.k == nil:
		return errZeroKey
	case k.k.macs != nil:
		if !k.k.macs.verify(input, signature) {
			return errBadSignature
		}
	case k.k.alg.method().Verify(input, signature, k.k.public) != nil:
		return errBadSignature
	}
	return nil
}

// sign answers the signature as RFC 7515 has it: r||s for ECDSA.
func (k Key) sign(input []byte) ([]byte, error) {
	switch {
	case k.k == nil:
		return nil, errZeroKey
	case !k.k.signs:
		return nil, fmt.Errorf("authn/jwtauth: key %q is for verifying only", k.k.id)
	case k.k.macs != nil:
		return k.k.macs.sign(input), nil
	}
	signature, err := k.k.signBy(k.k.signer(), input)
	if err != nil {
		return nil, fmt.Errorf("authn/jwtauth: signing with key %q: %w", k.k.id, err)
	}
	return signature, nil
}

func (k *key) signBy(s crypto.Signer, input []byte) ([]byte, error) {
	var opts crypto.SignerOpts = k.alg.hash()
	if k.alg == PS256 {
		opts = pssOptions
	}
	if h := k.alg.hash(); h != 0 {
		digest := h.New()
		digest.Write(input)
		input = digest.Sum(nil)
	}
	signature, err := s.Sign(rand.Reader, input, opts)
	if err != nil {
		return nil, err
	}
	if curve := k.alg.curve(); curve != nil {
		return joinECDSA(signature, (curve.Params().BitSize+7)/8)
	}
	want := ed25519.SignatureSize
	if pub, ok := k.public.(*rsa.PublicKey); ok {
		want = pub.Size()
	}
	if len(signature) != want {
		return nil, fmt.Errorf("the signer answered %d bytes, not %d", len(signature), want)
	}
	return signature, nil
}

// joinECDSA makes r||s (RFC 7518 §3.4) of the ASN.1 that a [crypto.Signer]
// answers, each of size bytes.
func joinECDSA(der []byte, size int) ([]byte, error) {
	in := cryptobyte.String(der)
	var sig cryptobyte.String
	var r, s []byte // without zeros in front; of a negative number nothing is read
	if !in.ReadASN1(&sig, asn1.SEQUENCE) || !in.Empty() ||
		!sig.ReadASN1Integer(&r) || !sig.ReadASN1Integer(&s) || !sig.Empty() {
		return nil, errors.New("the signer answered no ASN.1 signature")
	}
	joined := make([]byte, 2*size)
	for i, n := range [...][]byte{r, s} {
		if isZero := len(n) == 1 && n[0] == 0; isZero || len(n) > size {
			return nil, errors.New("the signer answered a signature of another curve")
		}
		copy(joined[(i+1)*size-len(n):], n)
	}
	return joined, nil
}

// macPool makes HMACs under one secret. Its hashes are reused: keying one
// costs as much as a short token.
type macPool struct{ pool sync.Pool }

type mac struct {
	hash  hash.Hash
	chunk [512]byte // part of a string on its way into hash
	sum   [sha512.Size]byte
}

func newMACPool(h crypto.Hash, secret []byte) *macPool {
	return &macPool{sync.Pool{New: func() any { return &mac{hash: hmac.New(h.New, secret)} }}}
}

func (p *macPool) verify(input string, signature []byte) bool {
	m := p.pool.Get().(*mac)
	defer p.pool.Put(m)
	m.hash.Reset()
	for len(input) > 0 {
		n := copy(m.chunk[:], input)
		m.hash.Write(m.chunk[:n])
		input = input[n:]
	}
	return hmac.Equal(m.hash.Sum(m.sum[:0]), signature)
}

func (p *macPool) sign(input []byte) []byte {
	m := p.pool.Get().(*mac)
	defer p.pool.Put(m)
	m.hash.Reset()
	m.hash.Write(input)
	return m.hash.Sum(nil)
}
