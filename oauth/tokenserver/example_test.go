package tokenserver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/oauth/tokenserver"
	"github.com/gatehouse-go/authn/ratelimit"
	"github.com/gatehouse-go/authn/store/memstore"
)

// A service account gets a token of its own host and calls another service with it.
// The Limiter stands around the Server, so that a flood of guesses is refused before
// anything of it is read or hashed. The keys and the store of a real service outlive
// the process.
func ExampleNew() {
	st := memstore.New(memstore.Config{})
	ring := authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.GenerateKey(jwtauth.ES256))))
	issuer := authn.Must(jwtauth.NewIssuer(ring, st, authn.GenerateKeychain(), jwtauth.IssuerConfig{
		Issuer: "https://auth.internal", Audience: []string{"https://orders.internal"},
	}))
	server, err := tokenserver.New(st, issuer, tokenserver.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	perClient := authn.Must(ratelimit.New(st, ratelimit.Config{}, ratelimit.GCRA("token", 60, time.Minute, 3, ratelimit.ByClient)))
	mux := http.NewServeMux()
	mux.Handle("/", perClient.Middleware(server)) // /token /introspect /revoke /.well-known/…
	_, secret, err := server.CreateClient(context.Background(), tokenserver.Client{
		ID: "worker", Scopes: []string{"orders:read"}, Audience: []string{"https://orders.internal"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("in a log:", secret)

	// The worker, with golang.org/x/oauth2/clientcredentials or by hand:
	body := examplePost(mux, "worker", secret.Reveal())
	fmt.Println(body["token_type"], body["expires_in"], body["scope"])
	for range 3 {
		examplePost(mux, "worker", "guess")
	}

	orders := authn.Require(issuer.Verifier(), authn.Scopes("orders:read"))(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		id, _ := authn.FromContext(r.Context())
		fmt.Println(id.Kind, id.Subject)
	}))
	r := httptest.NewRequest("GET", "https://orders.internal/orders", nil)
	r.Header.Set("Authorization", fmt.Sprint("Bearer ", body["access_token"]))
	orders.ServeHTTP(httptest.NewRecorder(), r)
	// Output:
	// in a log: [redacted]
	// 200 <nil>
	// Bearer 3600 orders:read
	// 401 invalid_client
	// 401 invalid_client
	// 429 quota_exceeded
	// client worker
}

// A secret is rotated without downtime: both are good until the grace has passed. A
// client that is disabled has no good tokens any more, either.
func ExampleServer_RotateSecret() {
	ctx := context.Background()
	server, issuer := exampleServer()
	_, first, _ := server.CreateClient(ctx, tokenserver.Client{ID: "worker", Audience: []string{"https://orders.internal"}})
	second, err := server.RotateSecret(ctx, "worker", 24*time.Hour)
	if err != nil {
		fmt.Println(err)
		return
	}
	examplePost(server, "worker", first.Reveal())
	body := examplePost(server, "worker", second.Reveal())

	if err := server.DisableClient(ctx, "worker"); err != nil {
		fmt.Println(err)
		return
	}
	examplePost(server, "worker", second.Reveal())
	_, err = issuer.Introspect(ctx, fmt.Sprint(body["access_token"]))
	fmt.Println(err)
	// Output:
	// 200 <nil>
	// 200 <nil>
	// 401 invalid_client
	// authn: subject revoked
}

// exampleServer is of ExampleNew.
func exampleServer() (*tokenserver.Server, *jwtauth.Issuer) {
	st := memstore.New(memstore.Config{})
	ring := authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.GenerateKey(jwtauth.ES256))))
	issuer := authn.Must(jwtauth.NewIssuer(ring, st, authn.GenerateKeychain(), jwtauth.IssuerConfig{
		Issuer: "https://auth.internal", Audience: []string{"https://orders.internal"},
	}))
	return authn.Must(tokenserver.New(st, issuer, tokenserver.Config{})), issuer
}

// examplePost asks for a token, and prints the status and the error.
func examplePost(h http.Handler, id, secret string) map[string]any {
	form := url.Values{"grant_type": {"client_credentials"}}
	r := httptest.NewRequest("POST", "https://auth.internal/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(id, secret)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		fmt.Println(err)
	}
	fmt.Println(w.Code, body["error"])
	return body
}
