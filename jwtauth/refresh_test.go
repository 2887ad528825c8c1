package jwtauth_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

// J21: of a hundred at once with one token: one generation on, one successor
// for all, and a new access token for each.
func TestConcurrentRefreshHasOneSuccessor(t *testing.T) {
	w := newIssuerWorld(t, nil)
	other := w.instance(nil)
	set := w.login()
	var mu sync.Mutex
	successors, jtis := map[string]int{}, map[any]bool{}
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			issuer := w.issuer
			if i%2 == 0 {
				issuer = other
			}
			next, err := issuer.Refresh(issuerCtx, set.Refresh.Reveal(), jwtauth.Grant{})
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			successors[next.Refresh.Reveal()]++
			jtis[issuerClaims(t, next)["jti"]] = true
			if reason := w.alive(next); reason != "" {
				t.Error(reason)
			}
		})
	}
	wg.Wait()
	if len(successors) != 1 || len(jtis) != 100 {
		t.Errorf("%d successors, %d access tokens", len(successors), len(jtis))
	}
	for token := range successors {
		if generation := strings.Split(token, ".")[2]; generation != "2" {
			t.Errorf("generation %s", generation)
		}
	}
}

// J21: within the grace the predecessor gets the same successor and extends
// nothing; at its end, to the microsecond, it is reuse, which ends the login.
func TestGraceBoundary(t *testing.T) {
	for _, tt := range []struct {
		name          string
		grace, passes time.Duration
		reuse         bool
	}{
		{"at once", 0, 0, false},
		{"just within the default", 0, 10*time.Second - time.Microsecond, false},
		{"at the end of the default", 0, 10 * time.Second, true},
		{"just within a minute", time.Minute, time.Minute - time.Microsecond, false},
		{"at the end of a minute", time.Minute, time.Minute, true},
		{"no grace", -1, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newIssuerWorld(t, func(cfg *jwtauth.IssuerConfig) { cfg.RefreshGrace = tt.grace })
				first := w.login()
				w.clock.advance(time.Minute)
				second := w.refresh(first)
				w.clock.advance(tt.passes)
				again, err := w.issuer.Refresh(issuerCtx, first.Refresh.Reveal(), jwtauth.Grant{})
				if !tt.reuse {
					if err != nil || again.Refresh.Reveal() != second.Refresh.Reveal() || again.Access.Reveal() == second.Access.Reveal() {
						t.Fatalf("%v", err)
					}
					if !again.RefreshExpiresAt.Equal(second.RefreshExpiresAt) {
						t.Errorf("it extends the login to %s", again.RefreshExpiresAt)
					}
					w.refresh(second)
					return
				}
				if !errors.Is(err, jwtauth.ErrReuse) {
					t.Fatalf("%v, want ErrReuse", err)
				}
				issuerWant(t, "reuse", err, 400, "invalid_grant", "reuse")
				for _, set := range []jwtauth.TokenSet{first, second} {
					if reason := w.alive(set); reason != "login revoked" {
						t.Errorf("the access token: %q", reason)
					}
				}
				w.refuses(second, "invalid_grant", "revoked")
				w.refuses(first, "invalid_grant", "revoked")
				e := w.events.Events(authn.EventReuse)
				if len(e) != 1 || e[0].Subject != "ada" || e[0].CredentialID != issuerClaims(t, first)["sid"] {
					t.Errorf("events %+v", e)
				}
			})
		})
	}
}

// J21: a grace does not chain: the predecessor's predecessor is reuse at once.
func TestGraceIsForThePredecessorOnly(t *testing.T) {
	w := newIssuerWorld(t, nil)
	first := w.login()
	third := w.refresh(w.refresh(first))
	_, err := w.issuer.Refresh(issuerCtx, first.Refresh.Reveal(), jwtauth.Grant{})
	if !errors.Is(err, jwtauth.ErrReuse) {
		t.Errorf("%v, want ErrReuse", err)
	}
	w.refuses(third, "invalid_grant", "revoked")
	// Another login of the same subject goes on.
	w.refresh(w.login())
}

