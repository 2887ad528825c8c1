package jwtauth_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
)

// J24: an access token or a login is ended by its token; what is not good, or
// another client's, is no error and changes nothing.
func TestRevokeToken(t *testing.T) {
	foreign := newIssuerWorld(t, nil)
	foreign.issuer = foreign.instance(func(cfg *jwtauth.IssuerConfig) { cfg.Issuer = "https://other.example" })
	for _, tt := range []struct {
		name        string
		client      string // whose login it is
		token       func(w *issuerWorld, set jwtauth.TokenSet) string
		by          string // who asks
		wantAccess  string // why the access token is dead
		wantRefresh bool   // the refresh token is
	}{
		{"access token", "", issuerAccess, "", "token revoked", false},
		{"access token of a client, by it", "app", issuerAccess, "app", "token revoked", false},
		{"access token of a client, by its holder", "app", issuerAccess, "", "token revoked", false},
		{"access token, by another client", "app", issuerAccess, "other", "", false},
		{"access token of no client, by a client", "", issuerAccess, "app", "", false},
		{"refresh token", "", issuerRefresh, "", "login revoked", true},
		{"refresh token of a client, by it", "app", issuerRefresh, "app", "login revoked", true},
		{"refresh token, by another client", "app", issuerRefresh, "App", "", false},
		{"refresh token of no client, by a client", "", issuerRefresh, "app", "", false},
		{"foreign access token", "", func(*issuerWorld, jwtauth.TokenSet) string { return foreign.issue().Access.Reveal() }, "", "", false},
		{"foreign refresh token", "", func(*issuerWorld, jwtauth.TokenSet) string { return foreign.login().Refresh.Reveal() }, "", "", false},
		{"forged access token", "", func(w *issuerWorld, set jwtauth.TokenSet) string { return set.Access.Reveal() + "A" }, "", "", false},
		{"nothing", "", func(*issuerWorld, jwtauth.TokenSet) string { return "" }, "", "", false},
		{"two dots", "", func(*issuerWorld, jwtauth.TokenSet) string { return ".." }, "", "", false},
		{"a megabyte", "", func(*issuerWorld, jwtauth.TokenSet) string { return strings.Repeat("a.", 1<<19) }, "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newIssuerWorld(t, nil)
			set := w.login(func(g *jwtauth.Grant) { g.ClientID = tt.client })
			other := w.login()
			token := tt.token(w, set)
			for range 2 { // it may be repeated
				if err := w.issuer.RevokeToken(issuerCtx, token, tt.by); err != nil {
					t.Error(err)
				}
			}
			if reason := w.alive(set); reason != tt.wantAccess {
				t.Errorf("the access token: %q, want %q", reason, tt.wantAccess)
			}
			if reason := w.alive(other); reason != "" {
				t.Errorf("another login: %q", reason)
			}
			if _, err := w.issuer.Refresh(issuerCtx, set.Refresh.Reveal(), jwtauth.Grant{ClientID: tt.client}); (err != nil) != tt.wantRefresh {
				t.Errorf("the refresh token: %v", err)
			}
		})
	}
}

func issuerAccess(_ *issuerWorld, set jwtauth.TokenSet) string  { return set.Access.Reveal() }
func issuerRefresh(_ *issuerWorld, set jwtauth.TokenSet) string { return set.Refresh.Reveal() }

