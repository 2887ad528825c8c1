package oauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/oauth"
	"github.com/gatehouse-go/authn/store/memstore"
)

// changed is the way back with other parameters.
func (b wayBack) changed(change func(q url.Values)) wayBack {
	if b.form != nil {
		form := url.Values{}
		for name, values := range b.form {
			form[name] = append([]string(nil), values...)
		}
		change(form)
		return wayBack{b.url, form}
	}
	u := authn.Must(url.Parse(b.url))
	q := u.Query()
	change(q)
	u.RawQuery = q.Encode()
	return wayBack{url: u.String()}
}

// at is the way back to another path of the host.
func (b wayBack) at(path string) wayBack {
	u := authn.Must(url.Parse(b.url))
	to := authn.Must(url.Parse(base + path))
	to.RawQuery = u.RawQuery
	return wayBack{to.String(), b.form}
}

// wantOffline checks that nothing was asked of any provider since the n-th
// request.
func (h *host) wantOffline(t *testing.T, n int) {
	t.Helper()
	if now := h.requests(""); now != n {
		t.Errorf("%d requests to providers, want none", now-n)
	}
}

// O3: what comes back with the wrong parameters, or to the wrong path, is
// refused before any request to the provider, in both response modes.
func TestCallbackRefusesBeforeItAsks(t *testing.T) {
	p := authntest.NewProvider(t)
	set := func(name, value string) func(wayBack) wayBack {
		return func(b wayBack) wayBack { return b.changed(func(q url.Values) { q.Set(name, value) }) }
	}
	add := func(name, value string) func(wayBack) wayBack {
		return func(b wayBack) wayBack { return b.changed(func(q url.Values) { q.Add(name, value) }) }
	}
	del := func(names ...string) func(wayBack) wayBack {
		return func(b wayBack) wayBack {
			return b.changed(func(q url.Values) {
				for _, name := range names {
					q.Del(name)
				}
			})
		}
	}
	for _, tt := range []struct {
		name   string
		change func(wayBack) wayBack
		status int
		code   string
	}{
		{"no state", del("state"), 400, "invalid_request"},
		{"an empty state", set("state", ""), 400, "invalid_request"},
		{"another state", set("state", strings.Repeat("A", 43)), 401, "login_expired"},
		{"a state that begins as ours", func(b wayBack) wayBack {
			return b.changed(func(q url.Values) { q.Set("state", q.Get("state")[:16]+strings.Repeat("A", 27)) })
		}, 401, "login_expired"},
		{"a short state", set("state", "x"), 401, "login_expired"},
		{"a long state", set("state", strings.Repeat("A", 5000)), 401, "login_expired"},
		{"a state of control characters", set("state", "\r\nSet-Cookie: a=b"), 401, "login_expired"},
		{"state twice", add("state", "x"), 400, "invalid_request"},
		{"code twice", add("code", "x"), 400, "invalid_request"},
		{"iss twice", add("iss", p.URL), 400, "invalid_request"},
		{"error twice", func(b wayBack) wayBack {
			return b.changed(func(q url.Values) { q["error"] = []string{"access_denied", "access_denied"} })
		}, 400, "invalid_request"},
		{"a code and an error", add("error", "access_denied"), 401, "access_denied"},
		{"neither code nor error", del("code"), 400, "invalid_request"},
		{"an empty code", set("code", ""), 400, "invalid_request"},
		{"no iss, which the provider promises", del("iss"), 401, "login_failed"},
		{"an empty iss", set("iss", ""), 401, "login_failed"},
		{"another iss", set("iss", "https://evil.example"), 401, "login_failed"},
		{"iss with a slash", set("iss", p.URL+"/"), 401, "login_failed"},
		{"iss in capitals", set("iss", strings.ToUpper(p.URL)), 401, "login_failed"},
		{"an error of another iss", func(b wayBack) wayBack {
			return b.changed(func(q url.Values) {
				q.Del("code")
				q.Set("error", "access_denied")
				q.Set("iss", "https://evil.example")
			})
		}, 401, "login_failed"},
		{"another provider's path", func(b wayBack) wayBack { return b.at("/other/callback") }, 401, "login_expired"},
		{"an unknown provider's path", func(b wayBack) wayBack { return b.at("/nobody/callback") }, 404, "not_found"},
		{"a longer path", func(b wayBack) wayBack { return b.at("/op/callback/") }, 404, "not_found"},
	} {
		for _, mode := range []string{"query", "form_post"} {
			t.Run(mode+"/"+tt.name, func(t *testing.T) {
				op, other := openID("op", p), openID("other", p)
				op.Params, other.Params = url.Values{"response_mode": {mode}}, url.Values{"response_mode": {mode}}
				h := newHostOf(t, []oauth.Provider{op, other})
				b := h.browser()
				back := b.provides(b.starts("op", ""))
				b.starts("other", "") // another flow under way is no help
				n := h.requests("")
				w := b.comes(tt.change(back))
				h.wantRefused(t, w, tt.status, tt.code, "")
				h.wantOffline(t, n)
			})
		}
	}
}

