package jwtauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

// issuerOwesOTP owes otp until it is proven.
func issuerOwesOTP(cfg *jwtauth.IssuerConfig) {
	cfg.Owed = func(_ context.Context, _ *http.Request, id *authn.Identity) ([]string, error) {
		if _, ok := id.FactorAt("otp"); ok {
			return nil, nil
		}
		return []string{"otp"}, nil
	}
}

// J13: who owes a factor gets a pending token: no refresh token and no login,
// for this issuer alone, of at most ten minutes.
func TestHalfALoginIsPending(t *testing.T) {
	w := newIssuerWorld(t, issuerOwesOTP)
	w.st.reset(0, false)
	set, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: w.ada(), Refresh: true, TTL: issuerDay, Audience: []string{issuerAPI}})
	if err != nil {
		t.Fatal(err)
	}
	if !set.Refresh.IsZero() || !set.RefreshExpiresAt.IsZero() || set.Scopes != nil || !slices.Equal(set.Pending, []string{"otp"}) {
		t.Errorf("TokenSet %+v", set)
	}
	if got := w.st.called(); slices.Contains(got, "CreateFamily") {
		t.Errorf("calls %v", got)
	}
	c := issuerClaims(t, set)
	if c["aud"] != issuerURL || c["exp"].(float64)-c["iat"].(float64) != 600 || c["scope"] != nil || c["roles"] != nil || c["sid"] != nil {
		t.Errorf("claims %v", c)
	}
	if typ := issuerDecoded(t, set.Access.Reveal(), 0)["typ"]; typ != "pending+jwt" {
		t.Errorf("typ %v", typ)
	}
	if n := len(w.events.Events(authn.EventLogin, authn.EventCreated)); n != 0 {
		t.Errorf("%d events of a login that is not yet one", n)
	}
}

// J13: half a login is nobody everywhere but where a route says AllowPending;
// there the factor is proven, and the whole Identity becomes the login.
func TestSecondFactorCompletesTheLogin(t *testing.T) {
	w := newIssuerWorld(t, issuerOwesOTP)
	ada := w.ada()
	ada.Issuer = "https://idp.example"
	ada.Attributes["note"] = "a \"b\" \\ <&> \u2028 \U0001F600 \u0000"
	ada.Factors[0].At = w.clock.Now().Add(-1234567 * time.Microsecond)
	half, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: ada, Refresh: true})
	if err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Minute)
	var seen *authn.Identity
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen, _ = authn.FromContext(r.Context()) })
	v := w.issuer.Verifier()
	for _, tt := range []struct {
		name   string
		h      http.Handler
		status int
		signed bool
	}{
		{"Require", authn.Require(v)(handler), 401, false},
		{"Optional", authn.Optional(v)(handler), 200, false},
		{"AllowPending of another factor", authn.Require(v, authn.AllowPending("webauthn"))(handler), 401, false},
		{"AllowPending", authn.Require(v, authn.AllowPending("otp"))(handler), 200, true},
	} {
		seen = nil
		rec := httptest.NewRecorder()
		tt.h.ServeHTTP(rec, issuerBearer(half.Access.Reveal()))
		if rec.Code != tt.status || (seen != nil) != tt.signed {
			t.Errorf("%s: %d, %v", tt.name, rec.Code, seen)
		}
	}
	want := ada.Clone()
	want.Pending, want.VerifiedAt = []string{"otp"}, w.clock.Now()
	want.ExpiresAt, want.CredentialID, want.Credential = seen.ExpiresAt, seen.CredentialID, seen.Credential
	for i := range seen.Factors {
		seen.Factors[i].At = seen.Factors[i].At.UTC()
	}
	if !reflect.DeepEqual(seen, want) {
		t.Errorf("what came back is %+v\nwant %+v", seen, want)
	}
	full, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: seen.WithFactor(authn.Factor{Name: "otp", At: w.clock.Now()}), Refresh: true})
	if err != nil || full.Refresh.IsZero() || full.Pending != nil || w.alive(full) != "" {
		t.Fatalf("after the factor: %+v, %v", full, err)
	}
	c := issuerClaims(t, full)
	if !reflect.DeepEqual(c["amr"], []any{"pwd", "otp"}) || c["scope"] != "orders:read orders:write" || c["auth_time"] != float64(w.clock.Now().Unix()) {
		t.Errorf("claims %v", c)
	}
	w.refresh(full)
}

// J13: half a login ends after ten minutes, to the second.
func TestHalfALoginEnds(t *testing.T) {
	w := newIssuerWorld(t, issuerOwesOTP)
	half := w.issue()
	w.clock.advance(10*time.Minute - 1)
	if reason := w.alive(half); reason != "" {
		t.Errorf("before: %s", reason)
	}
	w.clock.advance(1)
	if reason := w.alive(half); reason != "expired" {
		t.Errorf("at its end: %q", reason)
	}
}

