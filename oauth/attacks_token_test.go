package oauth_test

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/authntest"
)

// O4: each near miss of an id_token, and what only looks like one.
func TestIDTokenNearMisses(t *testing.T) {
	p := authntest.NewProvider(t)
	at := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	claim := func(name string, value any) func(_, c map[string]any) {
		return func(_, c map[string]any) { c[name] = value }
	}
	without := func(name string) func(_, c map[string]any) {
		return func(_, c map[string]any) { delete(c, name) }
	}
	head := func(name string, value any) func(h, _ map[string]any) {
		return func(h, _ map[string]any) { h[name] = value }
	}
	for _, tt := range []struct {
		name   string
		change func(header, claims map[string]any)
		why    string // "" is a login
	}{
		{"aud is a list of us", claim("aud", []any{p.ClientID}), ""},
		{"aud is a list of none", claim("aud", []any{}), "aud or azp"},
		{"aud is a list of others", claim("aud", []any{"a", "b"}), "aud or azp"},
		{"aud is empty", claim("aud", ""), "aud or azp"},
		{"aud in capitals", claim("aud", strings.ToUpper(p.ClientID)), "aud or azp"},
		{"aud is a prefix", claim("aud", p.ClientID[:3]), "aud or azp"},
		{"aud is null", claim("aud", nil), "aud or azp"},
		{"aud is an object", claim("aud", map[string]any{p.ClientID: true}), "aud or azp"},
		{"several aud without azp", claim("aud", []any{p.ClientID, "other"}), "aud or azp"},
		{"several aud, and azp is us", func(_, c map[string]any) { c["aud"], c["azp"] = []any{"other", p.ClientID}, p.ClientID }, ""},
		{"several aud, and azp is another", func(_, c map[string]any) { c["aud"], c["azp"] = []any{p.ClientID, "other"}, "other" }, "aud or azp"},
		{"azp is us", claim("azp", p.ClientID), ""},
		{"azp is another", claim("azp", "other"), "aud or azp"},
		{"azp is a list", claim("azp", []any{p.ClientID}), "aud or azp"},
		{"azp is null", claim("azp", nil), "aud or azp"},

		{"iss is missing", without("iss"), "iss"},
		{"iss is empty", claim("iss", ""), "iss"},
		{"iss has another scheme", claim("iss", strings.Replace(p.URL, "http:", "https:", 1)), "iss"},
		{"iss in capitals", claim("iss", strings.ToUpper(p.URL)), "iss"},
		{"iss is a list", claim("iss", []any{p.URL}), "iss"},

		{"nonce is missing", without("nonce"), "nonce"},
		{"nonce is empty", claim("nonce", ""), "nonce"},
		{"nonce is a list", func(_, c map[string]any) { c["nonce"] = []any{c["nonce"]} }, "nonce"},
		{"nonce in capitals", func(_, c map[string]any) { c["nonce"] = strings.ToUpper(c["nonce"].(string)) }, "nonce"},

		{"sub is empty", claim("sub", ""), "id_token: sub"},
		{"sub is a number", claim("sub", 7), "id_token: sub"},
		{"sub is null", claim("sub", nil), "id_token: sub"},
		{"sub is too long", claim("sub", strings.Repeat("a", 256)), "id_token: sub"},
		{"sub is as long as may be", claim("sub", strings.Repeat("a", 255)), ""},
		{"sub has a zero byte", claim("sub", "ada\x00"), "id_token: sub"},
		{"sub has a line", claim("sub", "ada\nroot"), "id_token: sub"},

		{"exp is missing", without("exp"), "id_token: exp"},
		{"exp is over", claim("exp", at(-61*time.Second)), "id_token: exp"},
		{"exp is over, within the leeway", claim("exp", at(-30*time.Second)), ""},
		{"exp is text", claim("exp", fmt.Sprint(at(time.Hour))), "id_token: exp"},
		{"exp is null", claim("exp", nil), "id_token: exp"},
		{"exp is zero", claim("exp", 0), "id_token: exp"},
		{"exp is negative", claim("exp", -1), "id_token: exp"},
		{"exp is huge", claim("exp", math.MaxFloat64), "id_token: exp"},
		{"exp overflows", claim("exp", uint64(math.MaxUint64)), "exp"},
		{"exp is as late as may be", claim("exp", 1e11), ""},
		{"exp is a second later", claim("exp", 1e11+1), "id_token: exp"},
		{"exp is a fraction", claim("exp", float64(at(time.Hour))+.5), ""},

		{"iat is in the future", claim("iat", at(90*time.Second)), "id_token: iat"},
		{"iat is in the future, within the leeway", claim("iat", at(30*time.Second)), ""},
		{"iat is text", claim("iat", "now"), "id_token: iat"},
		{"iat is null", claim("iat", nil), "id_token: iat"},
		{"iat is zero", claim("iat", 0), "id_token: iat"},
		{"iat is negative", claim("iat", -1), "id_token: iat"},
		{"nbf is in the future", claim("nbf", at(90*time.Second)), "id_token: nbf"},
		{"nbf is zero", claim("nbf", 0), "id_token: nbf"},
		{"nbf is text", claim("nbf", "now"), "id_token: nbf"},

		{"typ of an access token", head("typ", "at+jwt"), "typ"},
		{"typ of an access token in capitals", head("typ", "AT+JWT"), "typ"},
		{"typ of an access token in full", head("typ", "application/at+jwt"), "typ"},
		{"typ of a logout token", head("typ", "logout+jwt"), "typ"},
		{"typ is a number", head("typ", 7), "typ"},
		{"no typ", func(h, _ map[string]any) { delete(h, "typ") }, ""},
		{"typ in small letters", head("typ", "jwt"), ""},

		{"alg is missing", func(h, _ map[string]any) { delete(h, "alg") }, "alg"},
		{"alg is None", head("alg", "None"), "alg"},
		{"alg is nOnE", head("alg", "nOnE"), "alg"},
		{"alg is empty", head("alg", ""), "alg"},
		{"alg in small letters", head("alg", "rs256"), "alg"},
		{"alg is of the other key", head("alg", "ES256"), "key"}, // signed by that, under this one's kid
		{"alg is one that the provider does not have", head("alg", "PS256"), "alg"},
		{"alg is a list", head("alg", []any{"RS256"}), "alg"},
		{"ALG and alg", func(h, _ map[string]any) { h["ALG"], h["alg"] = "RS256", "none" }, "alg"},
		{"kid is unknown", head("kid", "x"), "key"},
		{"kid is a path", head("kid", "../../../../dev/null"), "key"},
		{"kid is a number", head("kid", 7), "kid"},
		{"crit", head("crit", []any{"exp"}), "crit"},
		{"b64 is false", func(h, _ map[string]any) { h["b64"], h["crit"] = false, []any{"b64"} }, "crit"},

		// Where a token says that its key is counts for nothing.
		{"jku and x5u", func(h, _ map[string]any) { h["jku"], h["x5u"] = p.URL+"/evil", p.URL+"/evil" }, ""},
		{"a key of its own", func(h, _ map[string]any) {
			h["kid"] = "own"
			h["jwk"] = map[string]any{"kty": "RSA", "kid": "own", "n": "AQAB", "e": "AQAB"}
		}, "key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.OnToken = tt.change
			h := newHost(t, p)
			w := h.browser().logsIn()
			if tt.why == "" {
				h.wantIn(t, w, 1)
			} else {
				h.wantRefused(t, w, http.StatusUnauthorized, "login_failed", tt.why)
			}
			if n := h.requests("/evil"); n != 0 {
				t.Errorf("%d requests to where the token says", n)
			}
		})
	}
}