// O3: the whole of a callback once more, as the user's reload or from a proxy's
// log, is refused without a request.
func TestCallbackWorksOnce(t *testing.T) {
	p := authntest.NewProvider(t)
	h := newHost(t, p)
	b := h.browser()
	back := b.provides(b.starts("op", ""))
	h.wantIn(t, b.comes(back), 1)
	if len(b.jar) != 0 {
		t.Errorf("cookies remain: %v", b.jar)
	}
	n := h.requests("")
	w := b.comes(back)
	if w.Code != http.StatusUnauthorized || len(h.profiles) != 1 {
		t.Errorf("a replay is answered by %d, %d logins", w.Code, len(h.profiles))
	}
	h.wantOffline(t, n)
}

// O3: a refusal ends the flow, too: the attacker has no second try with the
// victim's cookie.
func TestCookieIsDeletedOnEveryOutcome(t *testing.T) {
	p := authntest.NewProvider(t)
	for _, tt := range []struct {
		name   string
		change func(url.Values)
		p      func()
	}{
		{"a login", func(url.Values) {}, nil},
		{"an error", func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") }, nil},
		{"a wrong iss", func(q url.Values) { q.Set("iss", "https://evil.example") }, nil},
		{"a wrong code", func(q url.Values) { q.Set("code", "x") }, nil},
		{"no code", func(q url.Values) { q.Del("code") }, nil},
		{"a code twice", func(q url.Values) { q.Add("code", "x") }, nil},
		{"a bad token", func(url.Values) {}, func() { p.OnToken = func(_, c map[string]any) { delete(c, "sub") } }},
		{"an outage", func(url.Values) {}, func() {
			p.OnRequest = func(w http.ResponseWriter, _ *http.Request) bool {
				w.WriteHeader(http.StatusInternalServerError)
				return true
			}
		}},
	} {
		for _, mode := range []string{"query", "form_post"} {
			p.OnToken, p.OnRequest = nil, nil
			op := openID("op", p)
			op.Params = url.Values{"response_mode": {mode}}
			h := newHostOf(t, []oauth.Provider{op})
			b := h.browser()
			back := b.provides(b.starts("op", "")).changed(tt.change)
			if len(b.jar) != 1 {
				t.Fatalf("%d cookies", len(b.jar))
			}
			if tt.p != nil {
				tt.p()
			}
			if b.comes(back); len(b.jar) != 0 {
				t.Errorf("%s, %s: the cookie remains", mode, tt.name)
			}
		}
	}
}

// O3: whoever has copied the cookie can use it as well, but only one can, when
// there is a store: also when all come at once.
func TestCopiedCookie(t *testing.T) {
	p := authntest.NewProvider(t)
	for _, claimed := range []bool{true, false} {
		h := newHost(t, p, func(c *oauth.Config) {
			if claimed {
				c.Once = memstore.New(memstore.Config{})
			}
		})
		b := h.browser()
		back := b.provides(b.starts("op", ""))
		const copies = 10
		browsers := make([]*browser, copies)
		for i := range browsers {
			browsers[i] = b.copied()
		}
		before := h.requests("/token")
		var wg sync.WaitGroup
		for _, c := range browsers {
			wg.Go(func() { c.comes(back) })
		}
		wg.Wait()
		got := h.requests("/token") - before
		switch {
		case claimed && (got != 1 || len(h.profiles) != 1):
			t.Errorf("with Once: %d logins, %d token requests, want 1", len(h.profiles), got)
		case claimed:
			for _, err := range h.refused {
				if err.Code != "login_expired" {
					t.Errorf("a copy is refused as %s: %v", err.Code, err)
				}
			}
		case got != copies || len(h.profiles) > 1: // it is the provider that refuses the code
			t.Errorf("without Once: %d logins, %d token requests, want %d", len(h.profiles), got, copies)
		}
	}
}

// O2: four tabs finish in any order; a fifth takes the place of the oldest.
func TestTabsInAnyOrder(t *testing.T) {
	p := authntest.NewProvider(t)
	const tabs = 5
	h := newHost(t, p)
	for i, order := range permutations(tabs) {
		if i%7 != 0 {
			continue // 18 of 120
		}
		h.profiles = nil
		b := h.browser()
		var backs []wayBack
		for tab := range tabs {
			to := b.starts("op", fmt.Sprintf("?return_to=/%d", tab))
			p.Claims = map[string]any{"sub": fmt.Sprint("user", tab)}
			backs = append(backs, b.provides(to))
			h.advance(time.Second)
		}
		if len(b.jar) != 4 {
			t.Fatalf("%d cookies, want 4", len(b.jar))
		}
		in := 0
		for _, tab := range order {
			w := b.comes(backs[tab])
			if tab == 0 {
				if w.Code != http.StatusUnauthorized || len(h.profiles) != in {
					t.Errorf("%v: the oldest of %d is answered by %d", order, tabs, w.Code)
				}
				continue
			}
			in++
			who := h.wantIn(t, w, in)
			if who.Subject != fmt.Sprint("user", tab) || who.ReturnTo != fmt.Sprint("/", tab) {
				t.Errorf("%v: tab %d is %s at %s", order, tab, who.Subject, who.ReturnTo)
			}
		}
	}
}

// O2: flows that are over, and what only has their name, leave with the next login; at
// most 16 by one answer.
func TestDeadFlowsLeave(t *testing.T) {
	h := newHost(t, authntest.NewProvider(t))
	b := h.browser()
	b.starts("op", "")
	h.advance(10 * time.Minute)
	b.starts("op", "")
	if len(b.jar) != 1 {
		t.Errorf("%d cookies, want that of the second flow", len(b.jar))
	}
	for i := range 20 {
		name := fmt.Sprintf("__Host-oauth-%016d", i)
		b.jar[name] = &http.Cookie{Name: name, Value: "x", Path: "/", Secure: true, SameSite: http.SameSiteLaxMode}
	}
	b.starts("op", "")
	b.starts("op", "")
	if len(b.jar) != 3 {
		t.Errorf("%d cookies, want those of three flows", len(b.jar))
	}
	for i := range 40 {
		name := fmt.Sprintf("__Host-oauth-%016d", i)
		b.jar[name] = &http.Cookie{Name: name, Value: "x", Path: "/", Secure: true, SameSite: http.SameSiteLaxMode}
	}
	if w := b.get(base + "/op/login"); len(w.Result().Cookies()) > 18 {
		t.Errorf("%d cookies in an answer", len(w.Result().Cookies()))
	}
}

func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var all [][]int
	for _, short := range permutations(n - 1) {
		for at := range n {
			all = append(all, append(append(append([]int{}, short[:at]...), n-1), short[at:]...))
		}
	}
	return all
}

