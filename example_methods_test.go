package authn_test

import (
	"context"
	"crypto/x509"
	"database/sql"
	"net/http"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/mtls"
	"github.com/gatehouse-go/authn/oauth"
	"github.com/gatehouse-go/authn/oauth/tokenserver"
	"github.com/gatehouse-go/authn/password"
	"github.com/gatehouse-go/authn/ratelimit"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
	"github.com/gatehouse-go/authn/store/sqlstore"
	"github.com/gatehouse-go/authn/totp"
)

// These are the blocks of README.md, so that they compile.
var _ = []any{
	readmeSessions, readmeTokens, readmeLogin, readmeServices, readmeCertificates,
	readmeSecond, readmeLimits, readmeTogether, readmeStore,
}

func readmeSessions(mux *http.ServeMux, st *memstore.Store, people *password.Authenticator, account http.Handler) {
	sessions := authn.Must(session.New(st, session.Config{}))
	mux.Handle("POST /login", sessions.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err := people.Authenticate(r, r.FormValue("email"), r.FormValue("password"))
		if err == nil {
			_, err = sessions.Login(w, r, id, session.LoginOptions{})
		}
		answer(w, r, err)
	})))
	mux.Handle("GET /account", authn.Require(sessions)(account))
}

func readmeTokens(mux *http.ServeMux, st store.Store, kc *authn.Keychain, id *authn.Identity, orders http.Handler) {
	keys := authn.Must(jwtauth.OpenKeyRing(st, kc, jwtauth.RingConfig{})) // ES256; they rotate
	issuer := authn.Must(jwtauth.NewIssuer(keys, st, kc, jwtauth.IssuerConfig{Issuer: "https://app.example", Audience: []string{"https://app.example"}}))
	tokens, err := issuer.Issue(context.Background(), jwtauth.Grant{Identity: id, Refresh: true}) // after a login
	mux.Handle("/token/refresh", issuer.RefreshHandler())
	mux.Handle("GET /orders", authn.Require(issuer.Verifier(), authn.Scopes("orders:read"))(orders))
	_, _ = tokens, err
}

func readmeLogin(mux *http.ServeMux, kc *authn.Keychain, secret authn.Secret, st store.Store, sessions *session.Manager, onLogin oauth.LoginFunc) {
	login := authn.Must(oauth.NewLogin(kc, oauth.Config{
		BaseURL:   "https://app.example/auth",
		Providers: []oauth.Provider{oauth.Google("client-id", secret), oauth.OIDC("acme", "https://id.acme.example", "client-id", secret)},
		OnLogin:   onLogin, // finds your user by (p.Issuer, p.Subject) and calls sessions.Login
		Once:      st,
	}))
	mux.Handle("/auth/", login) // a link to /auth/google/login starts it
	_ = sessions
}

func readmeServices(mux *http.ServeMux, st store.Store, issuer *jwtauth.Issuer) {
	clients := authn.Must(tokenserver.New(st, issuer, tokenserver.Config{}))
	mux.Handle("/token", clients)

	// Another service trusts those tokens by the published keys.
	remote := authn.Must(jwtauth.NewRemoteKeys("https://auth.example/.well-known/jwks.json", jwtauth.RemoteConfig{}))
	verifier := authn.Must(jwtauth.NewVerifier(st, jwtauth.VerifierConfig{Trust: []jwtauth.Trust{{
		Issuer: "https://auth.example", Audiences: []string{"https://orders.example"}, Keys: remote,
	}}}))
	_ = verifier
}

func readmeCertificates(roots *x509.CertPool, mux http.Handler) error {
	services := authn.Must(mtls.New(mtls.Config{Roots: roots, TrustDomain: "acme.internal"}))
	server := http.Server{Addr: ":8443", Handler: services.Middleware(mux), TLSConfig: authn.Must(services.ServerTLS("cert.pem", "key.pem"))}
	return server.ListenAndServeTLS("", "")
}

func readmeSecond(mux *http.ServeMux, st store.Store, kc *authn.Keychain, page func(http.ResponseWriter, *http.Request, error), danger http.Handler) {
	codes := authn.Must(totp.New(st, kc, totp.Config{Issuer: "Acme"}))
	sessions := authn.Must(session.New(st, session.Config{Owed: codes.Owed})) // who is enrolled owes the code, whichever way they came in
	mux.Handle("/login/otp", authn.Require(sessions, authn.AllowPending("otp"))(codes.Challenge(sessions, page)))
	mux.Handle("POST /danger", authn.Require(sessions, authn.Within(10*time.Minute, "otp"))(danger))
}

func readmeLimits(mux *http.ServeMux, st store.Store, kc *authn.Keychain, users store.Passwords, sessions *session.Manager, login http.Handler) {
	attempts := authn.Must(ratelimit.NewAttempts(st, kc, ratelimit.AttemptsConfig{}))
	people := authn.Must(password.New(users, attempts, password.Config{Revoke: sessions}))
	limiter := authn.Must(ratelimit.New(st, ratelimit.Config{}, ratelimit.Window("login", 20, time.Minute, ratelimit.ByClient)))
	mux.Handle("POST /login", limiter.Middleware(login))
	_ = people
}

func readmeTogether(mux *http.ServeMux, keys *apikey.Keys, issuer *jwtauth.Issuer, sessions *session.Manager, enrich authn.EnrichFunc, orders http.Handler) {
	anyOf := authn.FirstOf(keys, issuer.Verifier(), sessions)
	guard := authn.Guard{Verifier: authn.Enrich(anyOf, enrich), OnError: authn.Pages{Login: "/login"}.OnError, OnEvent: authn.Slog(nil)}
	mux.Handle("GET /orders", guard.Require(authn.Scopes("orders:read"))(orders))
}

func readmeStore(db *sql.DB) store.Store {
	st := authn.Must(sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Config{})) // in place of memstore.New(memstore.Config{})
	return st
}

func answer(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		authn.WriteError(w, r, err)
	}
}
