package jwtauth_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

// J21, J22: whatever call of the store fails, before or after it took effect,
// the client hears of an outage, and the same token then gets what it should.
func TestStoreFailsAtEachStepOfRefresh(t *testing.T) {
	reload := func(cfg *jwtauth.IssuerConfig) {
		cfg.Reload = func(_ context.Context, id *authn.Identity) (*authn.Identity, error) { return id, nil }
	}
	for _, late := range []bool{false, true} {
		for n := 1; ; n++ {
			w := newIssuerWorld(t, reload)
			set := w.login()
			w.st.reset(n, late)
			_, err := w.issuer.Refresh(issuerCtx, set.Refresh.Reveal(), jwtauth.Grant{})
			if len(w.st.called()) < n {
				if n != 3 {
					t.Errorf("a refresh has %d calls, want 2", n-1)
				}
				break
			}
			what := fmt.Sprintf("call %d, late %v", n, late)
			issuerWant(t, what, err, 503, "unavailable", "store")
			if !errors.Is(err, errIssuerDown) || errors.Is(err, jwtauth.ErrReuse) {
				t.Errorf("%s: %v", what, err)
			}
			if e := w.events.Events(authn.EventOutage); len(e) != 1 || len(w.events.Events(authn.EventRefused, authn.EventReuse)) != 0 {
				t.Errorf("%s: events %+v", what, w.events.Events())
			}
			w.st.reset(0, false)
			if reason := w.alive(set); reason != "" {
				t.Errorf("%s: the access token: %s", what, reason)
			}
			w.refresh(w.refresh(set))
		}
	}
}

// J12, J24: of a login that failed nobody has a token, and the next one works.
func TestStoreFailsAtEachStepOfIssue(t *testing.T) {
	for _, late := range []bool{false, true} {
		for _, refresh := range []bool{false, true} {
			for n := 1; ; n++ {
				w := newIssuerWorld(t, nil)
				w.st.reset(n, late)
				set, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: w.ada(), Refresh: refresh})
				if len(w.st.called()) < n {
					break
				}
				what := fmt.Sprintf("call %d, refresh %v, late %v", n, refresh, late)
				issuerWant(t, what, err, 503, "unavailable", "store")
				if !set.Access.IsZero() || !set.Refresh.IsZero() {
					t.Errorf("%s: tokens", what)
				}
				if n := len(w.events.Events(authn.EventLogin, authn.EventCreated)); n != 0 {
					t.Errorf("%s: %d events", what, n)
				}
				w.st.reset(0, false)
				if reason := w.alive(w.login()); reason != "" {
					t.Errorf("%s: afterwards: %s", what, reason)
				}
			}
		}
	}
}

// J24: a revocation that failed says so, and may be repeated.
func TestStoreFailsAtEachStepOfRevoking(t *testing.T) {
	for name, revoke := range map[string]func(w *issuerWorld, set jwtauth.TokenSet) error{
		"access token": func(w *issuerWorld, set jwtauth.TokenSet) error {
			return w.issuer.RevokeToken(issuerCtx, set.Access.Reveal(), "")
		},
		"refresh token": func(w *issuerWorld, set jwtauth.TokenSet) error {
			return w.issuer.RevokeToken(issuerCtx, set.Refresh.Reveal(), "")
		},
		"login": func(w *issuerWorld, set jwtauth.TokenSet) error {
			return w.issuer.RevokeFamily(issuerCtx, "ada", issuerClaims(w.t, set)["sid"].(string))
		},
		"subject": func(w *issuerWorld, set jwtauth.TokenSet) error { return w.issuer.RevokeSubject(issuerCtx, "ada") },
	} {
		for _, late := range []bool{false, true} {
			for n := 1; ; n++ {
				w := newIssuerWorld(t, nil)
				set := w.login()
				w.st.reset(n, late)
				err := revoke(w, set)
				if len(w.st.called()) < n {
					if err != nil {
						t.Errorf("%s: %v", name, err)
					}
					break
				}
				issuerWant(t, fmt.Sprintf("%s, call %d", name, n), err, 503, "unavailable", "store")
				if len(w.events.Events(authn.EventRevoked)) != 0 {
					t.Errorf("%s: an event of what failed", name)
				}
				if e := w.events.Events(authn.EventOutage); len(e) != 1 || e[0].Reason != "store" {
					t.Errorf("%s: outages %+v", name, e)
				}
				w.st.reset(0, false)
				if err := revoke(w, set); err != nil {
					t.Errorf("%s, again: %v", name, err)
				}
				if reason := w.alive(set); reason == "" {
					t.Errorf("%s: the access token is good", name)
				}
			}
		}
	}
}

// J22: a refusal by Reload that cannot be written is an outage, and the next
// attempt is refused again.
func TestStoreFailsWhileReloadRefuses(t *testing.T) {
	w := newIssuerWorld(t, func(cfg *jwtauth.IssuerConfig) {
		cfg.Reload = func(context.Context, *authn.Identity) (*authn.Identity, error) {
			return nil, authn.Refused("gone", nil)
		}
	})
	set := w.login()
	w.st.reset(2, false) // Family, RevokeFamily
	_, err := w.issuer.Refresh(issuerCtx, set.Refresh.Reveal(), jwtauth.Grant{})
	issuerWant(t, "Refresh", err, 503, "unavailable", "store")
	w.st.reset(0, false)
	w.refuses(set, "invalid_grant", "refused by Reload")
	if reason := w.alive(set); reason != "login revoked" {
		t.Errorf("the access token: %q", reason)
	}
}

// J21: a caller who has gone is no outage, and has spent nothing that cannot be
// asked for again.
func TestClientHasGone(t *testing.T) {
	w := newIssuerWorld(t, nil)
	set := w.login()
	ctx, cancel := context.WithCancel(issuerCtx)
	w.st.before = func(call string) {
		if call == "AdvanceFamily" {
			cancel()
		}
	}
	w.st.reset(2, true)
	_, err := w.issuer.Refresh(ctx, set.Refresh.Reveal(), jwtauth.Grant{})
	issuerWant(t, "Refresh", err, 503, "unavailable", "store")
	if e := w.events.Events(authn.EventOutage); len(e) != 0 {
		t.Errorf("events %+v", e)
	}
	w.st.reset(0, false)
	w.clock.advance(9 * time.Second)
	w.refresh(set)
}
