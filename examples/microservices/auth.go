package main

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/oauth/tokenserver"
	"github.com/gatehouse-go/authn/ratelimit"
	"github.com/gatehouse-go/authn/store"
)

// Whom tokens are for. These are names, and no addresses: services move.
const (
	forOrders = "https://orders.acme.internal"
	forLedger = "https://ledger.acme.internal"
)

// publish is how long others may keep the keys. So long, and a minute more, a new
// one is published before it signs.
const publish = time.Minute

// auth makes tokens for services that have an account.
type auth struct {
	*service
	keys    *jwtauth.KeyRing
	clients *tokenserver.Server
}

func newAuth(s *service, st store.Store, kc *authn.Keychain) (*auth, error) {
	keys, err := jwtauth.OpenKeyRing(st, kc, jwtauth.RingConfig{ // ES256
		Publish: publish, RotateEvery: 30 * 24 * time.Hour, OnEvent: s.audit, Now: s.now,
	})
	if err != nil {
		return nil, err
	}
	issuer, err := jwtauth.NewIssuer(keys, st, kc, jwtauth.IssuerConfig{
		Issuer: s.url, Audience: []string{forOrders, forLedger}, OnEvent: s.audit, Now: s.now,
	})
	if err != nil {
		return nil, err
	}
	clients, err := tokenserver.New(st, issuer, tokenserver.Config{
		ClientCert: s.certs.Certificate, BindTokens: true, // who comes with a certificate needs it wherever the token goes
		OnEvent: s.audit, Now: s.now,
	})
	if err != nil {
		return nil, err
	}
	limit, err := ratelimit.New(st, ratelimit.Config{OnEvent: s.audit}, ratelimit.GCRA("token", 600, time.Minute, 100, ratelimit.ByClient))
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", limit.Middleware(clients)) // /token /introspect /revoke /.well-known/…

	// Operators come with their certificate.
	operators := authn.Guard{Verifier: s.certs, Rules: []authn.Rule{only("operator")}, OnEvent: s.audit}
	mux.Handle("POST /admin/rotate", operators.Require()(done(func(r *http.Request) error {
		return keys.Rotate(r.Context())
	})))
	mux.Handle("POST /admin/clients/{id}/disable", operators.Require()(done(func(r *http.Request) error {
		return clients.DisableClient(r.Context(), r.PathValue("id")) // when it has answered, no token of that client is good
	})))
	s.serve(mux)
	return &auth{service: s, keys: keys, clients: clients}, nil
}

// only lets in one service, by its certificate.
func only(name string) authn.Rule {
	return authn.RuleFunc(func(_ *http.Request, id *authn.Identity) error {
		if id.Subject != spiffe(name) {
			return authn.Forbidden("not "+name, nil)
		}
		return nil
	})
}

// done answers 204 when do has happened.
func done(do func(r *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := do(r); err != nil {
			authn.WriteError(w, r, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
}