// J8, J13: a pending token is no access token, and is good at its issuer only.
func TestPendingTokenIsNoAccessToken(t *testing.T) {
	w := newIssuerWorld(t, issuerOwesOTP)
	half := w.issue().Access.Reveal()
	for _, audience := range []string{issuerAPI, issuerURL} { // also of a service that calls itself as the issuer
		v, err := jwtauth.NewVerifier(w.st, jwtauth.VerifierConfig{
			Trust: []jwtauth.Trust{{Issuer: issuerURL, Audiences: []string{audience}, Keys: w.ring}}, Now: w.clock.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		if reason := issuerReason(v, half); reason != "wrong type" {
			t.Errorf("a service %s: %q", audience, reason)
		}
	}
	_, err := w.issuer.Introspect(issuerCtx, half)
	issuerWant(t, "Introspect", err, 401, "invalid_token", "pending")
	_, err = w.issuer.Refresh(issuerCtx, half, jwtauth.Grant{})
	issuerWant(t, "Refresh", err, 400, "invalid_grant", "malformed")
	// An Identity of another issuer of ours that has the same keys.
	other := w.instance(func(cfg *jwtauth.IssuerConfig) { cfg.Issuer = "https://other.example" })
	if reason := issuerReason(other.Verifier(), half); reason != "wrong issuer" {
		t.Errorf("another issuer: %q", reason)
	}
}

// J13, J24: revoking ends half a login, too, and so does a revocation between
// the two factors.
func TestHalfALoginIsRevoked(t *testing.T) {
	w := newIssuerWorld(t, issuerOwesOTP)
	half := w.issue()
	id, err := w.issuer.Verifier().Verify(issuerBearer(half.Access.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Millisecond)
	if err := w.issuer.RevokeSubject(issuerCtx, "ada"); err != nil {
		t.Fatal(err)
	}
	if reason := w.alive(half); reason != "subject revoked" {
		t.Errorf("after RevokeSubject: %q", reason)
	}
	w.clock.advance(time.Millisecond)
	_, err = w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: id.WithFactor(authn.Factor{Name: "otp", At: w.clock.Now()})})
	issuerWant(t, "the second factor of a revoked login", err, 401, "invalid_token", "revoked during the login")

	w.clock.advance(time.Second)
	half = w.issue()
	if err := w.issuer.RevokeToken(issuerCtx, half.Access.Reveal(), ""); err != nil {
		t.Fatal(err)
	}
	if reason := w.alive(half); reason != "token revoked" {
		t.Errorf("after RevokeToken: %q", reason)
	}
}

// J13: what Owed says adds to what the Identity owes, and is asked again for
// each step; its error refuses the login.
func TestOwedDecides(t *testing.T) {
	var seen *http.Request
	owed, fails := []string{"otp", "webauthn"}, error(nil)
	w := newIssuerWorld(t, func(cfg *jwtauth.IssuerConfig) {
		cfg.Owed = func(_ context.Context, r *http.Request, id *authn.Identity) ([]string, error) {
			seen = r
			id.Roles[0], id.Pending = "admin", nil // a clone
			return owed, fails
		}
	})
	login := httptest.NewRequest(http.MethodPost, "/login", nil)
	set := w.issue(func(g *jwtauth.Grant) { g.Request, g.Identity.Pending = login, []string{"terms", "otp"} })
	if want := []string{"terms", "otp", "webauthn"}; !slices.Equal(set.Pending, want) || seen != login {
		t.Errorf("pending %v, want %v", set.Pending, want)
	}
	owed = nil
	if set = w.issue(func(g *jwtauth.Grant) { g.Identity.Pending = []string{"otp"} }); !slices.Equal(set.Pending, []string{"otp"}) {
		t.Errorf("pending %v", set.Pending)
	}
	if c := issuerClaims(t, w.issue()); !reflect.DeepEqual(c["roles"], []any{"editor"}) {
		t.Errorf("roles %v", c["roles"])
	}
	for _, tt := range []struct {
		err    error
		status int
	}{{errIssuerDown, 503}, {authn.Forbidden("locked", nil), 403}} {
		fails = tt.err
		for _, refresh := range []bool{false, true} {
			set, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: w.ada(), Refresh: refresh})
			if !errors.Is(err, tt.err) || authn.AsError(err).Status != tt.status || !set.Access.IsZero() {
				t.Errorf("Owed fails by %v: %v", tt.err, err)
			}
		}
	}
}

