package oauth_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/oauth"
)

// module is one of the relying-party test modules of the OpenID Foundation's
// conformance suite (gitlab.com/openid/conformance-suite, oidcc-client-test-plan),
// under its name there, for the certification profiles Basic RP, Form Post RP,
// Config RP and Refresh Token RP.
//
// These of the suite do not apply, since nothing of them is offered: those of
// the implicit and hybrid flows (-nonce-unless-code-flow, -invalid-c-hash,
// -missing-c-hash, -invalid-at-hash, -missing-at-hash), of dynamic registration
// and WebFinger (-dynamic-registration, -discovery-webfinger-acct,
// -discovery-webfinger-url), of request objects (-request-uri-signed-none,
// -request-uri-signed-rs256), -userinfo-signed, -3rd-party-init-login, and
// -userinfo-bearer-body, whose contrary -userinfo-bearer-header is shown.
type module struct {
	name    string
	hostile func(p *authntest.Provider)
	code    string // of the refusal; "" is a login
	why     string // is in the event
	// then looks at what came of a login.
	then func(t *testing.T, h *host, p *authntest.Provider, who oauth.Profile)
}

// token is a provider that changes its id_tokens before it signs them.
func token(change func(header, claims map[string]any)) func(*authntest.Provider) {
	return func(p *authntest.Provider) { p.OnToken = change }
}

// answers is a provider that changes what it answers at path.
func answers(path string, change func(p *authntest.Provider, answer map[string]any)) func(*authntest.Provider) {
	return func(p *authntest.Provider) {
		p.OnAnswer = func(r *http.Request, answer map[string]any) {
			if r.URL.Path == path {
				change(p, answer)
			}
		}
	}
}

// forged is a provider that signs by algorithm, and spoils the signature.
func forged(algorithm string) func(*authntest.Provider) {
	return func(p *authntest.Provider) {
		p.Algorithm = algorithm
		answers("/token", func(_ *authntest.Provider, answer map[string]any) {
			head, sig := cutLast(answer["id_token"].(string))
			b, _ := base64.RawURLEncoding.DecodeString(sig)
			b[len(b)/2] ^= 1
			answer["id_token"] = head + "." + base64.RawURLEncoding.EncodeToString(b)
		})(p)
	}
}

func cutLast(token string) (head, sig string) {
	at := strings.LastIndexByte(token, '.')
	return token[:at], token[at+1:]
}

