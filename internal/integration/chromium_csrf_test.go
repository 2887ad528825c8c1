package integration_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// attacker is a page elsewhere that makes browsers send what counts.
type attacker struct {
	name, url string
	sends     bool // whether the browser sends the cookie with it
}

// attackers serves the page that attacks s, at several places. SameSite knows
// neither ports nor hosts of one domain: to the browser those are the same
// site, the cookie comes with what they send, and only the check of the origin
// refuses it.
func attackers(t *testing.T, s *site) []attacker {
	t.Helper()
	h := page("attack", strings.ReplaceAll(`
		<form id=order method=post action=SITE/orders><input name=what value=ink><button>Free puppies</button></form>
		<form id=logout method=post action=SITE/logout><button>More puppies</button></form>
		<form id=login method=post action=SITE/login><input name=password value=secret><button>Yet more puppies</button></form>
		<a href=SITE/>A link</a>`, "SITE", s.url))
	secure, plain := serveTo(t, h, true), serveTo(t, h, false)
	if strings.HasPrefix(s.url, "https:") {
		return []attacker{
			{"another port", "https://shop.test:" + secure, true},
			{"another host of the domain", "https://blog.shop.test:" + secure, true},
			{"another site", "https://evil.test:" + secure, false},
			{"the same host without TLS", "http://shop.test:" + plain, false},
		}
	}
	return []attacker{
		{"another port", "http://127.0.0.1:" + plain, true},
		{"another name of the host", "http://localhost:" + plain, false},
		{"another site", "http://evil.test:" + plain, false},
		{"another site with TLS", "https://evil.test:" + secure, false},
	}
}

// fetches posts to url with the cookies that the browser lets it have.
func fetches(b tab, url string) {
	b.t.Helper()
	eval[string](b, fmt.Sprintf(`fetch(%q, {method: 'POST', mode: 'no-cors', credentials: 'include'}).then(r => r.type)`, url))
}

// upgrades opens a WebSocket, and reports whether that worked.
func upgrades(b tab, url string) bool {
	b.t.Helper()
	return eval[bool](b, fmt.Sprintf(`new Promise(done => {
		const s = new WebSocket(%q)
		s.onopen = () => { s.close(); done(true) }
		s.onerror = () => done(false)
	})`, strings.Replace(url, "http", "ws", 1)))
}

// S2, S11, S15: what a page elsewhere makes a browser send changes nothing: by a
// form, a fetch with credentials and a WebSocket, from another port, another
// host and another site. A link from there leads in, since the cookie is Lax.
func TestBrowserIsNotAbused(t *testing.T) {
	for _, secure := range []bool{true, false} {
		s := newSite(t, secure)
		for _, a := range attackers(t, s) {
			t.Run(fmt.Sprintf("TLS %t, %s", secure, a.name), func(t *testing.T) {
				b := s.in(t)
				status := http.StatusUnauthorized // nobody's, without the cookie
				if a.sends {
					status = http.StatusForbidden
				}
				for _, attack := range []struct {
					how, method, path string
					send              func()
					status            int
				}{
					{"a form", http.MethodPost, "/orders", func() { b.click("#order button") }, status},
					{"a fetch", http.MethodPost, "/orders", func() { fetches(b, s.url+"/orders") }, status},
					{"a WebSocket", http.MethodGet, "/socket", func() {
						if upgrades(b, s.url+"/socket") {
							t.Error("the WebSocket is open")
						}
					}, status},
					{"a logout", http.MethodPost, "/logout", func() { b.click("#logout button") }, http.StatusForbidden},
					{"a fetched logout", http.MethodPost, "/logout", func() { fetches(b, s.url+"/logout") }, http.StatusForbidden},
					{"a login", http.MethodPost, "/login", func() { b.click("#login button") }, http.StatusForbidden},
				} {
					b.visit(a.url)
					s.answered("", "")
					attack.send()
					got := s.answered(attack.method, attack.path)
					if len(got) != 1 || got[0].status != attack.status || got[0].cookie != a.sends || len(got[0].sets) > 0 {
						t.Errorf("%s: %+v, want one %d, with the cookie: %t", attack.how, got, attack.status, a.sends)
					}
				}
				b.visit(a.url)
				if b.click("a"); !strings.HasPrefix(b.text(), "Hello ada") {
					t.Errorf("the link leads to %q", b.text())
				}
				if n := s.orders.Load(); n != 0 {
					t.Errorf("%d orders", n)
				}
			})
		}
	}
}

// S15: the same from the site's own pages works.
func TestBrowserIsUsed(t *testing.T) {
	for _, secure := range []bool{true, false} {
		s := newSite(t, secure)
		b := s.in(t)
		if status := eval[int](b, `fetch('/orders', {method: 'POST'}).then(r => r.status)`); status != http.StatusOK {
			t.Errorf("TLS %t: a fetch is answered by %d", secure, status)
		}
		if !upgrades(b, s.url+"/socket") {
			t.Errorf("TLS %t: the WebSocket is refused", secure)
		}
		if b.click("#others"); b.location() != "/" || !strings.HasPrefix(b.text(), "Hello ada") {
			t.Errorf("TLS %t: a form leads to %s: %q", secure, b.location(), b.text())
		}
		if n := s.orders.Load(); n != 1 {
			t.Errorf("TLS %t: %d orders", secure, n)
		}
	}
}