// O3: a flow lasts ten minutes, to the second.
func TestExpiredFlow(t *testing.T) {
	p := authntest.NewProvider(t)
	for _, tt := range []struct {
		after time.Duration
		in    bool
	}{{10*time.Minute - 1, true}, {10 * time.Minute, false}, {-time.Minute, true}, {-time.Minute - 1, false}} {
		h := newHost(t, p)
		h.now = h.now.Truncate(time.Second)
		p.OnToken = func(_, c map[string]any) { c["iat"] = h.now.Unix() }
		b := h.browser()
		back := b.provides(b.starts("op", ""))
		h.advance(tt.after)
		n := h.requests("")
		w := b.comes(back)
		if tt.in {
			h.wantIn(t, w, 1)
			continue
		}
		h.wantRefused(t, w, http.StatusUnauthorized, "login_expired", "")
		h.wantOffline(t, n)
	}
}

// O2: the cookie is the flow's own, and no byte of it, nor its name, can be
// changed.
func TestFlowCookie(t *testing.T) {
	p := authntest.NewProvider(t)
	for _, mode := range []string{"query", "form_post"} {
		op := openID("op", p)
		op.Params = url.Values{"response_mode": {mode}}
		h := newHostOf(t, []oauth.Provider{op})
		b := h.browser()
		to := b.starts("op", "?return_to=/"+strings.Repeat("a", 90))
		back := b.provides(to)
		var c *http.Cookie
		for _, c = range b.jar {
			if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.MaxAge != 600 {
				t.Errorf("%s: %v", mode, c)
			}
			if len(c.Name)+len(c.Value) > 400 {
				t.Errorf("%s: the cookie has %d bytes", mode, len(c.Name)+len(c.Value))
			}
			for _, secret := range []string{to.Query().Get("state"), to.Query().Get("nonce")} {
				if strings.Contains(c.Value, secret) {
					t.Errorf("%s: the cookie shows %s", mode, secret)
				}
			}
		}
		n := h.requests("")
		for i := range c.Value {
			changed := []byte(c.Value)
			if changed[i] ^= 1; i%5 != 0 && i < len(changed)-4 {
				continue
			}
			other := b.copied()
			other.jar[c.Name] = &http.Cookie{Name: c.Name, Value: string(changed), SameSite: c.SameSite}
			h.wantRefused(t, other.comes(back), http.StatusUnauthorized, "login_expired", "")
		}
		h.wantOffline(t, n)
	}
}