// J12, J22: a login ends when it is not used, and in any case; no access token
// outlives it.
func TestLoginsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := func(cfg *jwtauth.IssuerConfig) {
			cfg.RefreshIdle, cfg.RefreshAbsolute = time.Hour, 100*time.Minute
		}
		w := newIssuerWorld(t, config)
		start := w.clock.Now()
		idle := w.login()
		w.clock.advance(time.Hour)
		w.refuses(idle, "invalid_grant", "unknown, expired or revoked")

		w = newIssuerWorld(t, config)
		set := w.login()
		w.clock.advance(time.Hour - time.Microsecond)
		set = w.refresh(set)
		if want := start.Add(100 * time.Minute); !set.RefreshExpiresAt.Equal(want) {
			t.Errorf("it ends %s, want %s", set.RefreshExpiresAt, want)
		}
		w.clock.advance(30 * time.Minute)
		set = w.refresh(set)
		if want := start.Add(100 * time.Minute); !set.ExpiresAt.Equal(want) {
			t.Errorf("the access token ends %s, want %s", set.ExpiresAt, want)
		}
		if c := issuerClaims(t, set); c["exp"].(float64) != float64(start.Add(100*time.Minute).Unix()) {
			t.Errorf("exp %v", c["exp"])
		}
		w.clock.advance(10*time.Minute - time.Microsecond)
		last := w.refresh(set)
		if reason := w.alive(last); reason != "" {
			t.Errorf("just before: %s", reason)
		}
		w.clock.advance(2 * time.Microsecond)
		w.refuses(last, "invalid_grant", "unknown, expired or revoked")
		if reason := w.alive(set); reason != "expired" {
			t.Errorf("at the end: %q", reason)
		}
	})
}

