package jwtauth_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store/memstore"
)

// Who has a second factor gets half a login first: a token for the one route
// that takes the code, and nothing else.
func ExampleIssuer_Issue_secondFactor() {
	ring := authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.GenerateKey(jwtauth.ES256))))
	issuer := authn.Must(jwtauth.NewIssuer(ring, memstore.New(memstore.Config{}), authn.GenerateKeychain(), jwtauth.IssuerConfig{
		Issuer: "https://auth.example.com", Audience: []string{"https://api.example.com"},
		Owed: func(_ context.Context, _ *http.Request, id *authn.Identity) ([]string, error) {
			if _, proven := id.FactorAt("otp"); proven || id.Subject != "ada" { // in a real service: who has enrolled
				return nil, nil
			}
			return []string{"otp"}, nil
		},
	}))
	var tokens jwtauth.TokenSet // of the last login
	login := func(w http.ResponseWriter, r *http.Request, id *authn.Identity) {
		var err error
		if tokens, err = issuer.Issue(r.Context(), jwtauth.Grant{Identity: id, Refresh: true, Request: r}); err != nil {
			authn.WriteError(w, r, err)
			return
		}
		fmt.Fprintf(w, "owes %v, refresh token: %v", tokens.Pending, !tokens.Refresh.IsZero())
	}
	mux := http.NewServeMux()
	mux.Handle("GET /orders", authn.Require(issuer.Verifier())(http.HandlerFunc(exampleOrders)))
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		login(w, r, authn.User("ada", "password", authn.Factor{Name: "pwd", At: time.Now()}))
	})
	mux.Handle("GET /login/otp", authn.Require(issuer.Verifier(), authn.AllowPending("otp"))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := authn.FromContext(r.Context())
		// Once the code is right:
		login(w, r, id.WithFactor(authn.Factor{Name: "otp", At: time.Now()}))
	})))
	get := func(path string) {
		r := exampleRequest(tokens.Access)
		r.URL.Path = path
		exampleDo(mux, r)
	}
	get("/login")
	get("/orders")
	get("/login/otp")
	get("/orders")
	// Output:
	// 200 owes [otp], refresh token: false
	// 401 Bearer realm="api", error="insufficient_user_authentication", error_description="Another or a more recent proof of identity is needed.", factor="otp"
	// 200 owes [], refresh token: true
	// 200 orders of ada
}
