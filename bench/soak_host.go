package main

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/clientip"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/password"
	"github.com/gatehouse-go/authn/ratelimit"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
	"github.com/gatehouse-go/authn/totp"
)

// Lifetimes by the host's clock.
const (
	soakIdle     = time.Hour
	soakAbsolute = 4 * time.Hour
	soakAccess   = 30 * time.Minute
	soakHalf     = 10 * time.Minute // of who owes a factor
	soakCounters = 10_000           // of limits
)

const (
	soakUsers    = 2000 // by single sign-on, with an API key each
	soakPeople   = 32   // with a password
	soakCodes    = 200  // with a second factor
	soakPassword = "correct horse battery staple"
	soakLimit    = 20 // of an address, an hour
)

// soakHost is a service with everything in it. Its users are a fixed set, since
// what is remembered of one is never forgotten.
type soakHost struct {
	now      func() time.Time
	store    *memstore.Store
	handler  http.Handler
	sessions *session.Manager
	keys     *apikey.Keys
	ring     *jwtauth.KeyRing
	issuer   *jwtauth.Issuer
	people   *password.Authenticator
	codes    *totp.Manager
	// given at the start
	secrets [soakUsers]apikey.Issued
	totps   [soakCodes]string // in base32
}

// newSoakHost has all clocks from clock but that of the codes, which lets a
// user in twice a minute: they are of real time, and nothing of theirs expires.
func newSoakHost(clock *soakClock) *soakHost {
	st := memstore.New(memstore.Config{MaxKeys: soakCounters, ClockOffset: clock.offset})
	kc, now := authn.GenerateKeychain(), clock.Now
	h := &soakHost{store: st, now: now}
	h.codes = authn.Must(totp.New(st, kc, totp.Config{Issuer: "Soak"}))
	h.sessions = authn.Must(session.New(st, session.Config{Idle: soakIdle, Absolute: soakAbsolute, Keychain: kc, Owed: h.codes.Owed, Now: now}))
	h.keys = authn.Must(apikey.New(st, apikey.Config{Prefix: "soak", CacheTTL: time.Minute, Now: now}))
	h.ring = authn.Must(jwtauth.OpenKeyRing(st, kc, jwtauth.RingConfig{Publish: time.Minute, MaxTokenAge: time.Hour, Now: now}))
	h.issuer = authn.Must(jwtauth.NewIssuer(h.ring, st, kc, jwtauth.IssuerConfig{
		Issuer: issuerURL, Audience: []string{audience}, AccessTTL: soakAccess, RefreshIdle: soakIdle, RefreshAbsolute: soakAbsolute, Now: now,
	}))
	attempts := authn.Must(ratelimit.NewAttempts(st, kc, ratelimit.AttemptsConfig{}))
	// As cheap as hashes get: the memory of one is more than all else has.
	cheap := authn.Must(password.NewHasher(password.HasherConfig{Argon2: password.Params{MemoryKiB: 1 << 10, Time: 1, Threads: 1}, InsecureParams: true}))
	h.people = authn.Must(password.New(st, attempts, password.Config{Hasher: cheap, Revoke: authn.Revokers{h.sessions, h.issuer}, Now: now}))
	h.routes()
	h.fill()
	return h
}