// J24: a revoked token stays dead for every verifier to which it would still be
// good; an expired one costs no record.
func TestRevokedUntilItsEnd(t *testing.T) {
	w := newIssuerWorld(t, nil)
	lenient, err := jwtauth.NewVerifier(w.st, jwtauth.VerifierConfig{
		Trust:  []jwtauth.Trust{{Issuer: issuerURL, Audiences: []string{issuerAPI}, Keys: w.ring}},
		Leeway: time.Minute, Now: w.clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	revoked, expired := w.issue(), w.issue()
	if err := w.issuer.RevokeToken(issuerCtx, revoked.Access.Reveal(), ""); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(15*time.Minute + 59*time.Second)
	if reason := issuerReason(lenient, revoked.Access.Reveal()); reason != "token revoked" {
		t.Errorf("within the leeway: %q", reason)
	}
	// What another service still takes can still be revoked.
	if reason := issuerReason(lenient, expired.Access.Reveal()); reason != "" {
		t.Fatal(reason)
	}
	if err := w.issuer.RevokeToken(issuerCtx, expired.Access.Reveal(), ""); err != nil {
		t.Fatal(err)
	}
	if reason := issuerReason(lenient, expired.Access.Reveal()); reason != "token revoked" {
		t.Errorf("revoked within the leeway: %q", reason)
	}
	w.clock.advance(time.Hour)
	w.st.reset(0, false)
	if err := w.issuer.RevokeToken(issuerCtx, w.issueAt(-2*time.Hour).Access.Reveal(), ""); err != nil || slices.Contains(w.st.called(), "RevokeToken") {
		t.Errorf("an expired one: %v, %v", err, w.st.called())
	}
}

// issueAt issues at another time.
func (w *issuerWorld) issueAt(d time.Duration) jwtauth.TokenSet {
	w.clock.advance(d)
	defer w.clock.advance(-d)
	return w.issue()
}

// J24: a login is ended by its subject and its sid, and by nothing else.
func TestRevokeFamily(t *testing.T) {
	w := newIssuerWorld(t, nil)
	set, other := w.login(), w.login()
	sid := issuerClaims(t, set)["sid"].(string)
	for _, tt := range []struct {
		subject, sid string
		calls        int
	}{
		{"bob", sid, 1},
		{"Ada", sid, 1},
		{"", sid, 0},
		{"ada", "", 0},
		{"ada", sid + "x", 1},
		{"ada", strings.ToUpper(sid), 1},
		{"ada", "\x00", 0},
		{"ada\x00", sid, 0},
		{"ada", strings.Repeat("x", 1<<20), 0},
		{"ada", strings.Split(set.Refresh.Reveal(), ".")[1], 1},
	} {
		w.st.reset(0, false)
		if err := w.issuer.RevokeFamily(issuerCtx, tt.subject, tt.sid); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%.20q, %.20q: %v, want ErrNotFound", tt.subject, tt.sid, err)
		}
		if calls := w.st.called(); len(calls) != tt.calls {
			t.Errorf("%.20q, %.20q: calls %v", tt.subject, tt.sid, calls)
		}
	}
	if n := len(w.events.Events(authn.EventOutage, authn.EventRevoked)); n != 0 {
		t.Errorf("%d events of what was not found", n)
	}
	if reason := w.alive(set); reason != "" {
		t.Errorf("after the near misses: %s", reason)
	}
	for range 2 {
		if err := w.issuer.RevokeFamily(issuerCtx, "ada", sid); err != nil {
			t.Fatal(err)
		}
	}
	if reason := w.alive(set); reason != "login revoked" {
		t.Errorf("the access token: %q", reason)
	}
	w.refuses(set, "invalid_grant", "revoked")
	if reason := w.alive(other); reason != "" {
		t.Errorf("another login: %q", reason)
	}
	w.refresh(other)
}

// J24: two subjects may have one tag; neither ends the other's login.
func TestLoginOfAnotherSubjectWithTheSameTag(t *testing.T) {
	w := newIssuerWorld(t, nil)
	set := w.login()
	sid := issuerClaims(t, set)["sid"].(string)
	tokens := w.st.Tokens
	w.st.Tokens = oneTag{tokens}
	if err := w.issuer.RevokeFamily(issuerCtx, "bob", sid); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v, want ErrNotFound", err)
	}
	if w.st.Tokens = tokens; w.alive(set) != "" {
		t.Error(w.alive(set))
	}
	if n := len(w.events.Events(authn.EventRevoked)); n != 0 {
		t.Errorf("%d events", n)
	}
}

// oneTag is a store in which bob's tag is ada's.
type oneTag struct{ store.Tokens }

func (s oneTag) Family(ctx context.Context, ref store.FamilyRef) (store.RefreshFamily, error) {
	ref.Tag = store.TagOf("ada")
	return s.Tokens.Family(ctx, ref)
}

func (s oneTag) RevokeFamily(ctx context.Context, ref store.FamilyRef, now time.Time) error {
	ref.Tag = store.TagOf("ada")
	return s.Tokens.RevokeFamily(ctx, ref, now)
}

// J24: everything of a subject dies at once, and what is proven afterwards
// lives, within the same second.
func TestRevokeSubjectWithinOneSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newIssuerWorld(t, nil)
		bob := w.login(issuerBy(func(id *authn.Identity) { id.Subject = "bob" }))
		for round := range 3 {
			login, short := w.login(), w.issue()
			w.clock.advance(time.Microsecond)
			if err := w.issuer.RevokeSubject(issuerCtx, "ada"); err != nil {
				t.Fatal(err)
			}
			w.clock.advance(time.Microsecond)
			next, nextShort := w.login(), w.issue()
			if a, b := issuerClaims(t, login), issuerClaims(t, next); a["iat"] != b["iat"] || b["ver"].(float64) != float64(round+2) {
				t.Fatalf("iat %v and %v, ver %v", a["iat"], b["iat"], b["ver"])
			}
			for _, dead := range []jwtauth.TokenSet{login, short} {
				if reason := w.alive(dead); reason != "subject revoked" {
					t.Errorf("issued before: %q", reason)
				}
			}
			w.refuses(login, "invalid_grant", "")
			for _, live := range []jwtauth.TokenSet{next, nextShort, w.refresh(next), bob} {
				if reason := w.alive(live); reason != "" {
					t.Errorf("issued after, or another's: %q", reason)
				}
			}
		}
		if err := w.issuer.RevokeSubject(issuerCtx, ""); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("nobody: %v", err)
		}
	})
}

