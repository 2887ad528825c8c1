package oauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/oauth"
)

// O3: RFC 9700 §4.4, mix-up: the user begins at a provider of the attacker,
// which sends the browser on to an honest one. The honest one's code, and that
// user's account, never get to the attacker.
func TestMixUp(t *testing.T) {
	honest, evil := authntest.NewProvider(t), authntest.NewProvider(t)
	for _, tt := range []struct {
		name      string
		path      string // that the honest provider sends back to
		advertise bool   // that iss comes (RFC 9207), by the attacker's provider
		iss       func(url.Values)
	}{
		{"to the honest path", "/honest/callback", true, func(url.Values) {}},
		{"to the attacker's path", "/evil/callback", true, func(url.Values) {}},
		{"and does not say that iss comes", "/evil/callback", false, func(url.Values) {}},
		{"and takes iss away", "/evil/callback", true, func(q url.Values) { q.Del("iss") }},
		{"to the honest path, and takes iss away", "/honest/callback", true, func(q url.Values) { q.Del("iss") }},
		{"to the honest path, and forges iss", "/honest/callback", true, func(q url.Values) { q.Set("iss", evil.URL) }},
	} {
		answers("/.well-known/openid-configuration", func(_ *authntest.Provider, a map[string]any) {
			a["authorization_response_iss_parameter_supported"] = tt.advertise
		})(evil)
		stolen := false
		evil.OnRequest = func(_ http.ResponseWriter, r *http.Request) bool {
			stolen = stolen || r.URL.Path == "/token" || r.URL.Path == "/userinfo"
			return false
		}
		h := newHostOf(t, []oauth.Provider{openID("honest", honest), openID("evil", evil)})
		b := h.browser()
		b.starts("honest", "") // a flow of the user's own there changes nothing
		to := b.starts("evil", "")
		q := to.Query()
		q.Set("client_id", honest.ClientID)
		q.Set("redirect_uri", base+tt.path)
		on := authn.Must(url.Parse(honest.URL + "/authorize?" + q.Encode()))
		n := h.requests("")
		w := b.comes(b.provides(on).changed(tt.iss))
		if w.Code != http.StatusUnauthorized || len(h.profiles) != 0 || stolen {
			t.Errorf("%s: answered by %d, %d logins, the attacker has the code: %t", tt.name, w.Code, len(h.profiles), stolen)
		}
		h.wantOffline(t, n)
	}
}

// O3: a provider that does not say that iss comes may send none; if it sends
// one, it has to be right.
func TestIssIsOptionalUnlessPromised(t *testing.T) {
	p := authntest.NewProvider(t)
	for _, tt := range []struct {
		iss string
		in  bool
	}{{"", true}, {p.URL, true}, {"https://evil.example", false}} {
		p.OnAnswer = func(r *http.Request, a map[string]any) {
			switch r.URL.Path {
			case "/.well-known/openid-configuration":
				delete(a, "authorization_response_iss_parameter_supported")
			case "/authorize":
				if delete(a, "iss"); tt.iss != "" {
					a["iss"] = tt.iss
				}
			}
		}
		h := newHost(t, p)
		if w := h.browser().logsIn(); tt.in {
			h.wantIn(t, w, 1)
		} else {
			h.wantRefused(t, w, http.StatusUnauthorized, "login_failed", "iss")
		}
	}
}

// O2, O4: RFC 9700 §4.5, code injection: a code from the attacker's browser in
// the victim's flow, or the other way, is refused: by PKCE, and where the
// provider does not check that, by the nonce.
func TestCodeInjection(t *testing.T) {
	p := authntest.NewProvider(t)
	h := newHost(t, p)
	mallory, ada := h.browser(), h.browser()
	stolen := mallory.provides(mallory.starts("op", ""))
	code := authn.Must(url.Parse(stolen.url)).Query().Get("code")
	back := ada.provides(ada.starts("op", "")).changed(func(q url.Values) { q.Set("code", code) })
	h.wantRefused(t, ada.comes(back), http.StatusUnauthorized, "login_failed", "invalid_grant")

	// A provider that takes any verifier: as if PKCE were not there.
	const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	sum := sha256.Sum256([]byte(verifier))
	p.OnRequest = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" && r.ParseForm() == nil {
			r.PostForm.Set("code_verifier", verifier)
		}
		return false
	}
	without := func(b *browser) wayBack {
		to := b.starts("op", "")
		q := to.Query()
		q.Set("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
		to.RawQuery = q.Encode()
		return b.provides(to)
	}
	mallory, ada = h.browser(), h.browser()
	code = authn.Must(url.Parse(without(mallory).url)).Query().Get("code")
	back = without(ada).changed(func(q url.Values) { q.Set("code", code) })
	h.wantRefused(t, ada.comes(back), http.StatusUnauthorized, "login_failed", "nonce")
	h.wantIn(t, ada.comes(without(ada)), 1) // and without an attacker it works
}

