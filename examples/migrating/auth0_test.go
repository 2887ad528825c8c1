package migrating_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store/memstore"
)

func Example_auth0() {
	private := authn.Must(rsa.GenerateKey(rand.Reader, 2048))
	ring := authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.NewKey("k1", jwtauth.RS256, private))))
	tenant := httptest.NewServer(ring.JWKS())
	defer tenant.Close()
	issuer, st, mux := tenant.URL+"/", memstore.New(memstore.Config{}), http.NewServeMux()

	//doc:begin
	keys := authn.Must(jwtauth.NewRemoteKeys(issuer+".well-known/jwks.json", jwtauth.RemoteConfig{}))
	tokens := authn.Must(jwtauth.NewVerifier(st, jwtauth.VerifierConfig{Trust: []jwtauth.Trust{{
		Issuer: issuer, Audiences: []string{"https://api.example"}, Keys: keys,
		Algorithms:      []jwtauth.Algorithm{jwtauth.RS256},
		InsecureAnyType: true, // not for an API with the RFC 9068 profile
		InsecureNoID:    true, // nor this
		Map: func(t *jwtauth.Token) (*authn.Identity, error) {
			id := &authn.Identity{Subject: t.Subject(), Kind: authn.KindUser, Scopes: t.Scopes()}
			if strings.HasSuffix(id.Subject, "@clients") { // of client credentials
				id.Kind = authn.KindClient
			}
			return id, nil
		},
	}}}))
	mux.Handle("GET /account", authn.Require(tokens, authn.Scopes("read:account"))(account))
	//doc:end

	now := time.Now().Unix()
	sign := func(claims map[string]any) string {
		claims["iss"], claims["iat"], claims["exp"] = issuer, now, now+3600
		return "Authorization: Bearer " + rs256(private, map[string]any{"alg": "RS256", "typ": "JWT", "kid": "k1"}, claims)
	}
	visitor{}.get(mux, sign(map[string]any{"sub": "auth0|ada", "aud": []string{"https://api.example", issuer + "userinfo"}, "scope": "openid read:account"}))
	visitor{}.get(mux, sign(map[string]any{"sub": "job@clients", "aud": "https://api.example", "scope": "read:account"}))
	visitor{}.get(mux, sign(map[string]any{"sub": "auth0|ada", "aud": "https://api.example", "scope": "openid"}))
	visitor{}.get(mux, sign(map[string]any{"sub": "auth0|ada", "aud": "https://other.example", "scope": "read:account"}))
	visitor{}.get(mux)
	if err := st.RevokeTokensOf(context.Background(), "auth0|ada"); err != nil { // as an issuer's RevokeSubject does
		fmt.Println(err)
	}
	visitor{}.get(mux, sign(map[string]any{"sub": "auth0|ada", "aud": "https://api.example", "scope": "read:account"}))
	// Output:
	// auth0|ada by jwt
	// job@clients by jwt
	// 403
	// 401
	// 401
	// 401
}

// rs256 signs as the tenant does.
func rs256(private *rsa.PrivateKey, header, claims map[string]any) string {
	part := func(v map[string]any) string {
		return base64.RawURLEncoding.EncodeToString(authn.Must(json.Marshal(v)))
	}
	signed := part(header) + "." + part(claims)
	digest := sha256.Sum256([]byte(signed))
	signature := authn.Must(rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:]))
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}
