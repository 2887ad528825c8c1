package jwtauth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
)

// J13: the second step of a login gives no more than the first one asked for,
// and is bound to what that was.
func TestSecondStepGivesNoMore(t *testing.T) {
	w := newIssuerWorld(t, issuerOwesOTP)
	confirm := strings.Repeat("A", 43)
	half := w.issue(func(g *jwtauth.Grant) { g.Scopes, g.Confirm = []string{"orders:read"}, confirm })
	c := issuerClaims(t, half)
	if cnf, _ := c["cnf"].(map[string]any); cnf["x5t#S256"] != confirm {
		t.Errorf("cnf %v", c["cnf"])
	}
	half = w.issue(func(g *jwtauth.Grant) { g.Scopes = []string{"orders:read"} })
	id, err := w.issuer.Verifier().Verify(issuerBearer(half.Access.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	set, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: id.WithFactor(authn.Factor{Name: "otp", At: w.clock.Now()})})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(set.Scopes, " "); got != "orders:read" {
		t.Errorf("scopes %q", got)
	}
}

// J20: a refresh token is its own issuer's, also where two share store and
// keychain.
func TestRefreshTokenOfAnotherIssuer(t *testing.T) {
	w := newIssuerWorld(t, nil)
	other := w.instance(func(cfg *jwtauth.IssuerConfig) { cfg.Issuer = "https://other.example" })
	set := w.login()
	w.st.reset(0, false)
	_, err := other.Refresh(issuerCtx, set.Refresh.Reveal(), jwtauth.Grant{})
	issuerWant(t, "Refresh", err, http.StatusBadRequest, "invalid_grant", "malformed")
	if calls := w.st.called(); len(calls) > 0 {
		t.Errorf("calls %v", calls)
	}
	w.refresh(set)
}

// J21: a token that was spent long ago ends the login, whatever else is asked
// for with it.
func TestSpentTokenWithABadScopeEndsTheLogin(t *testing.T) {
	w := newIssuerWorld(t, nil)
	first := w.login()
	third := w.refresh(w.refresh(first))
	_, err := w.issuer.Refresh(issuerCtx, first.Refresh.Reveal(), jwtauth.Grant{Scopes: []string{"nope"}})
	issuerWant(t, "Refresh", err, http.StatusBadRequest, "invalid_grant", "reuse")
	w.refuses(third, "invalid_grant", "revoked")
}

// J21: a stolen login must end for good, so that a transaction which may be
// rolled back is no place for a refresh.
func TestRefreshInATransactionIsAFault(t *testing.T) {
	w := newIssuerWorld(t, nil)
	set := w.login()
	_, err := w.issuer.Refresh(store.MarkTx(issuerCtx), set.Refresh.Reveal(), jwtauth.Grant{})
	issuerWant(t, "Refresh", err, http.StatusInternalServerError, "internal", "")
	w.refresh(set)
}

// J12: instances whose clocks differ by Leeway take each other's tokens.
func TestIssuerLeeway(t *testing.T) {
	for _, c := range []struct {
		leeway time.Duration
		good   bool
	}{{0, false}, {2 * time.Second, true}} {
		w := newIssuerWorld(t, nil)
		set := w.issue()
		behind := w.instance(func(cfg *jwtauth.IssuerConfig) {
			cfg.Leeway = c.leeway
			cfg.Now = func() time.Time { return w.clock.Now().Add(-2 * time.Second) }
		})
		if _, err := behind.Verifier().Verify(issuerBearer(set.Access.Reveal())); (err == nil) != c.good {
			t.Errorf("leeway %v: %v", c.leeway, err)
		}
	}
}

// J26: whatever brings a token, Logout ends it: two cookies of one name, of
// which another host may have set one, and an access cookie beside a token in
// the body.
func TestLogoutEndsAllThatCame(t *testing.T) {
	w := newIssuerWorld(t, issuerWithCookies)
	serve := func(r *http.Request) {
		t.Helper()
		rec := httptest.NewRecorder()
		w.issuer.LogoutHandler().ServeHTTP(rec, r)
		if rec.Code != http.StatusNoContent {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
	}
	a, b, other := w.login(), w.login(), w.login()
	r := httptest.NewRequest(http.MethodPost, "https://auth.example/token/refresh/logout", nil)
	r.Header.Set("Cookie", "__Secure-refresh="+a.Refresh.Reveal()+"; __Secure-refresh=planted; __Host-access="+b.Access.Reveal())
	serve(r)
	w.refuses(a, "invalid_grant", "revoked")
	w.refuses(b, "invalid_grant", "revoked")

	body, access := w.login(), w.issue()
	r = httptest.NewRequest(http.MethodPost, "https://auth.example/token/refresh/logout", strings.NewReader("refresh_token="+body.Refresh.Reveal()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Cookie", "__Host-access="+access.Access.Reveal())
	serve(r)
	w.refuses(body, "invalid_grant", "revoked")
	if reason := w.alive(access); reason == "" {
		t.Error("the access cookie's token lives")
	}
	w.refresh(other)
}
