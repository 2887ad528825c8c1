package oauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/url"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gatehouse-go/authn"
)

const (
	appleIssuer = "https://appleid.apple.com"
	// appleSecretFor is how long a client secret lasts. Apple allows six months;
	// each is made for one request.
	appleSecretFor = 5 * time.Minute
)

// Apple is named "apple". id is the Services ID; key is the PEM file AuthKey_….p8
// of keyID. Client secrets are made of it as they are needed.
// https://developer.apple.com/documentation/signinwithapple
//
// Apple answers by a POST of its own page, see the package doc. It tells the name
// at the first login only, by the browser: Name is what the user says.
func Apple(id, teamID, keyID string, key authn.Secret) Provider {
	p := OIDC("apple", appleIssuer, id, authn.Secret{})
	p.Params = url.Values{"response_mode": {"form_post"}}
	p.spec.scopes = []string{"openid", "name", "email"}
	p.spec.names = appleName
	signer, err := parseAppleKey(key)
	switch {
	case err != nil:
		p.spec.err = err
	case teamID == "" || keyID == "":
		p.spec.err = errors.New("the team id or the key id is empty")
	}
	p.spec.secret = func(now time.Time) (string, error) {
		return appleSecret(signer, id, teamID, keyID, now)
	}
	return p
}

func parseAppleKey(key authn.Secret) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(key.Reveal()))
	if block != nil {
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if k, ok := parsed.(*ecdsa.PrivateKey); err == nil && ok && k.Curve == elliptic.P256() {
			return k, nil
		}
	}
	return nil, errors.New("the key is no PEM file of a P-256 private key (PKCS #8)")
}

// appleSecret is a JWT by ES256.
func appleSecret(key *ecdsa.PrivateKey, id, teamID, keyID string, now time.Time) (string, error) {
	t := &jwt.Token{
		Method: jwt.SigningMethodES256,
		Header: map[string]any{"alg": "ES256", "kid": keyID},
		Claims: jwt.MapClaims{"iss": teamID, "sub": id, "aud": appleIssuer, "iat": now.Unix(), "exp": now.Add(appleSecretFor).Unix()},
	}
	return t.SignedString(key)
}