// O2: a return path that does not fit must not make a cookie that browsers drop.
func TestLongReturnPath(t *testing.T) {
	p := authntest.NewProvider(t)
	h := newHost(t, p)
	for _, n := range []int{50, 150, 300, 2000, 20_000} {
		h.profiles = nil
		b := h.browser()
		path := "/" + strings.Repeat("a", n)
		back := b.provides(b.starts("op", "?return_to="+path))
		for _, c := range b.jar {
			if size := len(c.Name) + len(c.Value); size > 400 {
				t.Errorf("a path of %d bytes makes a cookie of %d", n, size)
			}
		}
		if who := h.wantIn(t, b.comes(back), 1); who.ReturnTo != path && who.ReturnTo != "/" {
			t.Errorf("a path of %d bytes leads to %q", n, who.ReturnTo)
		}
	}
}

// O6: a login ends on this host, however the way back is spelled.
func TestOpenRedirects(t *testing.T) {
	p := authntest.NewProvider(t)
	h := newHost(t, p)
	for _, to := range []string{
		"//evil.example", "///evil.example", "////evil.example", `/\evil.example`, `\\evil.example`, `\/evil.example`, `/\/evil.example`,
		"/%2fevil.example", "/%2Fevil.example", "/%5cevil.example", "/%5Cevil.example", "%2f%2fevil.example", "/%252fevil.example", "/%255cevil.example",
		"http://evil.example", "https://evil.example", "HTTPS://evil.example", "https:evil.example", "https:/evil.example", "http:///evil.example",
		"javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "mailto:a@b", "//user@evil.example", "//app.example@evil.example",
		"https://app.example.evil.example/", "https://app.example@evil.example/", "//evil.example/app.example", "/\t/evil.example", "/\n/evil.example",
		"\t//evil.example", " //evil.example", "/%09/evil.example", "/%0d%0aLocation:%20https://evil.example", "/\x00/evil.example", "/.//evil.example",
		"/x/..//evil.example", "//evil%2eexample", "evil.example", ".evil.example", "@evil.example", "?//evil.example", "#//evil.example", "//[::1]/", "/\u2028/evil\r\nx: y",
	} {
		h.profiles = nil
		b := h.browser()
		w := b.comes(b.provides(b.starts("op", "?"+url.Values{"return_to": {to}}.Encode())))
		if who := h.wantIn(t, w, 1); who.ReturnTo != "/" || w.Header().Get("Location") != "/" {
			t.Errorf("%q leads to %q", to, who.ReturnTo)
		}
	}
	// Neither may it come with the callback, or twice.
	b := h.browser()
	h.profiles = nil
	back := b.provides(b.starts("op", "?return_to=/orders&return_to=//evil.example")).changed(func(q url.Values) { q.Set("return_to", "/admin") })
	if who := h.wantIn(t, b.comes(back), 1); who.ReturnTo != "/orders" && who.ReturnTo != "/" {
		t.Errorf("it leads to %q", who.ReturnTo)
	}
}