// O4: what is no signed JWT at all, and an answer without one.
func TestTokenAnswerNearMisses(t *testing.T) {
	p := authntest.NewProvider(t)
	set := func(name string, value any) func(map[string]any) {
		return func(a map[string]any) { a[name] = value }
	}
	del := func(name string) func(map[string]any) {
		return func(a map[string]any) { delete(a, name) }
	}
	token := func(change func(parts []string) string) func(map[string]any) {
		return func(a map[string]any) { a["id_token"] = change(strings.Split(a["id_token"].(string), ".")) }
	}
	for _, tt := range []struct {
		name   string
		change func(answer map[string]any)
	}{
		{"no id_token", del("id_token")},
		{"an empty id_token", set("id_token", "")},
		{"id_token is an object", set("id_token", map[string]any{"sub": "ada"})},
		{"id_token is null", set("id_token", nil)},
		{"id_token is not signed", token(func(p []string) string { return p[0] + "." + p[1] })},
		{"id_token has an empty signature", token(func(p []string) string { return p[0] + "." + p[1] + "." })},
		{"id_token is encrypted", token(func(p []string) string { return strings.Join(append(p, "x", "y"), ".") })},
		{"id_token with padding", token(func(p []string) string { return p[0] + "=." + p[1] + "." + p[2] })},
		{"id_token with a line", token(func(p []string) string { return p[0] + "." + p[1] + "\n." + p[2] })},
		{"id_token with a blank", token(func(p []string) string { return " " + strings.Join(p, ".") })},
		{"id_token with other claims", token(func(p []string) string { return p[0] + ".e30." + p[2] })},
		{"id_token of a megabyte", token(func(p []string) string { return p[0] + "." + p[1] + strings.Repeat("A", 900_000) + "." + p[2] })},
		{"id_token is the access token", func(a map[string]any) { a["id_token"] = a["access_token"] }},
		{"no access_token", del("access_token")},
		{"an empty access_token", set("access_token", "")},
		{"access_token is a number", set("access_token", 7)},
		{"an error with status 200", set("error", "access_denied")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answers("/token", func(_ *authntest.Provider, a map[string]any) { tt.change(a) })(p)
			h := newHost(t, p)
			w := h.browser().logsIn()
			if w.Code != http.StatusUnauthorized && w.Code != http.StatusServiceUnavailable || len(h.profiles) != 0 {
				t.Errorf("answered by %d, %d logins", w.Code, len(h.profiles))
			}
			if n := h.requests("/token"); n != 1 {
				t.Errorf("%d token requests", n)
			}
			wantQuiet(t, w)
		})
	}
}

