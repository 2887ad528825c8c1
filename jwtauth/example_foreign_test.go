package jwtauth_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store/memstore"
)

// Tokens of an identity provider are accepted beside one's own: Map says who
// its people are here.
func ExampleTrust() {
	secret := authn.NewSecret("a secret of 32 random bytes......")
	ring := authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.HMACKey("2026", jwtauth.HS256, secret))))
	verifier, err := jwtauth.NewVerifier(memstore.New(memstore.Config{}), jwtauth.VerifierConfig{
		Trust: []jwtauth.Trust{{
			Issuer:    "https://idp.example.net",
			Audiences: []string{"https://api.example.com"},
			Keys:      ring, // in a real service: jwtauth.NewRemoteKeys of its jwks_uri
			Map: func(t *jwtauth.Token) (*authn.Identity, error) {
				var claims struct {
					Tenant string `json:"tenant"`
				}
				if err := t.Decode(&claims); err != nil {
					return nil, err
				}
				if claims.Tenant != "acme" {
					return nil, authn.Refused("another tenant", nil)
				}
				return &authn.Identity{
					Subject: "idp:" + t.Subject(), // unique beside this service's own
					Kind:    authn.KindUser, Scopes: t.Scopes(), Roles: t.Strings("groups"),
				}, nil
			},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	orders := authn.Require(verifier, authn.AnyRole("staff"))(http.HandlerFunc(exampleOrders))
	for _, tenant := range []string{"acme", "globex"} {
		exampleGet(orders, exampleForeign(secret, jwt.MapClaims{
			"iss": "https://idp.example.net", "aud": "https://api.example.com", "sub": "42", "jti": "x1",
			"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(), "tenant": tenant, "groups": []string{"staff"},
		}))
	}
	// Output:
	// 200 orders of idp:42
	// 401 Bearer realm="api", error="invalid_token", error_description="The credential is malformed, expired, revoked or unknown."
}

// exampleForeign is what the provider does.
func exampleForeign(secret authn.Secret, claims jwt.MapClaims) authn.Secret {
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, claims)
	token.Header["kid"], token.Header["typ"] = "2026", "at+jwt"
	return authn.NewSecret(authn.Must(token.SignedString([]byte(secret.Reveal()))))
}
