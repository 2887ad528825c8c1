package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/oauth/tokenserver"
	"github.com/gatehouse-go/authn/store/memstore"
)

// tokenRequests is a whole request at the token endpoint, from the form to the
// answer, by the signature alone that it cannot do without.
func tokenRequests() []row {
	k, st := newKey("ES256"), memstore.New(memstore.Config{})
	issuer := authn.Must(jwtauth.NewIssuer(k.ring, st, authn.GenerateKeychain(), jwtauth.IssuerConfig{
		Issuer: issuerURL, Audience: []string{audience},
	}))
	server := authn.Must(tokenserver.New(st, issuer, tokenserver.Config{}))
	_, secret, err := server.CreateClient(context.Background(), tokenserver.Client{
		ID: "worker", Scopes: []string{"orders:read"}, Audience: []string{audience},
	})
	if err != nil {
		panic(err)
	}
	ask := func(path string, want int, secret string, form url.Values) func() {
		body, text := strings.NewReader(""), form.Encode()
		r := httptest.NewRequest(http.MethodPost, issuerURL+path, body)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth("worker", secret)
		r.ContentLength = int64(len(text)) // as net/http has it
		body.Reset(text)
		once := httptest.NewRecorder()
		if server.ServeHTTP(once, r); once.Code != want {
			panic(fmt.Sprint(path, " is answered by ", once.Code))
		}
		w := sink{http.Header{}}
		return func() {
			body.Reset(text)
			server.ServeHTTP(w, r)
		}
	}
	grant := url.Values{"grant_type": {"client_credentials"}, "scope": {"orders:read"}}
	tokens, err := issuer.Issue(context.Background(), jwtauth.Grant{Identity: authn.User("ada", "password"), ClientID: "worker"})
	if err != nil {
		panic(err)
	}
	wrong := secret.Reveal()[:20] + strings.Repeat("0", len(secret.Reveal())-20)
	return []row{{
		name: "token by client credentials, ES256",
		contenders: []contender{
			good("signature", k.bareSign()),
			{"tokenserver, memstore", ask("/token", http.StatusOK, secret.Reveal(), grant)},
			{"mistyped secret", ask("/token", http.StatusUnauthorized, wrong, grant)},
			{"introspection, memstore", ask("/introspect", http.StatusOK, secret.Reveal(), url.Values{"token": {tokens.Access.Reveal()}})},
		},
		promises: []promise{
			{"O10", "tokenserver, memstore", "signature", 1.3},
		},
	}}
}
