package jwtauth_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

const issuerRefreshPath = "/token/refresh"

func issuerWithCookies(cfg *jwtauth.IssuerConfig) {
	cfg.Cookies = &jwtauth.Cookies{RefreshPath: issuerRefreshPath}
}

// issuerCookies is what SetCookies sets, by name.
func issuerCookies(issuer *jwtauth.Issuer, set jwtauth.TokenSet) map[string]*http.Cookie {
	rec := httptest.NewRecorder()
	if err := issuer.SetCookies(rec, set); err != nil {
		panic(err)
	}
	return issuerCookiesOf(rec)
}

func issuerCookiesOf(rec *httptest.ResponseRecorder) map[string]*http.Cookie {
	cookies := map[string]*http.Cookie{}
	for _, c := range rec.Result().Cookies() {
		cookies[c.Name] = c
	}
	return cookies
}

// J10, J23: every attribute of both cookies.
func TestCookieAttributes(t *testing.T) {
	w := newIssuerWorld(t, issuerWithCookies)
	set := w.login()
	rec := httptest.NewRecorder()
	if err := w.issuer.SetCookies(rec, set); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"__Host-access=" + set.Access.Reveal() + "; Path=/; Max-Age=900; HttpOnly; Secure; SameSite=Lax",
		"__Secure-refresh=" + set.Refresh.Reveal() + "; Path=/token/refresh; Max-Age=2592000; HttpOnly; Secure; SameSite=Strict",
	}
	if got := rec.Header()["Set-Cookie"]; !slices.Equal(got, want) {
		t.Errorf("Set-Cookie %q\n      want %q", got, want)
	}
	if got := rec.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
}

// J10, J23: a login without refresh token takes another login's away, and half
// a login has one cookie.
func TestCookiesOfAnOlderLoginGo(t *testing.T) {
	w := newIssuerWorld(t, func(cfg *jwtauth.IssuerConfig) {
		cfg.Cookies = &jwtauth.Cookies{Access: "a", Refresh: "r", RefreshPath: "/r"}
	})
	rec := httptest.NewRecorder()
	if err := w.issuer.SetCookies(rec, w.issue(func(g *jwtauth.Grant) { g.Identity.Pending = []string{"otp"} })); err != nil {
		t.Fatal(err)
	}
	got := rec.Header()["Set-Cookie"]
	if len(got) != 2 || !strings.HasPrefix(got[0], "a=ey") || !strings.Contains(got[0], "Max-Age=600;") ||
		got[1] != "r=; Path=/r; Max-Age=0; HttpOnly; Secure; SameSite=Strict" {
		t.Errorf("Set-Cookie %q", got)
	}
}

// J10: a token for a cookie that no browser would keep is an error before
// anything is spent, and another issuer's is not set.
func TestCookieThatIsTooLarge(t *testing.T) {
	w := newIssuerWorld(t, issuerWithCookies)
	roles := func(n int) func(g *jwtauth.Grant) {
		return issuerBy(func(id *authn.Identity) { id.Roles = slices.Repeat([]string{strings.Repeat("x", 100)}, n) })
	}
	g := jwtauth.Grant{Identity: w.ada(), Refresh: true}
	roles(30)(&g)
	_, err := w.issuer.Issue(issuerCtx, g)
	issuerWant(t, "Issue", err, 500, "internal", "")

	large := newIssuerWorld(t, nil)
	rec := httptest.NewRecorder()
	issuerWant(t, "SetCookies", w.issuer.SetCookies(rec, large.login(roles(30))), 500, "internal", "")
	if len(rec.Header()) != 0 {
		t.Errorf("header %v", rec.Header())
	}
	rec = httptest.NewRecorder()
	if err := w.issuer.SetCookies(rec, w.login(roles(20))); err != nil {
		t.Error(err)
	}
	for _, c := range rec.Header()["Set-Cookie"] {
		if len(c) > 4096 {
			t.Errorf("a cookie of %d bytes", len(c))
		}
	}
}

// J10: a cookie has at most 4096 bytes, all of it counted, and ends with its token,
// also one that this issuer did not make; what has ended is taken away.
func TestCookieOfATokenThatTheHostHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newIssuerWorld(t, issuerWithCookies)
		set := func(n int, left time.Duration) (string, error) {
			rec := httptest.NewRecorder()
			err := w.issuer.SetCookies(rec, jwtauth.TokenSet{Access: authn.NewSecret(strings.Repeat("x", n)), ExpiresAt: time.Now().Add(left)})
			return strings.Join(rec.Header()["Set-Cookie"], "\n"), err
		}
		got, err := set(1, time.Hour)
		access, _, _ := strings.Cut(got, "\n")
		if err != nil || access != "__Host-access=x; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax" {
			t.Fatalf("%q, %v", got, err)
		}
		most := 4096 - len(access) + 1
		if _, err := set(most, time.Hour); err != nil {
			t.Error(err)
		}
		got, err = set(most+1, time.Hour)
		if issuerWant(t, "a byte more", err, 500, "internal", ""); got != "" {
			t.Errorf("it is set all the same: %q", got)
		}
		for _, left := range []time.Duration{0, -time.Hour} {
			if got, err := set(1, left); err != nil || !strings.HasPrefix(got, "__Host-access=; Path=/; Max-Age=0;") {
				t.Errorf("%v left: %q, %v", left, got, err)
			}
		}
	})
}

// J10: without Cookies there are none.
func TestSetCookiesNeedsConfig(t *testing.T) {
	w := newIssuerWorld(t, nil)
	rec := httptest.NewRecorder()
	issuerWant(t, "SetCookies", w.issuer.SetCookies(rec, w.login()), 500, "internal", "")
	if len(rec.Header()) != 0 {
		t.Errorf("header %v", rec.Header())
	}
}

// J10: the access cookie signs a request in, with the lifetime of its token.
func TestAccessCookieSignsIn(t *testing.T) {
	w := newIssuerWorld(t, issuerWithCookies)
	h := authn.Require(w.issuer.Verifier())(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	serve := func() int {
		r := httptest.NewRequest(http.MethodGet, "/orders", nil)
		for _, c := range issuerCookies(w.issuer, w.issue()) {
			r.AddCookie(c)
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		return rec.Code
	}
	if got := serve(); got != 200 {
		t.Errorf("status %d", got)
	}
	w.clock.advance(900 * time.Millisecond)
	if c := issuerCookies(w.issuer, w.issue(func(g *jwtauth.Grant) { g.TTL = time.Second }))["__Host-access"]; c.MaxAge != 1 {
		t.Errorf("Max-Age %d of a token of a second", c.MaxAge)
	}
}
