package oauth_test

import (
	"crypto/elliptic"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/oauth"
	"github.com/gatehouse-go/authn/store"
)

// O2: images of another site start flows of a form_post, whose cookies no browser
// keeps: with SameSite=None they would push the session's cookie out.
func TestFormPostFlowIsLax(t *testing.T) {
	op := openID("op", authntest.NewProvider(t))
	op.Params = url.Values{"response_mode": {"form_post"}}
	h := newHostOf(t, []oauth.Provider{op})
	b := h.browser()
	back := b.provides(b.starts("op", ""))
	for _, c := range b.jar {
		if c.SameSite != http.SameSiteLaxMode {
			t.Errorf("%v", c)
		}
	}
	h.wantIn(t, b.comes(back), 1)
}

// O3: a form that is too long ends its flow, too.
func TestLongFormEndsTheFlow(t *testing.T) {
	op := openID("op", authntest.NewProvider(t))
	op.Params = url.Values{"response_mode": {"form_post"}}
	h := newHostOf(t, []oauth.Provider{op})
	b := h.browser()
	back := b.provides(b.starts("op", ""))
	back.form.Set("code", strings.Repeat("x", 5000))
	h.wantRefused(t, b.comes(back), 400, "invalid_request", "form too long")
	if len(b.jar) != 0 {
		t.Errorf("the cookie is left: %v", b.jar)
	}
}

// O4: Params' max_age, which the user can take out of the request, is held against
// auth_time (OpenID Connect Core §3.1.3.7).
func TestMaxAge(t *testing.T) {
	for _, c := range []struct {
		name     string
		authTime any
		in       bool
	}{
		{"now", time.Now().Unix(), true},
		{"as long ago as may be", time.Now().Add(-5 * time.Minute).Unix(), true},
		{"by a clock that is ahead", time.Now().Add(30 * time.Second).Unix(), true},
		{"too long ago", time.Now().Add(-7 * time.Minute).Unix(), false},
		{"by a clock that is wrong", time.Now().Add(time.Hour).Unix(), false},
		{"not told", nil, false},
	} {
		p := authntest.NewProvider(t)
		p.OnToken = func(_, claims map[string]any) {
			if claims["auth_time"] = c.authTime; c.authTime == nil {
				delete(claims, "auth_time")
			}
		}
		op := openID("op", p)
		op.Params = url.Values{"max_age": {"300"}}
		h := newHostOf(t, []oauth.Provider{op})
		w := h.browser().logsIn()
		if c.in {
			h.wantIn(t, w, 1)
		} else {
			h.wantRefused(t, w, 401, "login_failed", "auth_time")
		}
	}
	op := openID("op", authntest.NewProvider(t))
	op.Params = url.Values{"max_age": {"5m"}}
	_, err := oauth.NewLogin(authn.GenerateKeychain(), oauth.Config{
		BaseURL: base, Providers: []oauth.Provider{op}, OnLogin: func(http.ResponseWriter, *http.Request, oauth.Profile) error { return nil },
	})
	if err == nil || !strings.Contains(err.Error(), "max_age") {
		t.Errorf("max_age=5m: %v", err)
	}
}

// O4: of the keys of all tenants each signs for those only that the set says: that
// of personal accounts for no directory.
func TestMicrosoftKeyIsOfTheIssuer(t *testing.T) {
	const host = "https://login.microsoftonline.com/"
	for _, c := range []struct {
		key, iss string
		in       bool
	}{
		{host + "{tenantid}/v2.0", tenant2, true},
		{host + personal + "/v2.0", personal, true},
		{host + personal + "/v2.0", tenant2, false},
		{host + tenant1 + "/v2.0", tenant2, false},
		{"https://sts.windows.net/{tenantid}/", tenant2, false},
		{"", tenant2, false},
	} {
		s := microsoft()
		s.t = t
		s.answers["GET login.microsoftonline.com/common/discovery/v2.0/keys"] = asJSON(strings.NewReplacer(
			`"alg":"RS256",`, `"issuer":"`+c.key+`",`,
			`"keys":[`, `"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","issuer":"`+host+c.iss+`/v2.0"},`, // another's word
		).Replace(certs()))
		h := newHostOf(t, []oauth.Provider{oauth.Microsoft("app", authn.NewSecret("s"), tenant1, tenant2, personal)}, func(cfg *oauth.Config) { cfg.Transport = s })
		b := h.browser()
		q := b.starts("microsoft", "").Query()
		s.answers["POST login.microsoftonline.com/common/oauth2/v2.0/token"] = asJSON(replies(map[string]any{
			"iss": host + c.iss + "/v2.0", "aud": "app", "tid": c.iss, "name": "Ada", "email": "ada@corp.example",
		})(q.Get("nonce")))
		w := b.get(base + "/microsoft/callback?code=x&state=" + q.Get("state"))
		if c.in {
			h.wantIn(t, w, 1)
		} else {
			h.wantRefused(t, w, 401, "login_failed", "iss of the key")
		}
	}
}