func (h *soakHost) routes() {
	guard := authn.Require(authn.FirstOf(h.keys, h.issuer.Verifier(), h.sessions))
	mux := http.NewServeMux()
	done := func(pattern string, f func(w http.ResponseWriter, r *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := f(w, r); err != nil {
				authn.WriteError(w, r, err)
			}
		})
	}
	mux.Handle("GET /me", guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := authn.FromContext(r.Context())
		fmt.Fprintln(w, id.Subject)
	})))
	mux.Handle("POST /visits", h.sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := h.sessions.Update(w, r, func(d *session.Data) error {
			n, _, err := visits.Get(d)
			if err != nil {
				return err
			}
			return visits.Set(d, n+1)
		})
		if err != nil {
			authn.WriteError(w, r, err)
		}
	})))
	limited := authn.Must(ratelimit.New(h.store, ratelimit.Config{}, ratelimit.Window("forms", soakLimit, time.Hour, ratelimit.ByClient)))
	mux.Handle("GET /limited", limited.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	done("POST /login", func(w http.ResponseWriter, r *http.Request) error {
		id, err := h.people.Authenticate(r, r.FormValue("name"), r.FormValue("password"))
		if err != nil {
			return err
		}
		_, err = h.sessions.Login(w, r, id, session.LoginOptions{})
		return err
	})
	done("POST /sso", func(w http.ResponseWriter, r *http.Request) error {
		_, err := h.sessions.Login(w, r, h.user(r), session.LoginOptions{})
		return err
	})
	mux.Handle("POST /otp", authn.Require(h.sessions, authn.AllowPending("otp"))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := authn.FromContext(r.Context())
		f, err := h.codes.Verify(r.Context(), id.Subject, r.FormValue("code"))
		if err == nil {
			_, err = h.sessions.AddFactor(w, r, f)
		}
		if err != nil {
			authn.WriteError(w, r, err)
		}
	})))
	done("POST /logout", h.sessions.Logout)
	done("POST /everywhere", func(_ http.ResponseWriter, r *http.Request) error {
		return authn.Revokers{h.sessions, h.issuer}.RevokeSubject(r.Context(), r.FormValue("user"))
	})
	done("POST /token", func(w http.ResponseWriter, r *http.Request) error {
		t, err := h.issuer.Issue(r.Context(), jwtauth.Grant{Identity: h.user(r), Refresh: true, Request: r})
		if err != nil {
			return err
		}
		return jwtauth.WriteTokens(w, t)
	})
	mux.Handle("/token/refresh", h.issuer.RefreshHandler())
	mux.Handle("/token/refresh/logout", h.issuer.LogoutHandler())
	done("POST /revoke", func(_ http.ResponseWriter, r *http.Request) error {
		return h.issuer.RevokeToken(r.Context(), r.FormValue("token"), "")
	})

	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	clients := authn.Must(clientip.New(clientip.Config{TrustedProxies: loopback, Header: clientip.XForwardedFor}))
	everyone := authn.Must(ratelimit.New(h.store, ratelimit.Config{}, ratelimit.GCRA("callers", 100_000, time.Hour, 1000, ratelimit.ByClient)))
	h.handler = clients.Middleware(everyone.Middleware(http.MaxBytesHandler(mux, 64<<10)))
}

// user is who another service has just said that r comes from.
func (h *soakHost) user(r *http.Request) *authn.Identity {
	id := authn.User(r.FormValue("user"), "sso")
	id.VerifiedAt = h.now()
	return id
}

// fill makes who is there.
func (h *soakHost) fill() {
	ctx := context.Background()
	for i := range h.secrets {
		h.secrets[i] = authn.Must(h.keys.Create(ctx, soakUser(i), apikey.Spec{Name: "soak"}))
	}
	hash := authn.Must(h.people.Prepare(ctx, soakPassword, password.About{}))
	for i := range soakPeople {
		name := fmt.Sprint("person", i)
		if err := h.store.CreatePassword(ctx, store.Password{Subject: name, Name: name, Hash: hash}, h.now()); err != nil {
			panic(err)
		}
	}
	for i := range h.totps {
		subject := soakCoder(i)
		e := authn.Must(h.codes.Begin(ctx, authn.User(subject, "sso"), subject))
		h.totps[i] = e.Secret.Reveal()
		if _, _, err := h.codes.Confirm(ctx, subject, totpCode(h.totps[i], time.Now().Add(-30*time.Second))); err != nil {
			panic(err)
		}
	}
}

func soakUser(i int) string  { return fmt.Sprint("user", i) }
func soakCoder(i int) string { return fmt.Sprint("coder", i) }

// count is of what can be counted: the sessions that are live, and the API keys,
// which stay for good.
func (h *soakHost) count() (sessions, keys int) {
	for i := range soakUsers {
		infos, _, err := h.sessions.List(context.Background(), soakUser(i), store.Page{})
		if err != nil {
			panic(err)
		}
		list, _, err := h.keys.List(context.Background(), soakUser(i), store.Page{})
		if err != nil {
			panic(err)
		}
		sessions, keys = sessions+len(infos), keys+len(list)
	}
	return sessions, keys
}
