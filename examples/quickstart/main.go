// Quickstart protects a small JSON API with API keys, JWTs and sessions, without set-up. From the repository's root:
//
//	go run ./examples/quickstart               # a page to click, and curl lines to paste
//	go run ./examples/quickstart -walkthrough  # sends those requests itself, checks the answers
//	OIDC_ISSUER=https://… OIDC_CLIENT_ID=… OIDC_CLIENT_SECRET=… OIDC_NAME=Acme go run ./examples/quickstart  # also "Log in with Acme"
package main

import (
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/examples/internal/stores"
	"github.com/gatehouse-go/authn/examples/internal/tour"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/oauth"
	"github.com/gatehouse-go/authn/password"
	"github.com/gatehouse-go/authn/ratelimit"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
)

//go:embed page.html tour.http assets
var files embed.FS

func main() { tour.Main("quickstart", run) }

func run(ctx context.Context, o tour.Options) error {
	st, closeStore, err := stores.Open(ctx, o.Store) // memstore.New(memstore.Config{}): the one line to change
	if err != nil {
		return err
	}
	defer func() { _ = closeStore() }()
	base, audit := tour.URL(o.Listener.Addr()), authn.Slog(nil) // events go to slog.Default: text on stderr
	keys := authn.Must(apikey.New(st, apikey.Config{
		Prefix: "acme_dev", Scopes: []string{"orders:read", "orders:write", "keys:manage"}, OnEvent: audit,
		Managers:      []authn.Kind{authn.KindKey}, // else it takes a person with a fresh login
		FlushInterval: time.Microsecond,            // the page shows each use at once; a service keeps the default
	}))
	kc, key := authn.GenerateKeychain(), authn.Must(jwtauth.GenerateKey(jwtauth.ES256)) // end with the process: a service has ParseKeychain and ParsePEM
	issuer := authn.Must(jwtauth.NewIssuer(authn.Must(jwtauth.NewKeyRing(key)), st, kc, jwtauth.IssuerConfig{Issuer: base, Audience: []string{base}, OnEvent: audit}))
	sessions := authn.Must(session.New(st, session.Config{OnEvent: audit, InsecureDevelopmentCookie: true})) // on loopback only
	attempts := authn.Must(ratelimit.NewAttempts(st, kc, ratelimit.AttemptsConfig{OnEvent: audit}))
	hasher := authn.Must(password.NewHasher(password.HasherConfig{}))
	people := authn.Must(password.New(st, attempts, password.Config{Hasher: hasher, Revoke: authn.Revokers{sessions, issuer}, OnEvent: audit}))
	login, err1 := elsewhere(st, kc, sessions, base, audit)
	d, err2 := tour.NewDemo(ctx, files, st, hasher, keys, issuer, base)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	return d.Calls.Serve(ctx, o.Listener, routes(keys, issuer, sessions, people, login, audit, d), o.Walk, keys.Close) // Close writes the last uses
}