// O5: what the browser says of the user is Apple's way; elsewhere the user would
// choose the name that the company has not told. And it is harmless to show.
func TestNameOfTheBrowser(t *testing.T) {
	p := authntest.NewProvider(t)
	p.Claims = map[string]any{"sub": "mallory"}
	h := newHost(t, p)
	b := h.browser()
	back := b.provides(b.starts("op", ""))
	back.url += "&user=" + url.QueryEscape(`{"name":{"firstName":"Root"}}`)
	if who := h.wantIn(t, b.comes(back), 1); who.Name != "" {
		t.Errorf("the name is %q", who.Name)
	}
	for _, name := range []string{`a\u0000b`, strings.Repeat("a", 300)} {
		secret, _ := appleKey(t, elliptic.P256())
		s := &standIn{t: t, answers: map[string]answer{
			"GET appleid.apple.com/.well-known/openid-configuration": asJSON(appleDiscovery), "GET appleid.apple.com/auth/keys": asJSON(certs()),
		}}
		h := newHostOf(t, []oauth.Provider{oauth.Apple("com.example.web", "T", "K", secret)}, func(cfg *oauth.Config) { cfg.Transport = s })
		b := h.browser()
		q := b.starts("apple", "").Query()
		s.answers["POST appleid.apple.com/auth/token"] = asJSON(replies(map[string]any{"iss": "https://appleid.apple.com", "aud": "com.example.web"})(q.Get("nonce")))
		w := b.comes(wayBack{url: base + "/apple/callback", form: url.Values{"state": {q.Get("state")}, "code": {"c"}, "user": {`{"name":{"firstName":"` + name + `"}}`}}})
		if who := h.wantIn(t, w, 1); who.Name != "" {
			t.Errorf("the name is %q", who.Name)
		}
	}
}

// O7: a BaseURL that no request can come to is refused.
func TestBaseURLWithDots(t *testing.T) {
	for _, dots := range []string{"https://app.example/a/../auth", "https://app.example/./auth", "https://app.example/auth/."} {
		_, err := oauth.NewLogin(authn.GenerateKeychain(), oauth.Config{
			BaseURL: dots, Providers: []oauth.Provider{googleProvider()}, OnLogin: func(http.ResponseWriter, *http.Request, oauth.Profile) error { return nil },
		})
		if err == nil {
			t.Errorf("%s passes", dots)
		}
	}
}

// O8: OnError sees no code of a callback by another method either.
func TestOnErrorSeesNoCodeOfAnotherMethod(t *testing.T) {
	saw := ""
	h := newHost(t, authntest.NewProvider(t), func(cfg *oauth.Config) {
		cfg.OnError = func(w http.ResponseWriter, r *http.Request, err *authn.Error) {
			saw = r.RequestURI + r.URL.String()
			authn.WriteError(w, r, err)
		}
	})
	h.login.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodHead, base+"/op/callback?code=c&state=s", nil))
	if saw == "" || strings.Contains(saw, "code=") {
		t.Errorf("OnError sees %q", saw)
	}
}

// O9: an error that passes does not cost the refresh token.
func TestRefreshErrorsThatPass(t *testing.T) {
	for _, code := range []string{"temporarily_unavailable", "server_error", "slow_down", "rate_limit_exceeded"} {
		d := newDesk(t)
		d.saves("at-1", "rt-1", 0)
		d.refreshes(says(400, `{"error":"`+code+`"}`))
		d.wantToken("", 503, code)
		d.refreshes(says(200, `{"access_token":"at-2","expires_in":3600,"token_type":"Bearer"}`))
		d.wantToken("at-2", 0, "after "+code)
	}
}

// O9: a token that is used is sealed by the newest key, so that the old one can go.
func TestTokenFollowsTheKeychain(t *testing.T) {
	const older, newer = "ZGhqa2xzYWRoamtsc2FkaGprbHNhZGhqa2xzYWRoamsK", "cXdlcnR5dWlvcHF3ZXJ0eXVpb3Bxd2VydHl1aW9wcXcK"
	d := newDesk(t)
	use := func(keys string) { d.kc, d.Login = authn.Must(authn.ParseKeychain(keys)), nil; d.Login = d.instance() }
	use(older)
	d.saves("at-1", "rt-1", 24*time.Hour)
	use(newer + "," + older)
	d.wantToken("at-1", 0, "by the older key")
	use(newer)
	d.wantToken("at-1", 0, "after the older key is gone")
}