// O4: a provider that does not say by which algorithm it signs signs by RS256 (OpenID
// Connect Core §15.1).
func TestAlgorithmThatIsNotSaid(t *testing.T) {
	p := authntest.NewProvider(t)
	answers(configuration, func(_ *authntest.Provider, a map[string]any) { delete(a, "id_token_signing_alg_values_supported") })(p)
	for alg, in := range map[string]bool{"RS256": true, "ES256": false} {
		p.Algorithm = alg
		h := newHost(t, p)
		if w := h.browser().logsIn(); in {
			h.wantIn(t, w, 1)
		} else {
			h.wantRefused(t, w, 401, "login_failed", "alg")
		}
	}
}

// O4: a key that is for something else, too weak, or private, does not verify.
func TestKeySetNearMisses(t *testing.T) {
	p := authntest.NewProvider(t)
	for _, tt := range []struct {
		name   string
		change func(key map[string]any)
		in     bool
	}{
		{"as it is", func(map[string]any) {}, true},
		{"no use and no alg", func(k map[string]any) { delete(k, "use"); delete(k, "alg") }, true},
		{"key_ops is verify", func(k map[string]any) { k["key_ops"] = []string{"verify"} }, true},
		{"use is enc", func(k map[string]any) { k["use"] = "enc" }, false},
		{"use is of another kind", func(k map[string]any) { k["use"] = "SIG" }, false},
		{"key_ops is encrypt", func(k map[string]any) { delete(k, "use"); k["key_ops"] = []string{"encrypt"} }, false},
		{"another alg", func(k map[string]any) { k["alg"] = "RS512" }, false},
		{"an alg for encryption", func(k map[string]any) { k["alg"] = "RSA-OAEP" }, false},
		{"another kid", func(k map[string]any) { k["kid"] = "x" }, false},
		{"another type", func(k map[string]any) { k["kty"] = "EC" }, false},
		{"a symmetric type", func(k map[string]any) { k["kty"], k["k"] = "oct", "AAAA" }, false},
		{"an exponent of one", func(k map[string]any) { k["e"] = "AQ" }, false},
		{"a short modulus", func(k map[string]any) { k["n"] = k["n"].(string)[:100] }, false},
		{"a private part", func(k map[string]any) { k["d"] = "AQAB" }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answers("/jwks", func(_ *authntest.Provider, a map[string]any) {
				keys := a["keys"].([]map[string]any)
				tt.change(keys[0])
				a["keys"] = keys[:1]
			})(p)
			h := newHost(t, p)
			w := h.browser().logsIn()
			if tt.in {
				h.wantIn(t, w, 1)
			} else if w.Code < 400 || len(h.profiles) != 0 {
				t.Errorf("answered by %d, %d logins", w.Code, len(h.profiles))
			}
		})
	}
}