// O7: redirect_uri is of the configuration, whatever host a request names.
func TestHostHeaderChangesNothing(t *testing.T) {
	h := newHost(t, authntest.NewProvider(t))
	r := httptest.NewRequest(http.MethodGet, base+"/op/login", nil)
	r.Host = "evil.example"
	r.Header.Set("X-Forwarded-Host", "evil.example")
	r.Header.Set("Forwarded", "host=evil.example")
	w := h.browser().send(r)
	if to := authn.Must(w.Result().Location()); to.Query().Get("redirect_uri") != base+"/op/callback" {
		t.Errorf("redirect_uri is %s", to.Query().Get("redirect_uri"))
	}
}

// O8: whatever the provider says of an error, the page has a fixed code.
func TestProviderErrorsNeverReachThePage(t *testing.T) {
	p := authntest.NewProvider(t)
	for _, tt := range []struct{ says, code string }{
		{"access_denied", "access_denied"},
		{"login_required", "login_required"},
		{"interaction_required", "login_required"},
		{"consent_required", "login_required"},
		{"account_selection_required", "login_required"},
		{"invalid_request", "login_failed"},
		{"unauthorized_client", "login_failed"},
		{"invalid_scope", "login_failed"},
		{"<script>alert(1)</script>", "login_failed"},
		{strings.Repeat("x", 10_000), "login_failed"},
		{"Access_Denied", "login_failed"},
	} {
		p.OnAnswer = func(r *http.Request, a map[string]any) {
			if r.URL.Path == "/authorize" {
				delete(a, "code")
				a["error"], a["error_description"], a["error_uri"] = tt.says, "<script>evil()</script>", "https://evil.example"
			}
		}
		h := newHost(t, p)
		w := h.browser().logsIn()
		h.wantRefused(t, w, http.StatusUnauthorized, tt.code, "")
		for name, values := range w.Header() {
			if strings.Contains(fmt.Sprint(values), "evil") {
				t.Errorf("%s says %v", name, values)
			}
		}
		if n := h.requests("/token"); n != 0 {
			t.Errorf("%q: %d token requests", tt.says, n)
		}
	}
	// That the provider cannot, now, is no fault of who came.
	for _, says := range []string{"temporarily_unavailable", "server_error"} {
		p.OnAnswer = func(r *http.Request, a map[string]any) {
			if r.URL.Path == "/authorize" {
				delete(a, "code")
				a["error"] = says
			}
		}
		h := newHost(t, p)
		h.wantRefused(t, h.browser().logsIn(), http.StatusServiceUnavailable, "unavailable", "")
	}
}