func routes(keys *apikey.Keys, issuer *jwtauth.Issuer, sessions *session.Manager, people *password.Authenticator, login http.Handler, audit authn.EventFunc, d *tour.Demo) http.Handler {
	guard := authn.Guard{Verifier: authn.FirstOf(keys, issuer.Verifier(), sessions), OnError: authn.Pages{Login: "/"}.OnError, OnEvent: audit}
	browsers := authn.Guard{Verifier: sessions, OnError: guard.OnError, OnEvent: audit} // signed out, they are sent to the form
	mux := http.NewServeMux()
	mux.Handle("GET /orders", guard.Require(authn.Scopes("orders:read"))(http.HandlerFunc(orders)))
	mux.Handle("POST /orders", guard.Require(authn.Scopes("orders:write"))(http.HandlerFunc(orders)))
	mux.Handle("GET /me", guard.Require(authn.OfKind(authn.KindUser))(http.HandlerFunc(me)))
	mux.Handle("/keys/", http.StripPrefix("/keys", guard.Require(authn.Scopes("keys:manage"))(keys.Handler())))
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		user, err := prove(people, w, r)
		if err != nil {
			authn.WriteError(w, r, err)
		} else if tokens, err := issuer.Issue(r.Context(), jwtauth.Grant{Identity: user, Refresh: true, Request: r}); err != nil {
			authn.WriteError(w, r, err)
		} else {
			_ = jwtauth.WriteTokens(w, tokens) // a client that is gone is nobody's error
		}
	})
	mux.Handle("/token/refresh", issuer.RefreshHandler())
	mux.Handle("/token/refresh/logout", issuer.LogoutHandler())
	mux.Handle("POST /login", sessions.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, err := prove(people, w, r)
		if err == nil {
			_, err = sessions.Login(w, r, user, session.LoginOptions{})
		}
		home(w, r, err)
	})))
	mux.Handle("/auth/", login) // the page's link leads to /auth/sso/login
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) { home(w, r, sessions.Logout(w, r)) })
	mux.Handle("POST /logout/others", browsers.Require()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { home(w, r, sessions.RevokeOthers(r.Context())) })))
	mux.Handle("GET /{$}", browsers.Optional()(tour.Page{URL: d.URL, Template: tour.Template(files, "page.html"), Data: func(r *http.Request) (any, error) {
		id, ok := authn.FromContext(r.Context())
		if !ok {
			return map[string]any{"Demo": d, "Query": r.URL.Query(), "Back": authn.ReturnTo(r, "/"), "Issuer": os.Getenv("OIDC_ISSUER"), "Name": os.Getenv("OIDC_NAME")}, nil
		}
		devices, _, err := sessions.List(r.Context(), id.Subject, store.Page{})
		return map[string]any{"Demo": d, "User": id, "Devices": devices}, err
	}}))
	mux.Handle("GET /assets/", tour.Assets(files))
	return mux
}

func orders(w http.ResponseWriter, r *http.Request) {
	id, _ := authn.FromContext(r.Context()) // Require has made sure of one
	tour.JSON(w, map[string]any{"orders": []string{"tea", "ink"}, "subject": id.Subject, "method": id.Method})
}

func me(w http.ResponseWriter, r *http.Request) {
	id, _ := authn.FromContext(r.Context())
	tour.JSON(w, map[string]any{"subject": id.Subject, "method": id.Method, "expires_at": id.ExpiresAt})
}

// home leads back to where a visitor was, or answers what went wrong: on the page, if that is a browser.
func home(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		authn.Pages{Login: "/?wrong=1"}.OnError(w, r, authn.AsError(err))
		return
	}
	http.Redirect(w, r, authn.ReturnTo(r, "/"), http.StatusSeeOther)
}

// prove is who knows ada's password, in a form or as JSON: five guesses a minute.
func prove(people *password.Authenticator, w http.ResponseWriter, r *http.Request) (*authn.Identity, error) {
	user, err := people.Authenticate(r, "ada", tour.Password(w, r))
	if err == nil {
		user.Scopes = []string{"orders:read"} // what the host knows of its users
	}
	return user, err
}

// elsewhere logs in by an account at the OpenID provider that the environment names, if it names one.
func elsewhere(st store.Once, kc *authn.Keychain, sessions *session.Manager, base string, audit authn.EventFunc) (http.Handler, error) {
	issuer, client, secret := os.Getenv("OIDC_ISSUER"), os.Getenv("OIDC_CLIENT_ID"), authn.NewSecret(os.Getenv("OIDC_CLIENT_SECRET"))
	if issuer == "" {
		return http.NotFoundHandler(), nil
	}
	return oauth.NewLogin(kc, oauth.Config{ // its redirect URI is base + "/auth/sso/callback"
		BaseURL: base + "/auth", Providers: []oauth.Provider{oauth.OIDC("sso", issuer, client, secret)},
		Once: st, OnEvent: audit, OnError: authn.Pages{Login: "/?failed=1"}.OnError,
		OnLogin: func(w http.ResponseWriter, r *http.Request, p oauth.Profile) error {
			user := p.Identity(fmt.Sprintf("sso:%.16x", sha256.Sum256([]byte(p.Issuer+"\n"+p.Subject)))) // never by e-mail; a service has a table
			user.Scopes, user.Attributes = []string{"orders:read"}, map[string]string{"name": p.Name}
			_, err := sessions.Login(w, r, user, session.LoginOptions{})
			if err == nil {
				http.Redirect(w, r, p.ReturnTo, http.StatusSeeOther)
			}
			return err
		},
	})
}