// O2: RFC 9700 §4.8, PKCE downgrade: whatever the provider says that it
// supports, it gets an S256 challenge, and the verifier at the only request.
func TestPKCEDowngrade(t *testing.T) {
	p := authntest.NewProvider(t)
	for _, methods := range []any{nil, []string{}, []string{"plain"}, []string{"plain", "S256"}, "S256"} {
		answers("/.well-known/openid-configuration", func(_ *authntest.Provider, a map[string]any) {
			if a["code_challenge_methods_supported"] = methods; methods == nil {
				delete(a, "code_challenge_methods_supported")
			}
		})(p)
		h := newHost(t, p)
		b := h.browser()
		w := b.get(base + "/op/login")
		if _, odd := methods.(string); odd && w.Code != http.StatusSeeOther && w.Code != http.StatusFound {
			continue // a configuration of the wrong types may be refused
		}
		q := authn.Must(w.Result().Location()).Query()
		if q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 {
			t.Errorf("%v: %v", methods, q)
		}
	}
	p.OnAnswer = nil
	for _, says := range []string{"invalid_request", "invalid_grant", "invalid_client", "unsupported_parameter"} {
		p.OnRequest = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/token" {
				return false
			}
			if r.ParseForm() != nil || len(r.PostForm.Get("code_verifier")) < 43 {
				t.Errorf("no code_verifier: %v", r.PostForm)
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":"` + says + `","error_description":"no PKCE, please <script>"}`))
			return true
		}
		h := newHost(t, p)
		if w := h.browser().logsIn(); w.Code < 400 || len(h.profiles) != 0 || strings.Contains(w.Body.String(), "script") {
			t.Errorf("%s is answered by %d: %s", says, w.Code, w.Body)
		}
		if n := h.requests("/token"); n != 1 {
			t.Errorf("%s: %d token requests, want one", says, n)
		}
	}
}

// O3: RFC 9700 §4.7, login CSRF: the attacker's callback in the victim's browser
// logs nobody in, whether the victim has a flow of its own or not.
func TestLoginCSRF(t *testing.T) {
	p := authntest.NewProvider(t)
	for _, own := range []bool{false, true} {
		h := newHost(t, p)
		mallory, ada := h.browser(), h.browser()
		back := mallory.provides(mallory.starts("op", ""))
		if own {
			ada.starts("op", "")
		}
		n := h.requests("")
		h.wantRefused(t, ada.comes(back), http.StatusUnauthorized, "login_expired", "")
		h.wantOffline(t, n)
		if own && len(ada.jar) != 1 {
			t.Error("the attacker has ended ada's own flow")
		}
	}
}

// O3: state fixation: the attacker's state with the victim's code, in the
// victim's browser.
func TestStateFixation(t *testing.T) {
	h := newHost(t, authntest.NewProvider(t))
	mallory, ada := h.browser(), h.browser()
	state := mallory.starts("op", "").Query().Get("state")
	to := ada.starts("op", "")
	q := to.Query()
	q.Set("state", state)
	to.RawQuery = q.Encode()
	back := ada.provides(to)
	n := h.requests("")
	h.wantRefused(t, ada.comes(back), http.StatusUnauthorized, "login_expired", "")
	h.wantOffline(t, n)
}

// O3: a cookie that another host's keychain has sealed, or another flow's under
// this one's name, is none.
func TestForeignFlowCookie(t *testing.T) {
	p := authntest.NewProvider(t)
	h, other := newHost(t, p), newHost(t, p)
	foreign := other.browser()
	back := foreign.provides(foreign.starts("op", ""))
	b := h.browser()
	b.jar = foreign.jar
	h.wantRefused(t, b.comes(back), http.StatusUnauthorized, "login_expired", "")

	first, second := h.browser(), h.browser()
	back = first.provides(first.starts("op", ""))
	second.starts("op", "")
	for name := range first.jar {
		for _, c := range second.jar {
			first.jar[name] = &http.Cookie{Name: name, Value: c.Value, SameSite: c.SameSite}
		}
	}
	h.wantRefused(t, first.comes(back), http.StatusUnauthorized, "login_expired", "")
}

// O1, O3: only the two paths, only their methods.
func TestPathsAndMethods(t *testing.T) {
	p := authntest.NewProvider(t)
	h := newHost(t, p)
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "/op", 404},
		{http.MethodGet, "/op/", 404},
		{http.MethodGet, "/", 404},
		{http.MethodGet, "", 404},
		{http.MethodGet, "/op/login/", 404},
		{http.MethodGet, "//login", 404},
		{http.MethodGet, "/op//login", 404},
		{http.MethodGet, "/x/login", 404},
		{http.MethodGet, "/OP/login", 404},
		{http.MethodGet, "/op/Login", 404},
		{http.MethodGet, "/op/../op/login", 404},
		{http.MethodGet, "/op%2flogin", 404},
		{http.MethodGet, "/op/logout", 404},
		{http.MethodGet, "/op/callback/x", 404},
		{http.MethodPut, "/op/login", 405},
		{http.MethodDelete, "/op/callback", 405},
		{http.MethodPost, "/op/callback", 405},
		{http.MethodOptions, "/op/login", 405},
	} {
		w := h.browser().send(httptest.NewRequest(tt.method, base+tt.path, nil))
		if w.Code != tt.status || w.Header().Get("Location") != "" || len(w.Result().Cookies()) != 0 {
			t.Errorf("%s %s is answered by %d, want %d", tt.method, tt.path, w.Code, tt.status)
		}
		if tt.status == 405 && w.Header().Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", tt.method, tt.path)
		}
	}
	h.wantOffline(t, 0)
}
