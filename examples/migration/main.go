// Migration moves a service from sessions to tokens and back, while its users
// stay signed in. From the repository's root:
//
//	go run ./examples/migration               # curl lines to paste
//	go run ./examples/migration -walkthrough  # sends those requests itself, checks the answers
//
// steps.go has the steps, and operator.go counts who needs the old way.
package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/examples/internal/stores"
	"github.com/gatehouse-go/authn/examples/internal/tour"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/password"
	"github.com/gatehouse-go/authn/ratelimit"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
)

//go:embed tour.http
var files embed.FS

func main() { tour.Main("migration", run) }

func run(ctx context.Context, o tour.Options) error {
	st, closeStore, err := stores.Open(ctx, o.Store)
	if err != nil {
		return err
	}
	defer func() { _ = closeStore() }()
	base, audit := tour.URL(o.Listener.Addr()), authn.Slog(nil)
	keys := authn.Must(apikey.New(st, apikey.Config{Prefix: "acme_dev", Scopes: []string{"migration"}, OnEvent: audit}))
	hasher := authn.Must(password.NewHasher(password.HasherConfig{}))
	s, calls, err := newService(ctx, st, keys, hasher, base, audit)
	if err != nil {
		return err
	}
	return calls.Serve(ctx, o.Listener, routes(s, keys), o.Walk, keys.Close)
}

// routes are the service's at the step that it is at, and the operators', who
// come with a key.
func routes(s *service, keys *apikey.Keys) http.Handler {
	op := newOperator(s)
	guard := authn.Guard{Verifier: keys, Rules: []authn.Rule{authn.Scopes("migration")}, OnEvent: s.audit}
	mux := http.NewServeMux()
	mux.Handle("/", op)
	mux.Handle("GET /usage", guard.Require()(http.HandlerFunc(op.usage)))
	mux.Handle("POST /day", guard.Require()(http.HandlerFunc(op.newDay)))
	mux.Handle("POST /step", guard.Require()(http.HandlerFunc(op.next)))
	mux.HandleFunc("GET /moving", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "POST /move with what you have, before it ends: the answer is what is taken from then on.")
	})
	return mux
}

// newService also makes what a visitor gets: ada's password, an operator's key
// and an app that has a token.
func newService(ctx context.Context, st store.Store, keys *apikey.Keys, hasher *password.Hasher, base string, audit authn.EventFunc) (*service, tour.Calls, error) {
	// These end with the process: a service has ParseKeychain and ParsePEM.
	kc, ring := authn.GenerateKeychain(), authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.GenerateKey(jwtauth.ES256))))
	sessions := authn.Must(session.New(st, session.Config{OnEvent: audit, InsecureDevelopmentCookie: true})) // on loopback only
	issuer := authn.Must(jwtauth.NewIssuer(ring, st, kc, jwtauth.IssuerConfig{
		Issuer: base, Audience: []string{base}, OnEvent: audit,
		RefreshIdle: time.Hour, RefreshAbsolute: 24 * time.Hour, // as long as a session: moving makes nobody's login longer lived
	}))
	attempts := authn.Must(ratelimit.NewAttempts(st, kc, ratelimit.AttemptsConfig{OnEvent: audit}))
	people := authn.Must(password.New(st, attempts, password.Config{
		Hasher: hasher, Revoke: authn.Revokers{sessions, issuer}, OnEvent: audit, // a new password ends both ways' logins
	}))
	// On a store that keeps, an earlier run's go first. No Policy would take this password.
	record := store.Password{Subject: "ada", Name: "ada", Hash: authn.Must(hasher.Hash(ctx, "migration"))}
	err0 := errors.Join(st.DeletePassword(ctx, "ada"), st.CreatePassword(ctx, record, time.Now()), keys.RevokeSubject(ctx, "operator"))
	operator, err1 := keys.Create(ctx, "operator", apikey.Spec{Name: "migration", Scopes: []string{"migration"}})
	app, err2 := issuer.Issue(ctx, jwtauth.Grant{Identity: authn.User("ada", "password"), Refresh: true, TTL: time.Hour})
	if err := errors.Join(err0, err1, err2); err != nil {
		return nil, nil, err
	}
	s := &service{people: people, sessions: sessions, issuer: issuer, once: st, audit: audit, end: time.Now().AddDate(0, 3, 0), link: base + "/moving"}
	calls, err := tour.Read(files, "tour.http", map[string]any{"URL": base, "Operator": operator.Secret, "App": app.Access})
	return s, calls, err
}