var modules = []module{
	// Basic RP, and Form Post RP.
	{name: "oidcc-client-test", then: func(t *testing.T, _ *host, _ *authntest.Provider, p oauth.Profile) {
		if p.Subject != "ada" || p.Email != "ada@example.com" || !p.EmailVerified || p.Name != "Ada Lovelace" || p.Provider != "op" || p.IDToken.IsZero() || p.Token == nil {
			t.Errorf("%+v", p)
		}
	}},
	{name: "oidcc-client-test-nonce-invalid", hostile: token(func(_, c map[string]any) { c["nonce"] = c["nonce"].(string) + "x" }), code: "login_failed", why: "nonce"},
	{name: "oidcc-client-test-scope-userinfo-claims", hostile: token(func(_, c map[string]any) {
		for _, name := range []string{"name", "email", "email_verified"} {
			delete(c, name)
		}
	}), then: func(t *testing.T, _ *host, _ *authntest.Provider, p oauth.Profile) {
		if p.Email != "ada@example.com" || !p.EmailVerified || p.Name != "Ada Lovelace" {
			t.Errorf("userinfo does not count: %+v", p)
		}
	}},
	{name: "oidcc-client-test-client-secret-basic", hostile: func(p *authntest.Provider) {
		answers("/.well-known/openid-configuration", func(_ *authntest.Provider, a map[string]any) {
			a["token_endpoint_auth_methods_supported"] = []string{"client_secret_basic"}
		})(p)
		p.OnRequest = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/token" {
				return false
			}
			_, _, basic := r.BasicAuth()
			if basic {
				return false // with a secret in the form, too, the provider refuses
			}
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
	}},
	{name: "oidcc-client-test-kid-absent-single-jwks", hostile: func(p *authntest.Provider) {
		token(func(h, _ map[string]any) { delete(h, "kid") })(p)
		answers("/jwks", func(_ *authntest.Provider, a map[string]any) {
			key := a["keys"].([]map[string]any)[0]
			delete(key, "kid")
			a["keys"] = []map[string]any{key}
		})(p)
	}},
	// The suite allows both, to refuse and to try the keys. Here the key decides
	// what a token may be, so there has to be one only.
	{name: "oidcc-client-test-kid-absent-multiple-jwks", hostile: func(p *authntest.Provider) {
		token(func(h, _ map[string]any) { delete(h, "kid") })(p)
		answers("/jwks", func(_ *authntest.Provider, a map[string]any) {
			keys := a["keys"].([]map[string]any)
			other := map[string]any{
				"kty": "RSA", "use": "sig", "alg": "RS256", "e": "AQAB",
				"n": base64.RawURLEncoding.EncodeToString(slices.Repeat([]byte{0xc5}, 256)),
			}
			delete(keys[0], "kid")
			a["keys"] = []map[string]any{other, keys[0]}
		})(p)
	}, code: "login_failed", why: "unknown key"},
	{name: "oidcc-client-test-missing-iat", hostile: token(func(_, c map[string]any) { delete(c, "iat") }), code: "login_failed", why: "iat"},
	{name: "oidcc-client-test-missing-sub", hostile: token(func(_, c map[string]any) { delete(c, "sub") }), code: "login_failed", why: "sub"},
	{name: "oidcc-client-test-missing-aud", hostile: token(func(_, c map[string]any) { delete(c, "aud") }), code: "login_failed", why: "aud"},
	{name: "oidcc-client-test-invalid-aud", hostile: token(func(_, c map[string]any) { c["aud"] = "another" }), code: "login_failed", why: "aud"},
	{name: "oidcc-client-test-invalid-iss", hostile: token(func(_, c map[string]any) { c["iss"] = c["iss"].(string) + "/" }), code: "login_failed", why: "iss"},
	{name: "oidcc-client-test-idtoken-sig-none", hostile: token(func(h, _ map[string]any) { h["alg"] = "none" }), code: "login_failed", why: "alg"},
	{name: "oidcc-client-test-idtoken-sig-rs256", hostile: func(p *authntest.Provider) { p.Algorithm = "RS256" }},
	{name: "oidcc-client-test-invalid-sig-rs256", hostile: forged("RS256"), code: "login_failed", why: "signature"},
	{name: "oidcc-client-test-invalid-sig-es256", hostile: forged("ES256"), code: "login_failed", why: "signature"},
	{name: "oidcc-client-test-invalid-sig-hs256", hostile: token(func(h, _ map[string]any) { h["alg"] = "HS256" }), code: "login_failed", why: "alg"},
	{name: "oidcc-client-test-userinfo-invalid-sub", hostile: func(p *authntest.Provider) {
		answers("/userinfo", func(_ *authntest.Provider, a map[string]any) { a["sub"] = "mallory" })(p)
		token(func(_, c map[string]any) { delete(c, "email") })(p)
	}, code: "login_failed", why: "userinfo"},
	{name: "oidcc-client-test-userinfo-bearer-header", hostile: func(p *authntest.Provider) {
		token(func(_, c map[string]any) { delete(c, "email") })(p)
		p.OnRequest = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/userinfo" || r.URL.RawQuery == "" && r.Method == http.MethodGet && strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
				return false
			}
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
	}, then: func(t *testing.T, h *host, _ *authntest.Provider, _ oauth.Profile) {
		if h.requests("/userinfo") != 1 {
			t.Errorf("userinfo is asked %d times", h.requests("/userinfo"))
		}
	}},
	// Claims that are said to be elsewhere are not fetched.
	{name: "oidcc-client-test-aggregated-claims", hostile: sources(map[string]any{"JWT": "e30.e30."})},
	{name: "oidcc-client-test-distributed-claims", hostile: sources(map[string]any{"endpoint": "/claims", "access_token": "x"}), then: func(t *testing.T, h *host, _ *authntest.Provider, _ oauth.Profile) {
		if h.requests("/claims") != 0 {
			t.Error("the claims are fetched")
		}
	}},
	{name: "oidcc-client-test-formpost-error", hostile: func(p *authntest.Provider) { p.Claims = nil }, code: "access_denied", why: "access_denied"},

	// Config RP.
	{name: "oidcc-client-test-discovery-openid-config", then: func(t *testing.T, h *host, _ *authntest.Provider, _ oauth.Profile) {
		if n := h.requests("/.well-known/openid-configuration"); n != 1 {
			t.Errorf("the configuration is asked for %d times", n)
		}
	}},
	{name: "oidcc-client-test-discovery-jwks-uri-keys", hostile: func(p *authntest.Provider) {
		answers("/.well-known/openid-configuration", func(p *authntest.Provider, a map[string]any) { a["jwks_uri"] = p.URL + "/keys/7" })(p)
		p.OnRequest = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/keys/7" {
				r.URL.Path = "/jwks"
			}
			return false
		}
	}, then: func(t *testing.T, h *host, _ *authntest.Provider, _ oauth.Profile) {
		if h.requests("/keys/7") != 1 || h.requests("/jwks") != 0 {
			t.Errorf("%v", h.asked)
		}
	}},
	{name: "oidcc-client-test-signing-key-rotation", then: func(t *testing.T, h *host, p *authntest.Provider, _ oauth.Profile) {
		// The suite rotates as soon as the first login is over.
		p.Rotate()
		h.wantIn(t, h.browser().logsIn(), 2)
	}},
	{name: "oidcc-client-test-signing-key-rotation-just-before-signing", hostile: func(p *authntest.Provider) {
		p.OnRequest = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/token" {
				p.Rotate()
			}
			return false
		}
	}, then: func(t *testing.T, h *host, _ *authntest.Provider, _ oauth.Profile) {
		h.wantIn(t, h.browser().logsIn(), 2)
	}},
}