// O4: keys without a kid may be replaced; the next one is asked for once. A wrong
// signature by a kid that is known costs no request.
func TestSignatureByAnotherKey(t *testing.T) {
	p := authntest.NewProvider(t)
	h := newHost(t, p)
	named := true
	p.OnToken = func(header, _ map[string]any) {
		if !named {
			delete(header, "kid")
		}
	}
	forged := false
	p.OnAnswer = func(r *http.Request, a map[string]any) {
		if keys, ok := a["keys"].([]map[string]any); ok && !named {
			for _, k := range keys {
				delete(k, "kid")
			}
		}
		if token, ok := a["id_token"].(string); ok && forged {
			signed := token[:strings.LastIndexByte(token, '.')+1]
			a["id_token"] = signed + strings.Repeat("A", len(token)-len(signed))
		}
	}
	for _, step := range []struct {
		why                   string
		pass                  time.Duration
		named, forged, rotate bool
		asked, in             int
	}{
		{"its kid", 0, true, false, false, 1, 1},
		{"forged by its kid", 0, true, true, false, 1, 1},
		{"no kid", 0, false, false, false, 1, 2},
		{"a new key without a kid", 0, false, false, true, 2, 3},
		{"the same again", 0, false, false, false, 2, 4},
		{"forged without a kid", 0, false, true, false, 2, 4},
		{"forged 30 s later", 30 * time.Second, false, true, false, 3, 4},
		{"and again", 0, false, true, false, 3, 4},
		{"a new key at once", 0, false, false, true, 3, 4},
		{"a new key 30 s later", 30 * time.Second, false, false, false, 4, 5},
	} {
		h.advance(step.pass)
		if named, forged = step.named, step.forged; step.rotate {
			p.Rotate()
		}
		w := h.browser().logsIn()
		if asked := h.requests("/jwks"); asked != step.asked || len(h.profiles) != step.in {
			t.Errorf("%s: answered by %d, %d logins, want %d; asked %d times, want %d", step.why, w.Code, len(h.profiles), step.in, asked, step.asked)
		}
	}
}

// O4: a hundred tokens with keys that somebody made up cost one request in 30 s,
// and stop nobody whose token is good.
func TestForgedTokensAskForKeysOnce(t *testing.T) {
	p := authntest.NewProvider(t)
	h := newHost(t, p)
	h.wantIn(t, h.browser().logsIn(), 1)
	storm := func(limit int) {
		t.Helper()
		before := h.requests("/jwks")
		for i := range 100 {
			p.OnToken = func(header, _ map[string]any) { header["kid"] = fmt.Sprint("forged", i) }
			if w := h.browser().logsIn(); w.Code != http.StatusUnauthorized {
				t.Fatalf("a forged token is answered by %d", w.Code)
			}
		}
		if n := h.requests("/jwks") - before; n > limit {
			t.Errorf("100 forged tokens cost %d requests for keys, want at most %d", n, limit)
		}
		p.OnToken = nil
		h.profiles = nil
		h.wantIn(t, h.browser().logsIn(), 1)
	}
	storm(1)
	storm(0)
	h.advance(29 * time.Second)
	storm(0)
	h.advance(2 * time.Second)
	storm(1)
	// And a real rotation is found as soon as the pause is over.
	p.Rotate()
	h.advance(30 * time.Second)
	h.profiles = nil
	h.wantIn(t, h.browser().logsIn(), 1)
}

