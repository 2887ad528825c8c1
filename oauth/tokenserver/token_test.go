package tokenserver_test

import (
	"context"
	"crypto/x509/pkix"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/oauth/tokenserver"
	"github.com/gatehouse-go/authn/ratelimit"
)

// O10, O12: a token is a JWT of RFC 9068 for an hour, and the answer says which
// scopes were granted, also when all that the client has are.
func TestTokenIsOfRFC9068(t *testing.T) {
	w := newWorld(t, nil)
	_, secret := w.create(tokenserver.Client{ID: "worker"})
	a := w.ask("worker", secret)
	if a.status != http.StatusOK || a.text("token_type") != "Bearer" || a.body["expires_in"] != 3600.0 || a.text("scope") != "orders:read orders:write" {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	if a.body["refresh_token"] != nil {
		t.Errorf("a refresh token: %s", a.raw)
	}
	if h := claims(t, a.text("access_token"), 0); h["typ"] != "at+jwt" || h["alg"] != "ES256" {
		t.Errorf("header %v", h)
	}
	c := claims(t, a.text("access_token"), 1)
	now := float64(w.now().Unix())
	for name, want := range map[string]any{
		"iss": issuerURL, "sub": "worker", "client_id": "worker", "scope": "orders:read orders:write", "iat": now, "exp": now + 3600,
	} {
		if c[name] != want {
			t.Errorf("%s is %v, want %v", name, c[name], want)
		}
	}
	if c["jti"] == "" || !slices.Equal(sorted(c["aud"]), []string{bills, orders}) {
		t.Errorf("jti %v, aud %v", c["jti"], c["aud"])
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+a.text("access_token"))
	id, err := w.issuer.Verifier().Verify(r)
	if err != nil || id.Kind != authn.KindClient || id.Subject != "worker" || len(id.Roles) > 0 || !slices.Equal(id.Scopes, []string{"orders:read", "orders:write"}) {
		t.Errorf("%+v, %v", id, err)
	}
}

// O10: Config.TTL is the lifetime.
func TestTokenTTL(t *testing.T) {
	w := newWorld(t, func(cfg *tokenserver.Config, _ *jwtauth.IssuerConfig) { cfg.TTL = 5 * time.Minute })
	_, secret := w.create(tokenserver.Client{ID: "worker"})
	if a := w.ask("worker", secret); a.body["expires_in"] != 300.0 {
		t.Errorf("%s", a.raw)
	}
}

// O10, O12: scope and resource narrow a token within what the client has; all else
// is an error of its own.
func TestScopeAndResourceNarrow(t *testing.T) {
	w := newWorld(t, func(_ *tokenserver.Config, icfg *jwtauth.IssuerConfig) {
		icfg.Audience = []string{orders, bills, "https://other.example"}
	})
	_, secret := w.create(tokenserver.Client{ID: "worker"})
	for _, tt := range []struct {
		name       string
		parameters []string
		scope      string
		aud        []string
		code       string
	}{
		{"nothing", nil, "orders:read orders:write", []string{bills, orders}, ""},
		{"a scope", []string{"scope", "orders:read"}, "orders:read", []string{bills, orders}, ""},
		{"both scopes", []string{"scope", "orders:write orders:read"}, "orders:write orders:read", []string{bills, orders}, ""},
		{"a scope twice", []string{"scope", "orders:read orders:read"}, "orders:read", []string{bills, orders}, ""},
		{"scope without a value", []string{"scope", ""}, "orders:read orders:write", []string{bills, orders}, ""},
		{"unknown scope", []string{"scope", "orders:read admin"}, "", nil, "invalid_scope"},
		{"scope in another case", []string{"scope", "Orders:read"}, "", nil, "invalid_scope"},
		{"two spaces", []string{"scope", "orders:read  orders:write"}, "", nil, "invalid_scope"},
		{"a space before", []string{"scope", " orders:read"}, "", nil, "invalid_scope"},
		{"a space alone", []string{"scope", " "}, "", nil, "invalid_scope"},
		{"a tab", []string{"scope", "orders:read\torders:write"}, "", nil, "invalid_scope"},
		{"a quote", []string{"scope", `orders:read"`}, "", nil, "invalid_scope"},
		{"not ASCII", []string{"scope", "orders:réad"}, "", nil, "invalid_scope"},
		{"a resource", []string{"resource", bills}, "orders:read orders:write", []string{bills}, ""},
		{"two resources", []string{"resource", bills, "resource", orders}, "orders:read orders:write", []string{bills, orders}, ""},
		{"a resource twice", []string{"resource", bills, "resource", bills}, "orders:read orders:write", []string{bills}, ""},
		{"resource without a value", []string{"resource", ""}, "orders:read orders:write", []string{bills, orders}, ""},
		{"the issuer's resource that the client has not", []string{"resource", "https://other.example"}, "", nil, "invalid_target"},
		{"unknown resource", []string{"resource", "https://evil.example"}, "", nil, "invalid_target"},
		{"a resource and another", []string{"resource", bills, "resource", "https://evil.example"}, "", nil, "invalid_target"},
		{"a slash more", []string{"resource", bills + "/"}, "", nil, "invalid_target"},
		{"a fragment", []string{"resource", bills + "#x"}, "", nil, "invalid_target"},
	} {
		a := w.ask("worker", secret, tt.parameters...)
		if tt.code != "" {
			a.is(t, tt.name, http.StatusBadRequest, tt.code)
			continue
		}
		if a.status != http.StatusOK {
			t.Errorf("%s: %d %s", tt.name, a.status, a.raw)
			continue
		}
		c := claims(t, a.text("access_token"), 1)
		if a.text("scope") != tt.scope || c["scope"] != tt.scope || !slices.Equal(sorted(c["aud"]), tt.aud) {
			t.Errorf("%s: scope %q and %q, aud %v", tt.name, a.text("scope"), c["scope"], c["aud"])
		}
	}
}

// O12: a thousand scopes are read, and one more is malformed; that is no scope at all,
// and not the client's own.
func TestManyScopes(t *testing.T) {
	w := newWorld(t, nil)
	_, secret := w.create(tokenserver.Client{ID: "worker"})
	scopes := make([]string, 1001)
	for i := range scopes {
		scopes[i] = fmt.Sprint("s", i)
	}
	for n, reason := range map[int]string{1000: "scope", 1001: "malformed scope"} {
		w.ask("worker", secret, "scope", strings.Join(scopes[:n], " ")).is(t, fmt.Sprint(n), 400, "invalid_scope")
		events := w.events.Events(authn.EventRefused)
		if last := events[len(events)-1]; last.Reason != reason || (last.Err != nil) != (n == 1001) {
			t.Errorf("%d scopes: %+v", n, last)
		}
	}
}

// O10: an audience that the issuer has no more is not in tokens; one that is left
// alone is invalid_target.
func TestAudienceFollowsTheIssuer(t *testing.T) {
	w := newWorld(t, nil)
	_, secret := w.create(tokenserver.Client{ID: "worker"})
	_, gone := w.create(tokenserver.Client{ID: "gone", Audience: []string{bills}})
	issuer := authn.Must(jwtauth.NewIssuer(ring, w.st, authn.GenerateKeychain(), jwtauth.IssuerConfig{Issuer: issuerURL, Audience: []string{orders}, Now: w.now}))
	w.Server = authn.Must(tokenserver.New(w.st, issuer, tokenserver.Config{Now: w.now}))
	if got := sorted(claims(t, w.get("worker", secret), 1)["aud"]); !slices.Equal(got, []string{orders}) {
		t.Errorf("aud %v", got)
	}
	w.ask("worker", secret, "resource", bills).is(t, "gone resource", 400, "invalid_target")
	w.ask("gone", gone).is(t, "nothing left", 400, "invalid_target")
}

// O10, O12: refresh tokens of logins that began with the client's id are exchanged
// through jwtauth, within what the login has, and nobody else's are.
func TestRefreshTokens(t *testing.T) {
	w := newWorld(t, nil)
	_, secret := w.create(tokenserver.Client{ID: "webapp"})
	_, other := w.create(tokenserver.Client{ID: "other"})
	login := w.login("webapp")
	refresh := func(id, secret, token string, parameters ...string) answer {
		return w.do("/token", basic(id, secret), append([]string{"grant_type", "refresh_token", "refresh_token", token}, parameters...)...)
	}
	refresh("other", other, login.Refresh.Reveal()).is(t, "another client", 400, "invalid_grant")
	refresh("webapp", secret, "nonsense").is(t, "nonsense", 400, "invalid_grant")
	refresh("webapp", secret, login.Refresh.Reveal(), "scope", "admin").is(t, "unknown scope", 400, "invalid_scope")
	refresh("webapp", secret, login.Refresh.Reveal(), "resource", "https://evil.example").is(t, "unknown resource", 400, "invalid_target")
	refresh("webapp", secret, "").is(t, "no token", 400, "invalid_request")
	a := refresh("webapp", secret, login.Refresh.Reveal(), "scope", "orders:read", "resource", bills)
	if a.status != http.StatusOK || a.text("scope") != "orders:read" || a.text("refresh_token") == "" || a.body["expires_in"] != 900.0 {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	if c := claims(t, a.text("access_token"), 1); c["sub"] != "ada" || c["client_id"] != "webapp" || !slices.Equal(sorted(c["aud"]), []string{bills}) {
		t.Errorf("%v", c)
	}
	w.forward(time.Minute) // after the grace
	refresh("webapp", secret, login.Refresh.Reveal()).is(t, "spent", 400, "invalid_grant")
	refresh("webapp", secret, a.text("refresh_token")).is(t, "its successor", 400, "invalid_grant")
}

// O10: a login that is bound to a certificate is refreshed over that one only; one
// that is not, over any.
func TestRefreshOfBoundLogins(t *testing.T) {
	w := newWorld(t, func(cfg *tokenserver.Config, _ *jwtauth.IssuerConfig) { cfg.BindTokens = true })
	_, secret := w.create(tokenserver.Client{ID: "webapp"})
	mine, stolen := certificate(pkix.Name{CommonName: "webapp"}), certificate(pkix.Name{CommonName: "webapp"})
	refresh := func(set jwtauth.TokenSet) answer {
		return w.do("/token", basic("webapp", secret), "grant_type", "refresh_token", "refresh_token", set.Refresh.Reveal())
	}
	bound := w.login("webapp", func(g *jwtauth.Grant) { g.Confirm = jwtauth.Thumbprint(mine) })
	refresh(bound).is(t, "no certificate", 400, "invalid_grant")
	w.cert = stolen
	refresh(bound).is(t, "another certificate", 400, "invalid_grant")
	if a := refresh(w.login("webapp")); a.status != http.StatusOK {
		t.Errorf("not bound: %d %s", a.status, a.raw)
	}
	w.cert = mine
	if a := refresh(bound); a.status != http.StatusOK || claims(t, a.text("access_token"), 1)["cnf"] == nil {
		t.Errorf("bound: %d %s", a.status, a.raw)
	}
}

// O10: with BindTokens a token is bound to the certificate that its request came
// over, if there was one, whatever the client's method.
func TestTokensAreBound(t *testing.T) {
	cert := certificate(pkix.Name{CommonName: "worker"})
	for _, bind := range []bool{true, false} {
		w := newWorld(t, func(cfg *tokenserver.Config, _ *jwtauth.IssuerConfig) { cfg.BindTokens = bind })
		_, secret := w.create(tokenserver.Client{ID: "worker"})
		if got := claims(t, w.get("worker", secret), 1)["cnf"]; got != nil {
			t.Errorf("BindTokens %v: without a certificate: %v", bind, got)
		}
		w.cert = cert
		token := w.get("worker", secret)
		cnf, _ := claims(t, token, 1)["cnf"].(map[string]any)
		if (cnf["x5t#S256"] == jwtauth.Thumbprint(cert)) != bind || !bind && cnf != nil {
			t.Errorf("BindTokens %v: %v", bind, cnf)
		}
		a := w.do("/introspect", basic("worker", secret), "token", token)
		cnf, _ = a.body["cnf"].(map[string]any)
		if bind && cnf["x5t#S256"] != jwtauth.Thumbprint(cert) {
			t.Errorf("introspection: %s", a.raw)
		}
	}
}

// O12: grant types and what the client may not use.
func TestGrantTypes(t *testing.T) {
	w := newWorld(t, nil)
	_, secret := w.create(tokenserver.Client{ID: "worker"})
	_, server, err := w.CreateClient(t.Context(), tokenserver.Client{ID: "orders", Serves: []string{orders}})
	if err != nil {
		t.Fatal(err)
	}
	for name, code := range map[string]string{
		"": "invalid_request", "password": "unsupported_grant_type", "authorization_code": "unsupported_grant_type",
		"Client_Credentials": "unsupported_grant_type", "client_credentials ": "unsupported_grant_type",
		"urn:ietf:params:oauth:grant-type:jwt-bearer": "unsupported_grant_type",
	} {
		w.do("/token", basic("worker", secret), "grant_type", name).is(t, name, 400, code)
	}
	w.do("/token", basic("worker", secret)).is(t, "no grant_type", 400, "invalid_request")
	w.ask("orders", server.Reveal()).is(t, "no audience", 400, "unauthorized_client")
}

// O12: outages are 503 with Retry-After, mistakes of the host 500; neither is told
// as an error of the client's. What the host's own code refuses is not, either.
func TestOutagesAreNotTheClientsFault(t *testing.T) {
	w := newWorld(t, nil)
	_, secret := w.create(tokenserver.Client{ID: "worker"})
	token := w.get("worker", secret)
	for _, tt := range []struct{ down, path, name, value string }{
		{"client", "/token", "grant_type", "client_credentials"},
		{"version", "/token", "grant_type", "client_credentials"},
		{"client", "/introspect", "token", token},
		{"revoked", "/introspect", "token", token},
		{"revoke", "/revoke", "token", token},
	} {
		w.st.fail(tt.down)
		a := w.do(tt.path, basic("worker", secret), tt.name, tt.value)
		w.st.fail("")
		a.is(t, tt.path+" without "+tt.down, 503, "temporarily_unavailable")
		if a.header.Get("Retry-After") != "5" || strings.Contains(a.raw, errDown.Error()) {
			t.Errorf("%s: %s %v", tt.path, a.raw, a.header)
		}
	}
	owed := func(f func() ([]string, error)) func(*tokenserver.Config, *jwtauth.IssuerConfig) {
		return func(_ *tokenserver.Config, icfg *jwtauth.IssuerConfig) {
			icfg.Owed = func(context.Context, *http.Request, *authn.Identity) ([]string, error) { return f() }
		}
	}
	for name, tt := range map[string]struct {
		owed   func() ([]string, error)
		status int
		code   string
	}{
		"a factor": {func() ([]string, error) { return []string{"otp"}, nil }, 500, "server_error"},
		"no name":  {func() ([]string, error) { return []string{""}, nil }, 500, "server_error"},
		"outage":   {func() ([]string, error) { return nil, errDown }, 503, "temporarily_unavailable"},
		"limit":    {func() ([]string, error) { return nil, &authn.Error{Status: 429, Code: "quota_exceeded"} }, 429, "temporarily_unavailable"},
		"refusal":  {func() ([]string, error) { return nil, authn.Forbidden("suspended", nil) }, 400, "unauthorized_client"},
		"401":      {func() ([]string, error) { return nil, authn.Refused("suspended", nil) }, 400, "unauthorized_client"},
	} {
		w := newWorld(t, owed(tt.owed))
		_, secret := w.create(tokenserver.Client{ID: "worker"})
		w.ask("worker", secret).is(t, "Owed: "+name, tt.status, tt.code)
	}
}

// O12: what is refused or fails is told once, by the Server or by the Issuer, with
// the client if it is known.
func TestRefusalsAreToldOnce(t *testing.T) {
	var issuer authntest.Recorder
	w := newWorld(t, func(_ *tokenserver.Config, icfg *jwtauth.IssuerConfig) { icfg.OnEvent = issuer.OnEvent })
	_, secret := w.create(tokenserver.Client{ID: "worker"})
	refresh, token := w.login("worker").Refresh.Reveal(), w.get("worker", secret)
	told := func(r *authntest.Recorder) []authn.Event { return r.Events(authn.EventRefused, authn.EventOutage) }
	for _, tt := range []struct {
		name, path, down string
		parameters       []string
		byIssuer         bool
	}{
		{"scope", "/token", "", []string{"grant_type", "client_credentials", "scope", "admin"}, false},
		{"grant type", "/token", "", []string{"grant_type", "password"}, false},
		{"no version", "/token", "version", []string{"grant_type", "client_credentials"}, true},
		{"refresh: resource", "/token", "", []string{"grant_type", "refresh_token", "refresh_token", refresh, "resource", "https://evil.example"}, true},
		{"refresh: scope", "/token", "", []string{"grant_type", "refresh_token", "refresh_token", refresh, "scope", "admin"}, true},
		{"refresh: nonsense", "/token", "", []string{"grant_type", "refresh_token", "refresh_token", "x"}, true},
		{"no introspection", "/introspect", "revoked", []string{"token", token}, false},
		{"no revocation", "/revoke", "revoke", []string{"token", token}, true},
	} {
		mine, others := len(told(&w.events)), len(told(&issuer))
		w.st.fail(tt.down)
		w.do(tt.path, basic("worker", secret), tt.parameters...)
		w.st.fail("")
		events := told(&w.events)[mine:]
		if tt.byIssuer {
			if len(events) > 0 {
				t.Errorf("%s: told twice: %+v", tt.name, events)
			}
			events = told(&issuer)[others:]
		}
		if len(events) != 1 || !events[0].Addr.IsValid() || !tt.byIssuer && events[0].Subject != "worker" {
			t.Errorf("%s: %+v", tt.name, events)
		}
	}
}

// O12: a Limiter around the Server refuses a client's address before a secret is
// looked at, or anything asked of the store of clients.
func TestLimiterStandsBeforeHashing(t *testing.T) {
	w := newWorld(t, nil)
	_, secret := w.create(tokenserver.Client{ID: "worker"})
	limiter := authn.Must(ratelimit.New(w.st, ratelimit.Config{}, ratelimit.Window("token", 3, time.Minute, ratelimit.ByClient)))
	h := limiter.Middleware(w.Server)
	w.st.made()
	statuses := map[int]int{}
	for range 10 {
		r := httptest.NewRequest(http.MethodPost, issuerURL+"/token", strings.NewReader("grant_type=client_credentials"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth("worker", secret)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		statuses[rec.Code]++
	}
	if calls := w.st.made(); statuses[200] != 3 || statuses[429] != 7 || strings.Count(calls, "client") != 3 {
		t.Errorf("%v, calls %s", statuses, calls)
	}
}