// J22: narrowing is for one access token; the login keeps what it had.
func TestNarrowingDoesNotStick(t *testing.T) {
	w := newIssuerWorld(t, nil)
	set := w.login()
	try := func(g jwtauth.Grant) (jwtauth.TokenSet, error) {
		next, err := w.issuer.Refresh(issuerCtx, set.Refresh.Reveal(), g)
		if err == nil {
			set = next
		}
		return next, err
	}
	next, err := try(jwtauth.Grant{Scopes: []string{"orders:read"}, Audience: []string{issuerDocs}, TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if c := issuerClaims(t, next); c["scope"] != "orders:read" || !reflect.DeepEqual(c["aud"], []any{issuerDocs}) || c["exp"].(float64)-c["iat"].(float64) != 60 {
		t.Errorf("narrowed: %v", c)
	}
	_, err = try(jwtauth.Grant{Scopes: []string{"orders:read", "admin"}})
	issuerWant(t, "a scope that the login has not", err, 400, "invalid_scope", "")
	_, err = try(jwtauth.Grant{Audience: []string{"https://evil.example"}})
	issuerWant(t, "an audience that the issuer has not", err, 400, "invalid_target", "")
	if e := w.events.Events(authn.EventRefused); len(e) != 2 || e[1].Reason != "audience" {
		t.Errorf("events %+v", e)
	}
	if next, err = try(jwtauth.Grant{}); err != nil {
		t.Fatal(err)
	}
	if c := issuerClaims(t, next); c["scope"] != "orders:read orders:write" || !reflect.DeepEqual(c["aud"], []any{issuerAPI, issuerDocs}) {
		t.Errorf("afterwards: %v", c)
	}
	// What was narrowed at the login stays narrow.
	set = w.login(func(g *jwtauth.Grant) { g.Scopes, g.Audience = []string{"orders:read"}, []string{issuerAPI} })
	_, err = try(jwtauth.Grant{Scopes: []string{"orders:write"}})
	issuerWant(t, "a scope that the user has and the login has not", err, 400, "invalid_scope", "")
	_, err = try(jwtauth.Grant{Audience: []string{issuerDocs}})
	issuerWant(t, "an audience that the issuer has and the login has not", err, 400, "invalid_target", "")
	if next, err = try(jwtauth.Grant{}); err != nil {
		t.Fatal(err)
	}
	if c := issuerClaims(t, next); c["scope"] != "orders:read" || !reflect.DeepEqual(c["aud"], []any{issuerAPI}) {
		t.Errorf("after a narrow login: %v", c)
	}
}

// J22, J27: a login belongs to its client and its certificate. Another's
// attempt spends and ends nothing.
func TestLoginIsBoundToClientAndCertificate(t *testing.T) {
	mine, others := &x509.Certificate{Raw: []byte("mine")}, &x509.Certificate{Raw: []byte("another's")}
	w := newIssuerWorld(t, nil)
	for _, tt := range []struct{ client, confirm string }{{"app", ""}, {"", jwtauth.Thumbprint(mine)}, {"app", jwtauth.Thumbprint(mine)}, {"", ""}} {
		set := w.login(func(g *jwtauth.Grant) { g.ClientID, g.Confirm = tt.client, tt.confirm })
		w.st.reset(0, false)
		for _, row := range []struct {
			grant  jwtauth.Grant
			reason string
		}{
			{jwtauth.Grant{ClientID: "App", Confirm: tt.confirm}, "another client"},
			{jwtauth.Grant{ClientID: tt.client + "x", Confirm: tt.confirm}, "another client"},
			{jwtauth.Grant{ClientID: tt.client, Confirm: jwtauth.Thumbprint(others)}, "bound to another certificate"},
		} {
			_, err := w.issuer.Refresh(issuerCtx, set.Refresh.Reveal(), row.grant)
			issuerWant(t, "another's", err, 400, "invalid_grant", row.reason)
		}
		if slices.Contains(w.st.called(), "AdvanceFamily") {
			t.Error("the store was asked to move the login on")
		}
		if tt.client+tt.confirm != "" {
			_, err := w.issuer.Refresh(issuerCtx, set.Refresh.Reveal(), jwtauth.Grant{})
			issuerWant(t, "nobody's", err, 400, "invalid_grant", "")
		}
		next, err := w.issuer.Refresh(issuerCtx, set.Refresh.Reveal(), jwtauth.Grant{ClientID: tt.client, Confirm: tt.confirm})
		if err != nil {
			t.Fatal(err)
		}
		c := issuerClaims(t, next)
		cnf, _ := c["cnf"].(map[string]any)
		got, _ := cnf["x5t#S256"].(string)
		if client, _ := c["client_id"].(string); client != tt.client || got != tt.confirm {
			t.Errorf("client_id %q, cnf %q", client, got)
		}
	}
}

// J22, J27: RefreshHandler takes the certificate from the connection.
func TestRefreshHandlerChecksTheCertificate(t *testing.T) {
	mine, others := &x509.Certificate{Raw: []byte("mine")}, &x509.Certificate{Raw: []byte("another's")}
	var now *x509.Certificate
	w := newIssuerWorld(t, func(cfg *jwtauth.IssuerConfig) {
		cfg.ClientCert = func(*http.Request) *x509.Certificate { return now }
	})
	set := w.login(func(g *jwtauth.Grant) { g.Confirm = jwtauth.Thumbprint(mine) })
	for _, tt := range []struct {
		cert   *x509.Certificate
		status int
	}{{nil, 400}, {others, 400}, {mine, 200}} {
		now = tt.cert
		rec := httptest.NewRecorder()
		w.issuer.RefreshHandler().ServeHTTP(rec, issuerForm("refresh_token="+set.Refresh.Reveal()))
		if rec.Code != tt.status {
			t.Errorf("%v: %d %s", tt.cert, rec.Code, rec.Body)
		}
	}
}

// J22: Reload is the host's look at its user: roles and attributes are its,
// scopes within the login's; everything else stands.
func TestReload(t *testing.T) {
	var answer func(id *authn.Identity) (*authn.Identity, error)
	var asked, claimsOf *authn.Identity
	w := newIssuerWorld(t, func(cfg *jwtauth.IssuerConfig) {
		cfg.Reload = func(_ context.Context, id *authn.Identity) (*authn.Identity, error) {
			asked = id.Clone()
			return answer(id)
		}
		cfg.Claims = func(_ context.Context, id *authn.Identity) (any, error) { claimsOf = id; return nil, nil }
	})
	answer = func(id *authn.Identity) (*authn.Identity, error) {
		id.Subject, id.Kind, id.Factors, id.Pending = "root", authn.KindClient, nil, []string{"otp"}
		id.Roles, id.Attributes = []string{"viewer"}, map[string]string{"team": "south"}
		id.Scopes = []string{"orders:write", "admin"}
		return id, nil
	}
	proven := w.clock.Now()
	set := w.login()
	w.clock.advance(time.Hour)
	set = w.refresh(set)
	c := issuerClaims(t, set)
	if c["sub"] != "ada" || c["kind"] != nil || !reflect.DeepEqual(c["roles"], []any{"viewer"}) || c["scope"] != "orders:write" {
		t.Errorf("claims %v", c)
	}
	if !reflect.DeepEqual(c["amr"], []any{"pwd"}) || c["auth_time"] != float64(proven.Unix()) || c["iat"] != float64(w.clock.Now().Unix()) {
		t.Errorf("factors are renewed: %v", c)
	}
	if asked.Subject != "ada" || !slices.Equal(asked.Roles, []string{"editor"}) || asked.Attributes["team"] != "north" {
		t.Errorf("Reload was asked for %+v", asked)
	}
	if claimsOf.Attributes["team"] != "south" || !slices.Equal(claimsOf.Roles, []string{"viewer"}) || claimsOf.Subject != "ada" || len(claimsOf.Pending) != 0 {
		t.Errorf("Claims saw %+v", claimsOf)
	}
	// What Reload takes away it may give back: the login is what it was.
	answer = func(id *authn.Identity) (*authn.Identity, error) { return id, nil }
	set = w.refresh(set)
	if c = issuerClaims(t, set); c["scope"] != "orders:read orders:write" || !reflect.DeepEqual(c["roles"], []any{"editor"}) {
		t.Errorf("afterwards: %v", c)
	}
	answer = func(id *authn.Identity) (*authn.Identity, error) { return &authn.Identity{}, nil }
	set = w.refresh(set)
	if c = issuerClaims(t, set); c["scope"] != nil || c["roles"] != nil {
		t.Errorf("nothing left: %v", c)
	}
	_, err := w.issuer.Refresh(issuerCtx, set.Refresh.Reveal(), jwtauth.Grant{Scopes: []string{"orders:read"}})
	issuerWant(t, "a scope that Reload took away", err, 400, "invalid_scope", "")
}

// J22: a user whom Reload refuses is logged out; an outage of it spends
// nothing.
func TestReloadRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		id     *authn.Identity
		err    error
		status int
		ends   bool
	}{
		{"gone", nil, authn.Refused("gone", nil), 400, true},
		{"forbidden", nil, authn.Forbidden("locked", nil), 400, true},
		{"no credential", nil, authn.ErrNoCredential, 400, true},
		{"a limit", nil, &authn.Error{Status: 429, Code: "too_many_requests"}, 429, false},
		{"outage", nil, errIssuerDown, 503, false},
		{"outage with an Identity", &authn.Identity{}, errIssuerDown, 503, false},
		{"500", nil, &authn.Error{Status: 500, Code: "internal"}, 500, false},
		{"error without status", nil, &authn.Error{}, 500, false},
		{"nothing", nil, nil, 500, false},
		{"a role that is none", &authn.Identity{Roles: []string{""}}, nil, 500, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			broken := true
			w := newIssuerWorld(t, func(cfg *jwtauth.IssuerConfig) {
				cfg.Reload = func(_ context.Context, id *authn.Identity) (*authn.Identity, error) {
					if broken {
						return tt.id, tt.err
					}
					return id, nil
				}
			})
			set := w.login()
			_, err := w.issuer.Refresh(issuerCtx, set.Refresh.Reveal(), jwtauth.Grant{})
			if err == nil || authn.AsError(err).Status != tt.status {
				t.Errorf("%v, want %d", err, tt.status)
			}
			if n := len(w.events.Events(authn.EventOutage)); (n == 1) != (tt.status >= 500) {
				t.Errorf("%d outages", n)
			}
			broken = false
			if !tt.ends {
				if reason := w.alive(set); reason != "" {
					t.Error(reason)
				}
				w.refresh(set)
				return
			}
			if reason := w.alive(set); reason != "login revoked" {
				t.Errorf("the access token: %q", reason)
			}
			w.refuses(set, "invalid_grant", "revoked")
			if e := w.events.Events(authn.EventRevoked); len(e) != 1 || e[0].Subject != "ada" {
				t.Errorf("events %+v", e)
			}
		})
	}
}

// J22: what a Grant of a refresh may not be costs no store call.
func TestRefreshGrantIsChecked(t *testing.T) {
	w := newIssuerWorld(t, nil)
	set := w.login()
	w.st.reset(0, false)
	for _, g := range []jwtauth.Grant{
		{ClientID: strings.Repeat("x", 256)}, {ClientID: "\x00"}, {Confirm: "short"}, {TTL: -1}, {TTL: issuerDay + 1}, {TTL: time.Millisecond},
	} {
		_, err := w.issuer.Refresh(issuerCtx, set.Refresh.Reveal(), g)
		issuerWant(t, "Refresh", err, 500, "internal", "")
	}
	if calls := w.st.called(); len(calls) != 0 {
		t.Errorf("calls %v", calls)
	}
	// Who it is for is the login's, whatever the Grant says.
	next, err := w.issuer.Refresh(issuerCtx, set.Refresh.Reveal(), jwtauth.Grant{Identity: authn.User("root", "x")})
	if err != nil || issuerClaims(t, next)["sub"] != "ada" {
		t.Errorf("%v", err)
	}
}
