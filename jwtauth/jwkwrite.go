package jwtauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
)

// publicMembers are of a public key, in the order in which they are written.
type publicMembers struct {
	Kty string `json:"kty"`
	Kid string `json:"kid,omitempty"`
	Use string `json:"use"`
	Alg string `json:"alg"`
	Crv string `json:"crv,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
	N   string `json:"n,omitempty"`
	E   string `json:"e,omitempty"`
}

// publicJWK is what a set may publish. ok is false of HMAC keys and of the
// zero Key.
func (k Key) publicJWK() (jwk []byte, ok bool) {
	if k.k == nil || k.k.public == nil {
		return nil, false
	}
	m := membersOf(k.k.public)
	m.Kid, m.Use, m.Alg = k.k.id, "sig", string(k.k.alg)
	jwk, err := json.Marshal(m)
	return jwk, err == nil
}

func membersOf(pub crypto.PublicKey) publicMembers {
	encode := base64.RawURLEncoding.EncodeToString
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		return publicMembers{Kty: ktyRSA, N: encode(pub.N.Bytes()), E: encode(big.NewInt(int64(pub.E)).Bytes())}
	case *ecdsa.PublicKey:
		point, err := pub.Bytes() // 4, x, y
		if err != nil {
			return publicMembers{}
		}
		half := (len(point) + 1) / 2
		return publicMembers{Kty: ktyEC, Crv: pub.Curve.Params().Name, X: encode(point[1:half]), Y: encode(point[half:])}
	case ed25519.PublicKey:
		return publicMembers{Kty: ktyOKP, Crv: "Ed25519", X: encode(pub)}
	}
	return publicMembers{}
}

// thumbprint is of RFC 7638: SHA-256 over the required members in
// lexicographic order. None of them needs an escape.
func thumbprint(pub crypto.PublicKey) string {
	m := membersOf(pub)
	var text string
	switch m.Kty {
	case ktyRSA:
		text = `{"e":"` + m.E + `","kty":"RSA","n":"` + m.N + `"}`
	case ktyEC:
		text = `{"crv":"` + m.Crv + `","kty":"EC","x":"` + m.X + `","y":"` + m.Y + `"}`
	case ktyOKP:
		text = `{"crv":"` + m.Crv + `","kty":"OKP","x":"` + m.X + `"}`
	}
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
