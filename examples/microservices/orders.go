package main

import (
	"context"
	"io"
	"net/http"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/examples/internal/tour"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
)

// verifier takes tokens of auth that are for a service. It has auth's keys from
// where they are published, and asks at each request whether the token was revoked,
// so that a revocation counts from the moment that auth has answered it.
//
// For that it reads, and never writes, the store that auth revokes in: share Redis,
// or a PostgreSQL role that may read these tables. Where no store can be shared, ask
// auth's /introspect, at the price of a request each. Nothing else knows at once:
// RevocationCacheTTL is late by as much as it says, and with SkipRevocation a token
// lives until it expires.
func verifier(s *service, rev store.Revocations, authURL, audience string) (*jwtauth.Verifier, error) {
	keys, err := jwtauth.NewRemoteKeys(authURL+"/.well-known/jwks.json", jwtauth.RemoteConfig{
		Transport: s.client.Transport, OnEvent: s.audit, Now: s.now,
	})
	if err != nil {
		return nil, err
	}
	s.closes = append(s.closes, keys.Close)
	return jwtauth.NewVerifier(rev, jwtauth.VerifierConfig{
		Trust:      []jwtauth.Trust{{Issuer: authURL, Audiences: []string{audience}, Keys: keys}},
		ClientCert: s.certs.Certificate, OnEvent: s.audit, Now: s.now,
	})
}

// newOrders is an API for who has a token, bound or not.
func newOrders(s *service, rev store.Revocations, authURL, ledgerURL string) error {
	tokens, err := verifier(s, rev, authURL, forOrders)
	if err != nil {
		return err
	}
	guard := authn.Guard{Verifier: tokens, Realm: "orders", OnEvent: s.audit}
	mutual := context.WithValue(context.Background(), oauth2.HTTPClient, s.client) // shows the certificate
	o := orders{ledger: bookkeeper(authURL).Client(mutual), entries: ledgerURL + "/entries"}
	mux := http.NewServeMux()
	mux.Handle("GET /orders", guard.Require(authn.Scopes("orders:read"))(http.HandlerFunc(o.list)))
	mux.Handle("POST /orders", guard.Require(authn.Scopes("orders:write"))(http.HandlerFunc(o.place)))
	s.serve(mux)
	return nil
}

// bookkeeper is orders as a client of auth: its certificate is all that it needs to
// get a token (RFC 8705 §2.1), to which that is bound then.
func bookkeeper(authURL string) *clientcredentials.Config {
	return &clientcredentials.Config{ClientID: "orders", TokenURL: authURL + "/token", AuthStyle: oauth2.AuthStyleInParams}
}

type orders struct {
	ledger  *http.Client
	entries string // where to
}

func (orders) list(w http.ResponseWriter, r *http.Request) {
	id, _ := authn.FromContext(r.Context()) // Require has made sure of one
	tour.JSON(w, map[string]any{"orders": []string{"tea", "ink"}, "subject": id.Subject, "kind": id.Kind.String()})
}

// place has the order entered into the ledger.
func (o orders) place(w http.ResponseWriter, r *http.Request) {
	id, _ := authn.FromContext(r.Context())
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, o.entries, strings.NewReader("an order of "+id.Subject))
	if err != nil {
		authn.WriteError(w, r, err)
		return
	}
	resp, err := o.ledger.Do(req)
	if err != nil {
		authn.WriteError(w, r, err)
		return
	}
	defer resp.Body.Close()
	entry, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil || resp.StatusCode != http.StatusOK {
		http.Error(w, "the ledger did not take it", http.StatusBadGateway)
		return
	}
	tour.JSON(w, map[string]any{"subject": id.Subject, "ledger": strings.TrimSpace(string(entry))})
}
