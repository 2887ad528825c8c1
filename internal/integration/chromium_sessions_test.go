package integration_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// S2, S3, S7: a login by a form sets one cookie, which Chromium keeps as it is
// meant and shows to no script; a second tab is signed in, another browser is
// not. It is new even if somebody has put a cookie there before.
func TestBrowserLogsIn(t *testing.T) {
	s := newSite(t, true)
	b := newBrowser(t)
	planted := "abcdefgh." + strings.Repeat("A", 43)
	b.setCookie(network.SetCookieParams{Name: "__Host-session", Value: planted, URL: s.url, Path: "/", Secure: new(true)})
	s.logsIn(b, "/")
	if got := s.answered(http.MethodPost, "/login"); len(got) != 1 || !got[0].cookie || len(got[0].sets) != 1 {
		t.Errorf("the login was %+v", got)
	}
	c := s.cookie(b)
	if c.Name != "__Host-session" || c.Value == planted || !c.Secure || !c.HTTPOnly || c.SameSite != network.CookieSameSiteLax ||
		c.Path != "/" || c.Domain != "shop.test" || !c.Session {
		t.Errorf("the cookie is %+v", c)
	}
	if got := eval[string](b, `document.cookie`); got != "" {
		t.Errorf("a script reads %q", got)
	}
	if !s.signedIn(b.another()) {
		t.Error("a second tab is not signed in")
	}
	if s.signedIn(newBrowser(t)) {
		t.Error("another browser is signed in")
	}
}

// S3: a remembered cookie has its end, 30 days after the login; others end with
// the browser.
func TestBrowserRemembers(t *testing.T) {
	s := newSite(t, true)
	b := newBrowser(t)
	b.visit(s.url + "/login")
	b.do(chromedp.SendKeys(chromedp.CSS("[name=password]"), "secret"), chromedp.Click(chromedp.CSS("[name=remember]")))
	b.click("button")
	c := s.cookie(b)
	end := time.Unix(int64(c.Expires), 0)
	if want := time.Now().Add(30 * 24 * time.Hour); c.Session || end.Before(want.Add(-patience)) || end.After(want.Add(time.Second)) {
		t.Errorf("the cookie ends at %s (with the browser: %t), want %s", end, c.Session, want)
	}
}

// S3, S4, S12: a session that is used goes on for as long as it may in all, by
// one cookie that is never set again; one that was idle for an hour has ended.
func TestBrowserSlides(t *testing.T) {
	s := newSite(t, true)
	b := s.in(t)
	before := s.cookie(b)
	s.answered("", "")
	for hours := range 23 {
		s.advance(59 * time.Minute)
		if !s.signedIn(b) {
			t.Fatalf("signed out in hour %d", hours+1)
		}
	}
	for _, a := range s.answered(http.MethodGet, "/") {
		if len(a.sets) > 0 {
			t.Errorf("a use set %q", a.sets)
		}
	}
	if got := s.cookie(b); got.Value != before.Value {
		t.Error("the cookie is another")
	}
	s.advance(59 * time.Minute)
	s.signedIn(b)
	s.advance(59 * time.Minute)
	if s.signedIn(b) {
		t.Error("still signed in after 24 hours")
	}
	s.logsIn(b, "/")
	s.advance(time.Hour)
	if s.signedIn(b) {
		t.Error("still signed in after an idle hour")
	}
}

// S7, S9: whatever ends a session, each of its tabs is signed out at its next
// request, and the others' are not.
func TestBrowserSeesTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		end         func(s *site, here tab)
		here, phone bool // who is signed in then
	}{
		"logout in another tab": {end: func(_ *site, here tab) { here.click("#logout") }, phone: true},
		"a new login in another tab": {here: true, phone: true, end: func(s *site, here tab) {
			here.visit(s.url + "/login")
			here.do(chromedp.SendKeys(chromedp.CSS("[name=password]"), "secret"))
			here.click("button")
		}},
		"RevokeOthers": {end: func(_ *site, here tab) { here.click("#others") }, here: true},
		"RevokeSubject": {end: func(s *site, here tab) {
			if err := s.RevokeSubject(here.t.Context(), "ada"); err != nil {
				here.t.Error(err)
			}
		}},
		"Revoke of the phone": {here: true, end: func(s *site, here tab) {
			infos, _, err := s.List(here.t.Context(), "ada", store.Page{})
			if err != nil || len(infos) != 2 || !strings.Contains(infos[0].UserAgent, "Chrome") {
				here.t.Fatal(infos, err)
			}
			if err := s.Revoke(here.t.Context(), "ada", infos[0].ID); err != nil { // the newest
				here.t.Error(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, true)
			here := s.in(t)
			tab := here.another()
			if !s.signedIn(tab) {
				t.Fatal("the second tab is not signed in")
			}
			phone := s.in(t)
			c.end(s, here)
			if s.signedIn(tab) != c.here || s.signedIn(here) != c.here || s.signedIn(phone) != c.phone {
				t.Errorf("signed in: in the tab %t, here %t, on the phone %t", s.signedIn(tab), s.signedIn(here), s.signedIn(phone))
			}
		})
	}
}

