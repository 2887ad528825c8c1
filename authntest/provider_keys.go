package authntest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"sync"
)

// keys are a key for each algorithm, under ids that no other keys have. They
// are made when they are first needed, since RSA takes a while.
type keys struct {
	id string
	rs func() *rsa.PrivateKey
	es func() *ecdsa.PrivateKey
}

func newKeys() *keys {
	return &keys{
		id: rand.Text()[:8],
		rs: sync.OnceValue(func() *rsa.PrivateKey {
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				panic(err)
			}
			return key
		}),
		es: sync.OnceValue(func() *ecdsa.PrivateKey {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				panic(err)
			}
			return key
		}),
	}
}

// Rotate replaces the keys: the next id_token is signed by new ones, and the
// old ones are no longer published.
func (p *Provider) Rotate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = newKeys()
}

func (p *Provider) current() *keys {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys
}

// jwks is RFC 7517 §5.
func (p *Provider) jwks(w http.ResponseWriter, r *http.Request) {
	k := p.current()
	rs := k.rs().PublicKey
	point, err := k.es().PublicKey.Bytes() // 4, x, y
	if err != nil {
		panic(err)
	}
	p.answer(w, r, http.StatusOK, map[string]any{"keys": []map[string]any{
		{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "RS256-" + k.id,
			"n": encode(rs.N.Bytes()), "e": encode(big.NewInt(int64(rs.E)).Bytes()),
		},
		{
			"kty": "EC", "use": "sig", "alg": "ES256", "kid": "ES256-" + k.id, "crv": "P-256",
			"x": encode(point[1:33]), "y": encode(point[33:]),
		},
	}})
}

// sign is an id_token, after OnToken.
func (p *Provider) sign(claims map[string]any) string {
	alg := p.Algorithm
	if alg == "" {
		alg = "RS256"
	}
	k := p.current()
	header := map[string]any{"alg": alg, "typ": "JWT", "kid": alg + "-" + k.id}
	if p.OnToken != nil {
		p.OnToken(header, claims)
	}
	h, err := json.Marshal(header)
	if err != nil {
		panic(err)
	}
	c, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	input := encode(h) + "." + encode(c)
	return input + "." + encode(p.signature(k, header["alg"], []byte(input)))
}

// signature is RFC 7518 §3.
func (p *Provider) signature(k *keys, alg any, input []byte) []byte {
	sum := sha256.Sum256(input)
	switch alg {
	case "RS256":
		sig, err := rsa.SignPKCS1v15(rand.Reader, k.rs(), crypto.SHA256, sum[:])
		if err != nil {
			panic(err)
		}
		return sig
	case "ES256":
		r, s, err := ecdsa.Sign(rand.Reader, k.es(), sum[:])
		if err != nil {
			panic(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case "HS256":
		mac := hmac.New(sha256.New, []byte(p.ClientSecret.Reveal()))
		mac.Write(input)
		return mac.Sum(nil)
	default:
		return nil
	}
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
