package integration_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// provides says at the provider who it is, and agrees where it is asked, until
// the site's page has come.
func (s *oidcSite) provides(b tab, who string) {
	b.t.Helper()
	if b.at("login", "consent", "home") == "login" {
		b.do(chromedp.SendKeys(chromedp.CSS("[name=login]"), who))
		b.click("#go")
	}
	if b.at("consent", "home") == "consent" {
		b.click("#go")
	}
	b.at("home")
	if text := b.text(); !strings.HasPrefix(text, "Hello user:"+who+" at /orders") {
		b.t.Fatalf("%s says %q", b.location(), text)
	}
}

// at is which of the pages has come, perhaps after one that leads there by
// itself.
func (b tab) at(pages ...string) string {
	b.t.Helper()
	b.do(chromedp.WaitReady(chromedp.CSS("#" + strings.Join(pages, ", #"))))
	return eval[string](b, `document.body.id`)
}

// starts asks for a page that needs a login, and chooses that way.
func (s *oidcSite) starts(b tab, provider string) {
	b.t.Helper()
	b.visit(s.url + "/orders")
	if got := b.location(); got != "/login?return_to=%2Forders" {
		b.t.Fatalf("nobody is led to %s", got)
	}
	b.click("#" + provider)
}

// O1, O2, O15: a browser logs in by both response modes, and keeps nothing of
// the flow: over TLS, and at localhost without it.
func TestBrowserLogsInAtACertifiedProvider(t *testing.T) {
	for _, origin := range []string{"https://shop.test", "http://localhost"} {
		for _, provider := range []string{"op", "post"} {
			t.Run(origin+" "+provider, func(t *testing.T) {
				s := newOIDCSite(t, origin)
				b := newBrowser(t)
				s.starts(b, provider)
				s.provides(b, "ada")
				if cookies := b.cookies(s.url); len(cookies) != 1 || !strings.HasSuffix(cookies[0].Name, "session") {
					t.Errorf("%+v", cookies)
				}
				if who := s.profiles[0]; who.Provider != provider || who.Email != "ada@example.com" {
					t.Errorf("%+v", who)
				}
			})
		}
	}
}

// O2, O15: two tabs, the second of which is done first.
func TestBrowserTabsAtACertifiedProvider(t *testing.T) {
	s := newOIDCSite(t, "https://shop.test")
	first := newBrowser(t)
	s.starts(first, "op")
	second := first.another()
	s.starts(second, "op")
	if n := len(first.cookies(s.url)); n != 2 {
		t.Errorf("%d cookies, want those of two flows", n)
	}
	s.provides(second, "ada")
	s.provides(first, "ada")
	if len(s.profiles) != 2 {
		t.Errorf("%d logins", len(s.profiles))
	}
}

// O3, O8, O15: who disagrees sees our answer, and can come again.
func TestBrowserDenialAtACertifiedProvider(t *testing.T) {
	for _, provider := range []string{"op", "post"} {
		s := newOIDCSite(t, "https://shop.test")
		b := newBrowser(t)
		s.starts(b, provider)
		b.do(chromedp.SendKeys(chromedp.CSS("[name=login]"), "ada"))
		b.click("#go")
		b.at("consent")
		b.click("#no")
		b.do(chromedp.WaitReady(chromedp.CSS("pre"))) // in which the browser shows JSON
		if text := b.text(); !strings.Contains(text, `"error":"access_denied"`) || strings.Contains(text, "disagrees") || len(s.profiles) != 0 {
			t.Errorf("%s: the page says %q", provider, text)
		}
		if cookies := b.cookies(s.url); len(cookies) != 0 {
			t.Errorf("%s: %+v", provider, cookies)
		}
		s.starts(b, provider)
		s.provides(b, "ada")
	}
}

// O5, O15: an account is linked by who is signed in: the provider's POST comes
// without the session's cookie, which is Lax, and its callback has it all the
// same. Another site's form starts nothing.
func TestBrowserLinksAtACertifiedProvider(t *testing.T) {
	s := newOIDCSite(t, "https://shop.test")
	b := newBrowser(t)
	s.starts(b, "op")
	s.provides(b, "ada")
	b.click("#link")
	b.at("home")
	if len(s.linked) != 1 || s.linked[0].LinkTo != "user:ada" || s.linked[0].Subject != "ada" || len(s.profiles) != 1 {
		t.Fatalf("linked: %+v", s.linked)
	}
	evil := "https://evil.test:" + serveTo(t, page("attack", `<form method=post action="`+s.url+`/link"><button>Free puppies</button></form>`), true)
	b.visit(evil)
	if status := b.click("button"); status != http.StatusUnauthorized && status != http.StatusForbidden && !strings.Contains(b.location(), "/login") {
		t.Errorf("another site's form is answered by %d at %s", status, b.location())
	}
	if len(s.linked) != 1 {
		t.Errorf("linked: %+v", s.linked)
	}
}

// O9, O15: the logout leads over the provider, back to the site.
func TestBrowserLogoutAtACertifiedProvider(t *testing.T) {
	s := newOIDCSite(t, "https://shop.test")
	b := newBrowser(t)
	s.starts(b, "op")
	s.provides(b, "ada")
	b.click("#logout")
	b.at("logout")
	b.click("[name=logout]")
	if b.at("bye"); b.location() != "/bye" {
		t.Errorf("the logout leads to %s", b.location())
	}
	s.starts(b, "op")
	if at := b.at("login", "home"); at != "login" || b.location() == "/login" {
		t.Errorf("the provider still knows who it is: %s", at)
	}
}
