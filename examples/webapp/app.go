package main

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"time"

	"github.com/rs/cors"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/oauth"
	"github.com/gatehouse-go/authn/password"
	"github.com/gatehouse-go/authn/ratelimit"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/totp"
)

const service = "Acme Notes"

// maxBody bounds every body: what is left of a multipart form is written to disk
// without a bound.
const maxBody = 64 << 10

type app struct {
	url      string
	provider string // as people call it; "" without one
	issuer   string
	users    *users
	attempts *ratelimit.Attempts
	people   *password.Authenticator
	links    *password.OneTime
	codes    *totp.Manager
	sessions *session.Manager
	keys     *apikey.Keys
	social   *oauth.Login // nil without a provider
	pages    authn.Pages
	html     map[string]*template.Template
	mail     func(to, subject, link string)
	audit    authn.EventFunc
	handler  http.Handler
}

// newApp composes the methods. breached may be nil.
func newApp(url string, st store.Store, u *users, kc *authn.Keychain, breached password.BreachList, log authn.EventFunc, mail func(to, subject, link string)) (_ *app, err error) {
	a := &app{url: url, users: u, html: parseTemplates(), mail: mail}
	audit := authn.Tee(log, u.record)
	a.audit = audit
	a.pages = authn.Pages{Login: "/login", Factor: map[string]string{"otp": "/login/otp", "": "/reauth"}}
	errs := make([]error, 7)
	a.codes, errs[0] = totp.New(st, kc, totp.Config{Issuer: service, TrustDevice: 30 * 24 * time.Hour, OnEvent: audit})
	a.sessions, errs[1] = session.New(st, session.Config{Owed: a.codes.Owed, Keychain: kc, OnEvent: audit})
	a.keys, errs[2] = apikey.New(st, apikey.Config{Prefix: "notes", Scopes: scopes, Grantable: grantable, MaxPerOwner: 10, OnEvent: audit})
	a.attempts, errs[3] = ratelimit.NewAttempts(st, kc, ratelimit.AttemptsConfig{OnEvent: audit})
	a.links, errs[4] = password.NewOneTime(st, password.OneTimeConfig{OnEvent: audit})
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	a.people, errs[5] = password.New(u, a.attempts, password.Config{
		Policy:   password.Policy{MinLength: 12}, // codes are on offer, and the common ones are refused
		Breached: breached, OneTime: a.links, OnEvent: audit,
		Revoke: authn.Revokers{a.sessions, authn.RevokerFunc(a.codes.ForgetDevices)},
	})
	a.social, errs[6] = newSocial(a, st, kc, audit)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	a.handler, err = a.routes(st, audit)
	return a, err
}