// S11: a page that listens to a long answer learns that its session has ended:
// Check ends it, and the page, which asks again, is refused.
func TestBrowserListensUntilTheEnd(t *testing.T) {
	s := newSite(t, true)
	b := s.in(t)
	eval[bool](b, `new Promise(done => {
		window.news = new EventSource('/news')
		window.ended = new Promise(end => { news.onerror = () => { if (news.readyState == EventSource.CLOSED) end(true) } })
		news.onmessage = () => done(true)
	})`)
	s.check <- struct{}{}
	if eval[int](b, `news.readyState`) != 1 {
		t.Error("the answer ended before the session")
	}
	if err := s.RevokeSubject(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	s.check <- struct{}{}
	eval[bool](b, `ended`)
	if got := s.answered(http.MethodGet, "/news"); len(got) != 2 || got[1].status != http.StatusUnauthorized {
		t.Errorf("the page was answered %+v", got)
	}
}

// S14: after a logout the Back button shows no private page: one that says
// no-store, or that loads itself anew when it is taken from the back/forward
// cache. Chromium keeps a page in that cache whatever Cache-Control says, drops
// one with no-store when an HttpOnly cookie changes, as a logout does, and
// misses that for the very page that a login has redirected to: so the script
// is for those that redirect there.
func TestBackShowsNothingAfterLogout(t *testing.T) {
	for name, visit := range map[string]func(s *site, b tab){
		"no-store": func(s *site, b tab) {
			s.logsIn(b, "/")
			b.visit(s.url + "/no-store")
		},
		"a script": func(s *site, b tab) { s.logsIn(b, "/scripted") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, true)
			b := newBrowser(t)
			visit(s, b)
			if b.click("#logout"); b.location() != "/bye" {
				t.Fatalf("the logout led to %s", b.location())
			}
			b.do(chromedp.Evaluate[chromedp.Void](`history.back()`), chromedp.WaitReady(chromedp.CSS("#home, #login")))
			if name != "no-store" {
				b.do(chromedp.WaitReady(chromedp.CSS("#login")))
			}
			if text := b.text(); !strings.HasPrefix(text, "Who are you?") {
				t.Errorf("Back shows %q", text)
			}
		})
	}
}

// S2: what the constructor refuses Chromium refuses, too: a cookie that says
// __Host- and contradicts that. Another host of the domain cannot set one.
func TestBrowserRefusesContradictingCookies(t *testing.T) {
	const value = "__Host-session=x; "
	var set string
	sets := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", set)
		page("set", "Set")(w, r)
	})
	secure, plain := serveTo(t, sets, true), serveTo(t, sets, false)
	home := "https://shop.test:" + secure
	for name, c := range map[string]struct {
		url, set string
		kept     bool
	}{
		"as it has to be":    {home, value + "Path=/; Secure", true},
		"without Secure":     {home, value + "Path=/", false},
		"another path":       {home, value + "Path=/app; Secure", false},
		"no path":            {home + "/app/", value + "Secure", false},
		"a domain":           {home, value + "Path=/; Secure; Domain=shop.test", false},
		"without TLS":        {"http://shop.test:" + plain, value + "Path=/; Secure", false},
		"a sibling":          {"https://blog.shop.test:" + secure, value + "Path=/; Secure; Domain=shop.test", false},
		"another's own":      {"https://blog.shop.test:" + secure, value + "Path=/; Secure", false},
		"bare, by a sibling": {"https://blog.shop.test:" + secure, "session=x; Path=/; Secure; Domain=shop.test", true}, // why there is a prefix
	} {
		t.Run(name, func(t *testing.T) {
			b := newBrowser(t)
			set = c.set
			b.visit(c.url)
			if got := b.cookies(home); (len(got) > 0) != c.kept {
				t.Errorf("%q at %s: shop.test has %d cookies", c.set, c.url, len(got))
			}
		})
	}
	for _, cfg := range []session.Config{{CookieName: "session"}, {CookieName: "__Secure-session"}, {SameSite: http.SameSiteNoneMode}} {
		if _, err := session.New(memstore.New(memstore.Config{}), cfg); err == nil {
			t.Errorf("%+v: no error", cfg)
		}
	}
}

// S2: the cookie for development is one of loopback hosts only.
func TestDevelopmentCookieInABrowser(t *testing.T) {
	s := newSite(t, false)
	b := s.in(t)
	if c := s.cookie(b); c.Name != "session" || c.Secure || !c.HTTPOnly || c.SameSite != network.CookieSameSiteLax || c.Path != "/" {
		t.Errorf("the cookie is %+v", c)
	}
	if !s.signedIn(b.another()) {
		t.Error("a second tab is not signed in")
	}
	elsewhere := strings.Replace(s.url, "127.0.0.1", "shop.test", 1)
	b.visit(elsewhere + "/login")
	b.do(chromedp.SendKeys(chromedp.CSS("[name=password]"), "secret"))
	b.click("button")
	if got := b.cookies(elsewhere); len(got) > 0 || b.location() != "/login?return_to=%2F" {
		t.Errorf("at shop.test: %d cookies, at %s", len(got), b.location())
	}
}
