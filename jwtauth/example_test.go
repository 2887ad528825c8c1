package jwtauth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store/memstore"
)

// A login gives a token, and a request with it is let through. The keys and the
// store of a real service outlive the process: OpenKeyRing, sqlstore or
// redisstore, and authn.ParseKeychain of an environment variable.
func ExampleNewIssuer() {
	ring := authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.GenerateKey(jwtauth.ES256))))
	issuer, err := jwtauth.NewIssuer(ring, memstore.New(memstore.Config{}), authn.GenerateKeychain(), jwtauth.IssuerConfig{
		Issuer:   "https://auth.example.com",
		Audience: []string{"https://api.example.com"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	orders := authn.Require(issuer.Verifier(), authn.Scopes("orders:read"))(http.HandlerFunc(exampleOrders))

	ada := authn.User("ada", "password") // once her password is right
	ada.Scopes = []string{"orders:read"}
	tokens, err := issuer.Issue(context.Background(), jwtauth.Grant{Identity: ada, Refresh: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("in a log:", tokens.Access, tokens.Refresh)
	exampleGet(orders, tokens.Access)
	exampleGet(orders, tokens.Refresh) // is not for this
	exampleGet(orders, authn.Secret{})
	// Output:
	// in a log: [redacted] [redacted]
	// 200 orders of ada
	// 401 Bearer realm="api", error="invalid_token", error_description="The credential is malformed, expired, revoked or unknown."
	// 401 Bearer realm="api"
}

// Another service of the same company verifies without issuing: by the
// issuer's published keys, its own audience, and the store of revocations.
func ExampleNewVerifier() {
	st := memstore.New(memstore.Config{})
	ring := authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.GenerateKey(jwtauth.ES256))))
	issuer := authn.Must(jwtauth.NewIssuer(ring, st, authn.GenerateKeychain(), jwtauth.IssuerConfig{
		Issuer: "https://auth.example.com", Audience: []string{"https://orders.example.com", "https://bills.example.com"},
	}))
	bills, err := jwtauth.NewVerifier(st, jwtauth.VerifierConfig{
		Trust: []jwtauth.Trust{{
			Issuer:    "https://auth.example.com",
			Audiences: []string{"https://bills.example.com"},
			Keys:      ring, // of another host: jwtauth.NewRemoteKeys
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, audience := range []string{"https://bills.example.com", "https://orders.example.com"} {
		tokens := authn.Must(issuer.Issue(context.Background(), jwtauth.Grant{
			Identity: authn.User("ada", "password"), Audience: []string{audience},
		}))
		id, err := bills.Verify(exampleRequest(tokens.Access))
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(id.Subject, id.Method)
	}
	// Output:
	// ada jwt
	// authn: wrong audience
}

// exampleOrders is a handler of the host's.
func exampleOrders(w http.ResponseWriter, r *http.Request) {
	id, _ := authn.FromContext(r.Context())
	fmt.Fprintf(w, "orders of %s", id.Subject)
}

func exampleRequest(token authn.Secret) *http.Request {
	r := httptest.NewRequest("GET", "/orders", nil)
	if !token.IsZero() {
		r.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	return r
}

// exampleGet prints what a client sees.
func exampleGet(h http.Handler, token authn.Secret) { exampleDo(h, exampleRequest(token)) }

func exampleDo(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	switch {
	case w.Code == http.StatusUnauthorized:
		fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	case w.Header().Get("Content-Type") == "application/problem+json":
		fmt.Println(w.Code, "refused")
	default:
		fmt.Println(w.Code, w.Body)
	}
	return w
}