func (a *app) routes(st store.Store, audit authn.EventFunc) (http.Handler, error) {
	forms, err := ratelimit.New(st, ratelimit.Config{OnError: a.onError, OnEvent: audit}, ratelimit.Window("forms", 30, time.Minute, ratelimit.ByClient))
	if err != nil {
		return nil, err
	}
	mails, err := ratelimit.New(st, ratelimit.Config{OnError: a.onError, OnEvent: audit}, ratelimit.Window("mails", 10, 10*time.Minute, ratelimit.ByClient))
	if err != nil {
		return nil, err
	}
	calls, err := ratelimit.New(st, ratelimit.Config{OnEvent: audit}, ratelimit.GCRA("api", 600, time.Minute, 60, ratelimit.ByCredential))
	if err != nil {
		return nil, err
	}
	callers, err := ratelimit.New(st, ratelimit.Config{OnEvent: audit}, ratelimit.GCRA("callers", 1200, time.Minute, 200, ratelimit.ByClient))
	if err != nil {
		return nil, err
	}
	web := authn.Guard{ // people in browsers
		Verifier: authn.Enrich(a.sessions, a.enrich), Rules: []authn.Rule{authn.OfKind(authn.KindUser)}, OnError: a.onError, OnEvent: audit,
	}
	api := authn.Guard{ // programs
		Verifier: authn.Enrich(a.keys, authn.CacheEnrich(a.enrich, 10*time.Second)), OnAccept: a.keys.OnAccept, OnEvent: audit, Realm: "notes",
	}

	site := http.NewServeMux()
	limited := func(pattern string, l *ratelimit.Limiter, h http.HandlerFunc) { site.Handle(pattern, l.Middleware(h)) }
	private := func(pattern string, h http.HandlerFunc, rules ...authn.Rule) {
		site.Handle(pattern, web.Require(rules...)(h))
	}

	site.Handle("GET /{$}", web.Optional()(http.HandlerFunc(a.home)))
	// These ask nobody who it is: a session whose user is gone is refused, and sent here.
	site.HandleFunc("GET /register", a.form("register"))
	limited("POST /register", mails, a.register)
	site.HandleFunc("GET /verify", a.verifyPage)
	limited("POST /verify", forms, a.verify)
	site.HandleFunc("GET /login", a.form("login"))
	limited("POST /login", forms, a.login)
	site.HandleFunc("GET /forgot", a.form("forgot"))
	limited("POST /forgot", mails, a.forgot)
	site.HandleFunc("GET /reset", a.resetPage)
	limited("POST /reset", forms, a.reset)
	site.HandleFunc("POST /logout", a.logout)
	site.Handle("/login/otp", web.Require(authn.AllowPending("otp"))(a.codes.Challenge(a, a.codePage)))
	private("GET /reauth", a.form("reauth"))
	private("POST /reauth", a.reauth)
	private("POST /notes", a.addNote)
	private("POST /notes/{id}/delete", a.deleteNote)
	private("GET /devices", a.devices)
	private("POST /devices/{id}/revoke", a.revokeDevice)
	private("POST /devices/others", a.revokeOthers)
	private("POST /devices/all", a.revokeAll)
	private("GET /activity", a.activity)
	private("GET /keys", a.listKeys)
	private("POST /keys", a.createKey, fresh)
	private("POST /keys/{id}/rotate", a.rotateKey, fresh)
	private("POST /keys/{id}/revoke", a.revokeKey)
	private("GET /security", a.security, fresh)
	private("POST /security/password", a.changePassword, fresh)
	private("POST /security/totp", a.beginTOTP, fresh)
	private("POST /security/totp/confirm", a.confirmTOTP, fresh)
	private("POST /security/totp/off", a.disableTOTP, fresh)
	private("POST /security/totp/recovery", a.newRecovery, fresh)
	private("POST /security/totp/devices", a.forgetDevices, fresh)
	private("POST /security/delete", a.deleteAccount, fresh)

	root := http.NewServeMux()
	if a.social != nil {
		private("POST /security/link", a.social.Link(provider).ServeHTTP, fresh)
		private("POST /security/unlink", a.unlink, fresh)
		root.Handle("/auth/", a.social) // guarded by its own state
	}
	root.Handle("/", a.sessions.Protect(site))
	root.Handle("GET /assets/", http.FileServerFS(files))
	open := cors.New(cors.Options{ // keys are in a header field, so any page may be a client
		AllowedOrigins: []string{"*"}, AllowedMethods: []string{"GET", "POST"}, AllowedHeaders: []string{"X-API-Key", "Authorization", "Content-Type"},
	})
	notes := http.NewServeMux()
	notes.Handle("GET /api/notes", api.Require(authn.Scopes("notes:read"))(calls.Middleware(http.HandlerFunc(a.apiNotes))))
	notes.Handle("POST /api/notes", api.Require(authn.Scopes("notes:write"))(calls.Middleware(http.HandlerFunc(a.apiAddNote))))
	// CORS is outside: a preflight carries no credentials. What is refused counts, too.
	root.Handle("/api/", open.Handler(callers.Middleware(notes)))
	root.HandleFunc("GET /ready", func(w http.ResponseWriter, r *http.Request) {
		if err := st.Check(r.Context()); err != nil {
			authn.WriteError(w, r, err)
		}
	})
	return a.headers(http.MaxBytesHandler(root, maxBody)), nil
}

// enrich is the look at the application's own users: is there still one?
func (a *app) enrich(ctx context.Context, id *authn.Identity) (*authn.Identity, error) {
	u, err := a.users.byID(ctx, id.Subject)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && !u.Verified:
		return nil, authn.Refused("no user", err)
	case err != nil:
		return nil, err // 503
	}
	id.Attributes = map[string]string{"name": u.Name}
	return id, nil
}