// J13: a factor without a name is a mistake that must not pass as nothing owed.
func TestFactorWithoutName(t *testing.T) {
	w := newIssuerWorld(t, nil)
	for _, pending := range [][]string{{""}, {"", "otp"}, {"otp", ""}} {
		set, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: func() *authn.Identity { id := w.ada(); id.Pending = pending; return id }()})
		issuerWant(t, fmt.Sprintf("%q", pending), err, 500, "internal", "")
		if !set.Access.IsZero() {
			t.Errorf("pending %q: there is a token", pending)
		}
	}
}

// J13: a pending token is of the Identity within it, which owes something.
func TestPendingTokenHasItsIdentity(t *testing.T) {
	w := newIssuerWorld(t, issuerOwesOTP)
	half := w.issue()
	for _, tt := range []struct {
		name   string
		change func(c map[string]any, id *authn.Identity)
		reason string
	}{
		{"as it was", func(map[string]any, *authn.Identity) {}, ""},
		{"none", func(c map[string]any, _ *authn.Identity) { delete(c, "identity") }, noIdentity},
		{"an empty one", func(c map[string]any, _ *authn.Identity) { c["identity"] = "" }, noIdentity},
		{"one that is no JSON", func(c map[string]any, _ *authn.Identity) { c["identity"] = "{" }, noIdentity},
		{"one that cannot be read to its end", func(c map[string]any, _ *authn.Identity) {
			c["identity"] = `{"subject":"ada","kind":"user","pending":["otp"],"roles":1}`
		}, noIdentity},
		{"another subject in it", func(_ map[string]any, id *authn.Identity) { id.Subject = "bob" }, noIdentity},
		{"another subject outside", func(c map[string]any, _ *authn.Identity) { c["sub"] = "bob" }, noIdentity},
		{"it owes nothing", func(_ map[string]any, id *authn.Identity) { id.Pending = nil }, noIdentity},
	} {
		c, id := issuerClaims(t, half), &authn.Identity{}
		if err := json.Unmarshal([]byte(c["identity"].(string)), id); err != nil {
			t.Fatal(err)
		}
		c["identity"] = id
		tt.change(c, id)
		if c["identity"] == id {
			c["identity"] = string(authn.Must(json.Marshal(id)))
		}
		tok := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims(c))
		tok.Header["kid"], tok.Header["typ"] = "k1", "pending+jwt"
		if got := issuerReason(w.issuer.Verifier(), authn.Must(tok.SignedString([]byte(issuerSecret)))); got != tt.reason {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.reason)
		}
	}
}

// J13: what cannot be written is no half of a login.
func TestIdentityThatIsNoJSON(t *testing.T) {
	w := newIssuerWorld(t, issuerOwesOTP)
	id := w.ada()
	id.Factors[0].At = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) // which RFC 3339 does not have
	set, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: id})
	issuerWant(t, "Issue", err, 500, "internal", "")
	if !set.Access.IsZero() {
		t.Error("there is a token")
	}
}

// J13: a pending token that Issue hands out is one that its Verifier takes,
// whatever the host's attributes are called.
func TestPendingTokenCarriesAnyAttributes(t *testing.T) {
	many := map[string]string{}
	for i := range 200 {
		many[fmt.Sprint("a", i)] = "x"
	}
	w := newIssuerWorld(t, issuerOwesOTP)
	for name, attributes := range map[string]map[string]string{
		"two cases of a name": {"team": "north", "Team": "south"},
		"many":                many,
		"names of claims":     {"iss": "x", "exp": "y", "": "z"},
		"no text":             {"a\xff": "b\xff"},
	} {
		id := w.ada()
		id.Attributes = attributes
		set, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: id})
		if err != nil {
			if authn.AsError(err).Status != 500 {
				t.Errorf("%s: %v", name, err)
			}
			continue // told at once
		}
		got, err := w.issuer.Verifier().Verify(issuerBearer(set.Access.Reveal()))
		if err != nil {
			t.Errorf("%s: issued, and refused: %v", name, err)
			continue
		}
		if name != "no text" && !reflect.DeepEqual(got.Attributes, attributes) {
			t.Errorf("%s: %v", name, got.Attributes)
		}
	}
}

// J13: half a login does not show what the login will be bound to, and carries
// no secret of the package: what is in it is the Identity.
func TestPendingTokenSaysTheIdentityOnly(t *testing.T) {
	w := newIssuerWorld(t, issuerOwesOTP)
	id := w.ada()
	id.CredentialID, id.ExpiresAt, id.Credential = "session-7", w.clock.Now(), "secret"
	set, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: id})
	if err != nil {
		t.Fatal(err)
	}
	text := string(authn.Must(json.Marshal(issuerClaims(t, set))))
	if strings.Contains(text, "session-7") || strings.Contains(text, "secret") {
		t.Errorf("claims %s", text)
	}
}