// sources is a provider whose claims are, in part, somewhere else (OpenID
// Connect Core §5.6.2).
func sources(source map[string]any) func(*authntest.Provider) {
	return answers("/userinfo", func(p *authntest.Provider, a map[string]any) {
		if path, ok := source["endpoint"].(string); ok {
			source["endpoint"] = p.URL + path
		}
		a["_claim_names"] = map[string]any{"address": "s"}
		a["_claim_sources"] = map[string]any{"s": source}
	})
}

// O4, O15: every relying-party module of the conformance suite that applies, in
// both response modes, through the whole flow. What is refused logs nobody in
// and asks userinfo for nothing, unless that was the lie.
func TestConformance(t *testing.T) {
	p := authntest.NewProvider(t)
	for _, mode := range []string{"query", "form_post"} {
		for _, m := range modules {
			t.Run(mode+"/"+m.name, func(t *testing.T) {
				p.Algorithm, p.OnToken, p.OnAnswer, p.OnRequest = "", nil, nil, nil
				p.Claims = map[string]any{"sub": "ada", "name": "Ada Lovelace", "email": "ada@example.com", "email_verified": true}
				if m.hostile != nil {
					m.hostile(p)
				}
				op := openID("op", p)
				op.Params = url.Values{"response_mode": {mode}}
				h := newHostOf(t, []oauth.Provider{op})
				w := h.browser().logsIn()
				if m.code == "" {
					who := h.wantIn(t, w, 1)
					if who.Issuer != p.URL || who.Subject != "ada" {
						t.Errorf("it is %s at %s", who.Subject, who.Issuer)
					}
					if m.then != nil {
						m.then(t, h, p, who)
					}
					return
				}
				h.wantRefused(t, w, http.StatusUnauthorized, m.code, m.why)
				if n := h.requests("/userinfo"); n > 0 && m.why != "userinfo" {
					t.Errorf("userinfo is asked %d times", n)
				}
			})
		}
	}
}

// O4, O7: oidcc-client-test-discovery-issuer-mismatch: a configuration of
// another issuer is not believed, and nobody is sent to it.
func TestConformanceIssuerMismatch(t *testing.T) {
	for _, lie := range []any{"https://evil.example", "", nil, 7} {
		p := authntest.NewProvider(t)
		answers("/.well-known/openid-configuration", func(_ *authntest.Provider, a map[string]any) { a["issuer"] = lie })(p)
		h := newHost(t, p)
		h.wantRefused(t, h.browser().get(base+"/op/login"), http.StatusServiceUnavailable, "unavailable", "issuer")
		if n := h.requests(""); n != 1 {
			t.Errorf("%v: %d requests, want the one for the configuration", lie, n)
		}
	}
}

