package tokenserver_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/oauth/tokenserver"
)

// inactive is all that is told of what is not active.
const inactive = `{"active":false}`

// O14: introspection answers to whom a token was issued, and to whom it is for; for
// all others, and of all that is not active, the answer is the same.
func TestIntrospection(t *testing.T) {
	w := newWorld(t, func(_ *tokenserver.Config, icfg *jwtauth.IssuerConfig) { icfg.AccessTTL = 2 * time.Hour })
	_, secret := w.create(tokenserver.Client{ID: "worker"})
	serving := func(id string, audiences ...string) string {
		_, secret, err := w.CreateClient(t.Context(), tokenserver.Client{ID: id, Serves: audiences})
		if err != nil {
			t.Fatal(err)
		}
		return secret.Reveal()
	}
	ordersSecret, billsSecret, other := serving("orders", orders), serving("bills", bills), serving("other")
	token := w.get("worker", secret, "resource", orders, "scope", "orders:read")
	a := w.do("/introspect", basic("worker", secret), "token", token)
	c := claims(t, token, 1)
	for name, want := range map[string]any{
		"active": true, "scope": "orders:read", "client_id": "worker", "sub": "worker", "token_type": "Bearer",
		"iss": issuerURL, "exp": c["exp"], "iat": c["iat"], "jti": c["jti"],
	} {
		if a.body[name] != want {
			t.Errorf("%s is %v, want %v", name, a.body[name], want)
		}
	}
	if len(a.body) != 10 || !slices.Equal(sorted(a.body["aud"]), []string{orders}) {
		t.Errorf("%s", a.raw)
	}
	user := w.login("webapp").Access.Reveal()
	pending := w.login("webapp", func(g *jwtauth.Grant) { g.Identity.Pending, g.Refresh = []string{"otp"}, false }).Access.Reveal()
	refresh := w.login("worker").Refresh.Reveal()
	revoked := w.get("worker", secret)
	if err := w.issuer.RevokeToken(t.Context(), revoked, "worker"); err != nil {
		t.Fatal(err)
	}
	foreign := authn.Must(authn.Must(jwtauth.NewIssuer(authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.GenerateKey(jwtauth.ES256)))), w.st, authn.GenerateKeychain(), jwtauth.IssuerConfig{
		Issuer: issuerURL, Audience: []string{orders}, Now: w.now,
	})).Issue(t.Context(), jwtauth.Grant{Identity: &authn.Identity{Subject: "worker", Kind: authn.KindClient, VerifiedAt: w.now()}})).Access.Reveal()
	old := w.get("worker", secret)
	for _, tt := range []struct {
		name, id, secret, token string
		want                    bool
	}{
		{"its client", "worker", secret, token, true},
		{"its resource server", "orders", ordersSecret, token, true},
		{"another resource server", "bills", billsSecret, token, false},
		{"another client", "other", other, token, false},
		{"a user's, of a resource server", "bills", billsSecret, user, true},
		{"a user's, of another client", "worker", secret, user, false},
		{"half a login", "orders", ordersSecret, pending, false},
		{"revoked", "worker", secret, revoked, false},
		{"another key's", "worker", secret, foreign, false},
		{"a refresh token", "worker", secret, refresh, false},
		{"nonsense", "worker", secret, "nonsense", false},
		{"changed", "worker", secret, token[:len(token)-2] + "AA", false},
		{"a secret", "worker", secret, secret, false},
	} {
		a := w.do("/introspect", basic(tt.id, tt.secret), "token", tt.token)
		if a.status != http.StatusOK || (a.body["active"] == true) != tt.want || !tt.want && a.raw != inactive {
			t.Errorf("%s: %d %s", tt.name, a.status, a.raw)
		}
		if got := a.header.Get("Content-Type"); got != "application/json" {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
	w.forward(time.Hour - time.Second)
	if !w.active("worker", secret, old) {
		t.Error("it has expired before its time")
	}
	w.forward(time.Second)
	if a := w.do("/introspect", basic("worker", secret), "token", old); a.raw != inactive {
		t.Errorf("expired: %s", a.raw)
	}
	for _, hint := range []string{"access_token", "refresh_token", "nonsense"} {
		token := w.get("worker", secret)
		if a := w.do("/introspect", basic("worker", secret), "token", token, "token_type_hint", hint); a.body["active"] != true {
			t.Errorf("hint %s: %s", hint, a.raw)
		}
	}
	w.do("/introspect", basic("worker", secret)).is(t, "no token", 400, "invalid_request")
	w.do("/introspect", nil, "token", token).is(t, "no client", 401, "invalid_client")
	w.do("/introspect", field("Authorization", "Bearer "+token), "token", token).is(t, "a token as authentication", 401, "invalid_client")
}

// O14: an introspection reads the client and asks once about the token; what was not
// signed here is not asked about.
func TestIntrospectionAsksOnce(t *testing.T) {
	w := newWorld(t, nil)
	_, secret := w.create(tokenserver.Client{ID: "worker"})
	token := w.get("worker", secret)
	for token, want := range map[string]string{token: "client revoked", "nonsense": "client"} {
		w.st.made()
		w.active("worker", secret, token)
		if got := w.st.made(); got != want {
			t.Errorf("calls %q, want %q", got, want)
		}
	}
}

// O14: a client revokes its own tokens, access and refresh; whatever else is sent is
// answered the same, and nothing happens.
func TestRevocation(t *testing.T) {
	w := newWorld(t, nil)
	_, secret := w.create(tokenserver.Client{ID: "worker", Serves: []string{orders, bills}})
	_, other := w.create(tokenserver.Client{ID: "other"})
	revoke := func(what, id, secret string, parameters ...string) {
		t.Helper()
		a := w.do("/revoke", basic(id, secret), parameters...)
		if a.status != http.StatusOK || a.raw != "" {
			t.Errorf("%s: %d %q", what, a.status, a.raw)
		}
	}
	mine, kept := w.get("worker", secret), w.get("worker", secret)
	revoke("another client", "other", other, "token", mine)
	if !w.active("worker", secret, mine) {
		t.Error("another client has revoked it")
	}
	revoke("nonsense", "worker", secret, "token", "nonsense")
	revoke("changed", "worker", secret, "token", mine[:len(mine)-2]+"AA")
	revoke("unknown hint", "worker", secret, "token", mine, "token_type_hint", "nonsense")
	revoke("again", "worker", secret, "token", mine)
	if w.active("worker", secret, mine) || !w.active("worker", secret, kept) {
		t.Error("not revoked, or another one, too")
	}
	login := w.login("worker")
	revoke("another client's login", "other", other, "token", login.Refresh.Reveal())
	if !w.active("worker", secret, login.Access.Reveal()) {
		t.Error("another client has ended the login")
	}
	revoke("a refresh token with the wrong hint", "worker", secret, "token", login.Refresh.Reveal(), "token_type_hint", "access_token")
	if w.active("worker", secret, login.Access.Reveal()) {
		t.Error("the access token of a revoked login is good")
	}
	w.do("/token", basic("worker", secret), "grant_type", "refresh_token", "refresh_token", login.Refresh.Reveal()).is(t, "refresh", 400, "invalid_grant")
	w.do("/revoke", basic("worker", secret)).is(t, "no token", 400, "invalid_request")
	w.do("/revoke", nil, "token", kept).is(t, "no client", 401, "invalid_client")
	if !w.active("worker", secret, kept) {
		t.Error("nobody has revoked it")
	}
}