// O9: what a login puts there while an account is unlinked is revoked, too.
func TestLoginWhileUnlinking(t *testing.T) {
	d := newDesk(t)
	d.saves("at-1", "rt-1", time.Hour)
	var revoked []string
	d.answers["POST oauth2.googleapis.com/revoke"] = func(*http.Request) (int, string, string) {
		revoked = append(revoked, d.lastForm().Get("token"))
		if len(revoked) == 1 {
			d.saves("at-2", "rt-2", time.Hour)
		}
		return 200, "application/json", ""
	}
	if err := d.Unlink(t.Context(), "ada", "google"); err != nil {
		t.Fatal(err)
	}
	if strings.Join(revoked, " ") != "rt-1 rt-2" {
		t.Errorf("revoked: %v", revoked)
	}
	if _, err := d.token(); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("forgotten: %v", err)
	}
}

// O9: a login that gets no refresh token carries over one that a refresh has just
// used up: the new one counts.
func TestLoginWhileRefreshing(t *testing.T) {
	d := newDesk(t)
	d.saves("at-1", "rt-1", 0)
	d.refreshes(func(*http.Request) (int, string, string) {
		d.saves("at-login", "", 10*time.Minute)
		return 200, "application/json", `{"access_token":"at-2","refresh_token":"rt-2","expires_in":3600,"token_type":"Bearer"}`
	})
	d.wantToken("at-login", 0, "the login's")
	d.now = d.now.Add(20 * time.Minute)
	d.refreshes(says(200, `{"access_token":"at-3","expires_in":3600,"token_type":"Bearer"}`))
	d.wantToken("at-3", 0, "refreshed")
	if got := d.lastForm().Get("refresh_token"); got != "rt-2" {
		t.Errorf("by %s", got)
	}
}

// O4: an access token that at_hash is not of is another's (OpenID Connect Core
// §3.1.3.8).
func TestAtHash(t *testing.T) {
	for _, hash := range []any{"xN1xZIkgQUDV9leUbo7loX", "", 7, nil} {
		s := google()
		s.t = t
		h := newHostOf(t, []oauth.Provider{googleProvider()}, func(cfg *oauth.Config) { cfg.Transport = s })
		b := h.browser()
		q := b.starts("google", "").Query()
		s.answers["POST oauth2.googleapis.com/token"] = asJSON(googleReply(map[string]any{"at_hash": hash})(q.Get("nonce")))
		h.wantRefused(t, b.get(base+"/google/callback?code=x&state="+q.Get("state")), 401, "login_failed", "")
	}
}

// O7: a provider elsewhere does not make the service ask itself without TLS.
func TestNoLoopbackOfAnotherHost(t *testing.T) {
	for _, name := range []string{"token_endpoint", "jwks_uri", "userinfo_endpoint", "authorization_endpoint"} {
		s := google()
		s.t = t
		s.answers["GET accounts.google.com/.well-known/openid-configuration"] = asJSON(strings.Replace(googleDiscovery, `"`+name+`": "https://`, `"`+name+`": "http://localhost:8080/`, 1))
		h := newHostOf(t, []oauth.Provider{googleProvider()}, func(cfg *oauth.Config) { cfg.Transport = s })
		h.wantRefused(t, h.browser().get(base+"/google/login"), 503, "unavailable", "is no https URL")
	}
}

// O3: a copied cookie does not work twice as long as it is alive, the minute by
// which clocks may differ included.
func TestCopiedCookieLater(t *testing.T) {
	for _, after := range []time.Duration{time.Minute, 10*time.Minute - time.Second} {
		table := &tokenTable{}
		h := newHost(t, authntest.NewProvider(t), func(cfg *oauth.Config) { cfg.Once = table })
		b := h.browser()
		back := b.provides(b.starts("op", ""))
		c := b.copied()
		h.wantIn(t, b.comes(back), 1)
		h.advance(after)
		n := h.requests("/token")
		if w := c.comes(back); w.Code != http.StatusUnauthorized || h.requests("/token") != n {
			t.Errorf("after %v: %d, %d token requests", after, w.Code, h.requests("/token")-n)
		}
	}
}