// O2: the request has what the suite looks for in each module, and no more of
// the secret parts than the provider needs.
func TestConformanceOfTheRequest(t *testing.T) {
	p := authntest.NewProvider(t)
	h := newHost(t, p)
	first, second := h.browser().starts("op", ""), h.browser().starts("op", "")
	q := first.Query()
	for name, want := range map[string]string{
		"response_type": "code", "client_id": p.ClientID, "redirect_uri": base + "/op/callback", "scope": "openid profile email", "code_challenge_method": "S256",
	} {
		if got := q[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if got := q.Get(name); len(got) < 22 || got == second.Query().Get(name) {
			t.Errorf("%s is %q, and then %q", name, got, second.Query().Get(name))
		}
	}
	for name := range q {
		if !slices.Contains([]string{"response_type", "client_id", "redirect_uri", "scope", "code_challenge_method", "state", "nonce", "code_challenge"}, name) {
			t.Errorf("%s is sent", name)
		}
	}
}

// O9: the suite's Refresh Token RP profile: what comes with a refresh has to be
// of the same issuer and the same user, else none of it is kept or used.
func TestConformanceOfRefreshTokens(t *testing.T) {
	p := authntest.NewProvider(t)
	for _, m := range []module{
		{name: "oidcc-client-test-refresh-token"},
		{name: "oidcc-client-test-refresh-token-invalid-issuer", hostile: token(func(_, c map[string]any) { c["iss"] = "https://evil.example" }), code: "invalid_grant"},
		{name: "oidcc-client-test-refresh-token-invalid-sub", hostile: token(func(_, c map[string]any) { c["sub"] = "mallory" }), code: "invalid_grant"},
		{name: "and another aud", hostile: token(func(_, c map[string]any) { c["aud"] = "another" }), code: "invalid_grant"},
		{name: "and a spoiled signature", hostile: forged("RS256"), code: "invalid_grant"},
		{name: "and no id_token", hostile: answers("/token", func(_ *authntest.Provider, a map[string]any) { delete(a, "id_token") })},
		{name: "and no new refresh_token", hostile: answers("/token", func(_ *authntest.Provider, a map[string]any) { delete(a, "refresh_token") })},
	} {
		t.Run(m.name, func(t *testing.T) {
			p.OnToken, p.OnAnswer, p.Algorithm = nil, nil, ""
			table := &tokenTable{}
			h := newHost(t, p, func(c *oauth.Config) { c.Tokens, c.Once = table, table })
			who := h.wantIn(t, h.browser().logsIn(), 1)
			if err := h.login.SaveToken(t.Context(), "user-1", who); err != nil {
				t.Fatal(err)
			}
			// The provider has a clock of its own, and says when tokens end there.
			h.advance(time.Hour - 5*time.Second)
			if m.hostile != nil {
				m.hostile(p)
			}
			source := h.login.TokenSource(t.Context(), "user-1", "op")
			got, err := source.Token()
			if m.code == "" {
				if err != nil || got.AccessToken == who.Token.AccessToken || got.RefreshToken == "" {
					t.Errorf("%v, %v", got, err)
				}
				return
			}
			if err == nil || authn.AsError(err).Status != http.StatusUnauthorized || authn.AsError(err).Code != m.code {
				t.Errorf("%v, %v; want %s", got, err, m.code)
			}
			n := h.requests("/token")
			if _, err := source.Token(); err == nil || h.requests("/token") != n {
				t.Errorf("what was refused is used the next time: %v", err)
			}
		})
	}
}

// O9: the suite's RP-Initiated Logout profile, oidcc-client-test-rp-init-logout:
// the provider learns who it is about, and comes back to where it was told.
func TestConformanceOfLogout(t *testing.T) {
	p := authntest.NewProvider(t)
	table := &tokenTable{}
	h := newHost(t, p, func(c *oauth.Config) { c.Tokens, c.Once = table, table })
	who := h.wantIn(t, h.browser().logsIn(), 1)
	if err := h.login.SaveToken(t.Context(), "user-1", who); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ back, to string }{{"/bye", "https://app.example/bye"}, {"//evil.example", "https://app.example/"}, {"https://evil.example", "https://app.example/"}} {
		raw, err := h.login.LogoutURL(t.Context(), "user-1", "op", tt.back)
		if err != nil {
			t.Fatal(err)
		}
		u := authn.Must(url.Parse(raw))
		if q := u.Query(); u.Path != "/end_session" || q.Get("id_token_hint") != who.IDToken.Reveal() || q.Get("post_logout_redirect_uri") != tt.to {
			t.Errorf("%q: %s", tt.back, raw)
		}
		if back := h.browser().provides(u); back.url != tt.to {
			t.Errorf("%q leads to %s", tt.back, back.url)
		}
	}
}
