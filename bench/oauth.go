package main

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/oauth"
	"github.com/gatehouse-go/authn/store/memstore"
)

// idTokens is what an id_token costs whose provider and keys are known. It comes
// with a refresh, since nothing smaller that can be called looks at one; so what is
// promised is of the time besides a refresh without an id_token. The provider
// answers from memory.
func idTokens() []row {
	const signature, without, with = "signature check", "refresh, no id_token", "refresh with an id_token, memstore"
	k := newKey("RS256")
	raw := k.signedAs("JWT", jwt.MapClaims{
		"iss": issuerURL, "sub": "248289761001", "aud": "client", "iat": time.Now().Unix(), "exp": time.Now().Add(12 * time.Hour).Unix(),
		"email": "ada@example.com", "email_verified": true, "name": "Ada Lovelace", "auth_time": time.Now().Unix(),
	})
	return []row{{
		name: "id_token, RS256",
		contenders: []contender{
			good(signature, k.bareCheck(raw)),
			good(without, refreshes(newAnswers(k, ""))),
			good(with, refreshes(newAnswers(k, raw))),
		},
		surpluses: []surplus{{"O4", with, without, signature, 3}}, // twice the signature on top of it
	}}
}

// refreshes gets a new access token each time, since none lives long enough.
func refreshes(provider answers) func() error {
	st, ctx := memstore.New(memstore.Config{}), context.Background()
	login := authn.Must(oauth.NewLogin(authn.GenerateKeychain(), oauth.Config{
		BaseURL: "https://app.example/auth", Transport: provider, Once: st, Tokens: st,
		Providers: []oauth.Provider{oauth.OIDC("op", issuerURL, "client", authn.NewSecret("client secret"))},
		OnLogin:   func(http.ResponseWriter, *http.Request, oauth.Profile) error { return nil },
	}))
	err := login.SaveToken(ctx, "ada", oauth.Profile{
		Provider: "op", Issuer: issuerURL, Subject: "248289761001",
		Token: &oauth2.Token{AccessToken: "access", RefreshToken: "refresh", Expiry: time.Now()},
	})
	if err != nil {
		panic(err)
	}
	source := login.TokenSource(ctx, "ada", "op")
	return func() error {
		_, err := source.Token()
		return err
	}
}

// answers are an OpenID provider's, by path.
type answers map[string]string

func newAnswers(k key, idToken string) answers {
	text := func(v any) string { return string(authn.Must(json.Marshal(v))) }
	token := map[string]any{"access_token": "access", "token_type": "Bearer", "refresh_token": "refresh", "expires_in": 1}
	if idToken != "" {
		token["id_token"] = idToken
	}
	public := k.public.(*rsa.PublicKey)
	return answers{
		"/.well-known/openid-configuration": text(map[string]any{
			"issuer": issuerURL, "authorization_endpoint": issuerURL + "/authorize", "token_endpoint": issuerURL + "/token",
			"jwks_uri": issuerURL + "/jwks", "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
			"id_token_signing_alg_values_supported": []string{"RS256"},
		}),
		"/jwks": text(map[string]any{"keys": []any{map[string]any{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": keyID,
			"n": base64.RawURLEncoding.EncodeToString(public.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
		}}}),
		"/token": text(token),
	}
}

// RoundTrip is of http.RoundTripper.
func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	text, ok := a[r.URL.Path]
	if !ok {
		return nil, fmt.Errorf("nobody asks for %s", r.URL)
	}
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(text)),
	}, nil
}