// O4: a provider that somebody comes to often is asked for its keys once.
func TestRepeatedLoginsAskForKeysOnce(t *testing.T) {
	p := authntest.NewProvider(t)
	h := newHost(t, p)
	for i := range 10 {
		h.wantIn(t, h.browser().logsIn(), i+1)
	}
	if keys, configuration, tokens := h.requests("/jwks"), h.requests("/.well-known/openid-configuration"), h.requests("/token"); keys != 1 || configuration != 1 || tokens != 10 {
		t.Errorf("ten logins ask %d times for keys, %d for the configuration, %d for tokens", keys, configuration, tokens)
	}
}

// O5: Email and its verification are of one document, and anything but a true
// true is no verification.
func TestEmailVerification(t *testing.T) {
	p := authntest.NewProvider(t)
	for _, tt := range []struct {
		name            string
		token, userinfo map[string]any
		email           string
		verified        bool
	}{
		{"both of the token", map[string]any{"email": "a@x.example", "email_verified": true}, nil, "a@x.example", true},
		{"not verified", map[string]any{"email": "a@x.example", "email_verified": false}, nil, "a@x.example", false},
		{"nothing said", map[string]any{"email": "a@x.example"}, nil, "a@x.example", false},
		{"a number", map[string]any{"email": "a@x.example", "email_verified": 1}, nil, "a@x.example", false},
		{"null", map[string]any{"email": "a@x.example", "email_verified": nil}, nil, "a@x.example", false},
		{"a list", map[string]any{"email": "a@x.example", "email_verified": []any{true}}, nil, "a@x.example", false},
		{"both of userinfo", map[string]any{}, map[string]any{"email": "a@x.example", "email_verified": true}, "a@x.example", true},
		{"null in the token", map[string]any{"email": nil, "email_verified": false}, map[string]any{"email": "a@x.example", "email_verified": true}, "a@x.example", true},
		{"another address, and asked for the name", map[string]any{"email": "a@x.example", "name": nil}, map[string]any{"email": "b@x.example", "email_verified": true}, "a@x.example", false},
		{"the same address, and asked for the name", map[string]any{"email": "a@x.example", "email_verified": false, "name": nil}, map[string]any{"email": "a@x.example", "email_verified": true}, "a@x.example", false},
		{"verified by the other document", map[string]any{"email_verified": true}, map[string]any{"email": "a@x.example"}, "a@x.example", false},
		{"another address in userinfo", map[string]any{"email": "a@x.example"}, map[string]any{"email": "b@x.example", "email_verified": true}, "", false},
	} {
		p.OnAnswer = func(r *http.Request, a map[string]any) {
			if r.URL.Path == "/userinfo" {
				delete(a, "email")
				delete(a, "email_verified")
				for name, value := range tt.userinfo {
					a[name] = value
				}
			}
		}
		p.OnToken = func(_, c map[string]any) {
			delete(c, "email")
			delete(c, "email_verified")
			for name, value := range tt.token {
				c[name] = value
			}
		}
		h := newHost(t, p)
		who := h.wantIn(t, h.browser().logsIn(), 1)
		if tt.email == "" { // either address, with what its own document says
			if want := who.Email == "b@x.example"; who.EmailVerified != want {
				t.Errorf("%s: %q, verified %t", tt.name, who.Email, who.EmailVerified)
			}
			continue
		}
		if who.Email != tt.email || who.EmailVerified != tt.verified {
			t.Errorf("%s: %q, verified %t; want %q, %t", tt.name, who.Email, who.EmailVerified, tt.email, tt.verified)
		}
	}
}