// J24: a login whose proof began before the call, or at the same moment, gives
// no token after it.
func TestLoginInFlightIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			name  string
			since time.Duration // the revocation, from VerifiedAt
			dead  bool
		}{
			{"long after the proof began", time.Minute, true},
			{"a microsecond after it", time.Microsecond, true},
			{"at that moment", 0, true},
			{"a microsecond before it", -time.Microsecond, false},
			{"long before it", -time.Hour, false},
		} {
			for _, refresh := range []bool{false, true} {
				w := newIssuerWorld(t, nil)
				w.clock.advance(2 * time.Hour)
				id := w.ada()
				w.clock.advance(tt.since)
				if err := w.issuer.RevokeSubject(issuerCtx, "ada"); err != nil {
					t.Fatal(err)
				}
				w.clock.advance(-tt.since + 2*time.Minute)
				set, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: id, Refresh: refresh})
				if !tt.dead {
					if err != nil || w.alive(set) != "" {
						t.Errorf("%s: %v", tt.name, err)
					}
					continue
				}
				issuerWant(t, tt.name, err, 401, "invalid_token", "revoked during the login")
			}
		}
	})
}

// J24: a revocation between any two steps of a login or of a refresh in flight
// leaves nothing that is good.
func TestRevokeSubjectDuringEachStep(t *testing.T) {
	for _, call := range []string{"TokenVersion", "CreateFamily", "Family", "AdvanceFamily"} {
		w := newIssuerWorld(t, nil)
		set := w.login()
		w.clock.advance(time.Second)
		id := w.ada()
		w.clock.advance(time.Second)
		once := true
		w.st.before = func(name string) {
			if name == call && once {
				once = false
				if err := w.st.Tokens.RevokeTokensOf(issuerCtx, "ada"); err != nil {
					t.Error(err)
				}
			}
		}
		var next jwtauth.TokenSet
		var err error
		if call == "Family" || call == "AdvanceFamily" {
			next, err = w.issuer.Refresh(issuerCtx, set.Refresh.Reveal(), jwtauth.Grant{})
		} else {
			next, err = w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: id, Refresh: true})
		}
		if err == nil && w.alive(next) == "" || once {
			t.Errorf("%s: a token that is good after the revocation", call)
		}
		w.refuses(set, "invalid_grant", "")
		if err == nil && !next.Refresh.IsZero() {
			w.refuses(next, "invalid_grant", "")
		}
	}
}

// J24: of many at once, each token is dead or was issued after the revocation.
func TestRevokeSubjectRaces(t *testing.T) {
	w := newIssuerWorld(t, nil)
	sets := make(chan jwtauth.TokenSet, 200)
	start := make(chan struct{})
	for range 4 {
		go func() {
			<-start
			for range 50 {
				set, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: w.ada(), Refresh: true})
				if err != nil {
					set = jwtauth.TokenSet{}
				}
				sets <- set
			}
		}()
	}
	close(start)
	if err := w.issuer.RevokeSubject(issuerCtx, "ada"); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		set := <-sets
		if set.Access.IsZero() {
			continue
		}
		ver := issuerClaims(t, set)["ver"].(float64)
		if reason := w.alive(set); (reason == "") != (ver == 2) {
			t.Errorf("ver %v: %q", ver, reason)
		}
		if _, err := w.issuer.Refresh(issuerCtx, set.Refresh.Reveal(), jwtauth.Grant{}); (err == nil) != (ver == 2) {
			t.Errorf("ver %v: %v", ver, err)
		}
	}
}

// J24: what an active token says, and nothing of one that is not.
func TestIntrospect(t *testing.T) {
	w := newIssuerWorld(t, nil)
	thumbprint := strings.Repeat("t", 43)
	set := w.login(func(g *jwtauth.Grant) { g.ClientID, g.Confirm, g.Audience = "app", thumbprint, []string{issuerAPI} })
	info, err := w.issuer.Introspect(issuerCtx, set.Access.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if info.Identity.Subject != "ada" || info.ClientID != "app" || info.Confirm != thumbprint || len(info.Audience) != 1 || info.Audience[0] != issuerAPI ||
		!info.IssuedAt.Equal(w.clock.Now().Truncate(time.Second)) || !info.Identity.ExpiresAt.Equal(set.ExpiresAt) || !info.Identity.VerifiedAt.Equal(w.clock.Now()) {
		t.Errorf("%+v", info)
	}
	for name, token := range map[string]string{
		"nothing": "", "forged": set.Access.Reveal() + "A", "refresh token": set.Refresh.Reveal(),
		"expired": w.issueAt(-time.Hour).Access.Reveal(), "of tomorrow": w.issueAt(issuerDay).Access.Reveal(),
		"longer than any": strings.Repeat("x", 1<<20),
	} {
		info, err := w.issuer.Introspect(issuerCtx, token)
		issuerWant(t, name, err, 401, "invalid_token", "")
		if info.Identity != nil {
			t.Errorf("%s: %+v", name, info)
		}
	}
	w.st.down(true)
	_, err = w.issuer.Introspect(issuerCtx, set.Access.Reveal())
	issuerWant(t, "store down", err, 503, "unavailable", "store")
	w.st.down(false)
	if err := w.issuer.RevokeToken(issuerCtx, set.Refresh.Reveal(), ""); err != nil {
		t.Fatal(err)
	}
	_, err = w.issuer.Introspect(issuerCtx, set.Access.Reveal())
	issuerWant(t, "revoked", err, 401, "invalid_token", "login revoked")
}
