package jwtauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
)

const cookieName = "__Host-access"

// newCookieService takes tokens from a cookie, too.
func newCookieService(t *testing.T) *service {
	return newService(t, func(cfg *jwtauth.VerifierConfig) { cfg.Cookie = cookieName })
}

// asked is a request with these fields, in pairs.
func asked(method string, fields ...string) *http.Request {
	r := without()
	r.Method = method
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return r
}

// J10: a token comes in Authorization, or in the cookie that has a name; a
// header field decides, for good or bad.
func TestSources(t *testing.T) {
	good, bob := goodDraft(jwtauth.HS256).token(), goodDraft(jwtauth.HS256).swap(`"ada"`, `"bob"`).token()
	const field, cookie = "Authorization", "Cookie"
	for _, c := range []struct {
		name         string
		r            *http.Request
		body         string // of 200
		status       int    // by Require
		optional     int    // by Optional, as nobody if it is 200 and body is ""
		reasonOfNone string // of the event, where the request has no credential that counts
	}{
		{"nothing", asked("GET"), "", 401, 200, ""},
		{"header", asked("GET", field, "Bearer "+good), "ada", 200, 200, ""},
		{"cookie", asked("GET", cookie, cookieName+"="+good), "ada", 200, 200, ""},
		{"header beside cookie", asked("GET", field, "Bearer "+bob, cookie, cookieName+"="+good), "bob", 200, 200, ""},
		{"bad header beside good cookie", asked("GET", field, "Bearer "+good+"x", cookie, cookieName+"="+good), "", 401, 401, ""},
		{"opaque bearer beside good cookie", asked("GET", field, "Bearer opaque", cookie, cookieName+"="+good), "", 401, 401, ""},
		{"Basic beside good cookie", asked("GET", field, "Basic YTpi", cookie, cookieName+"="+good), "", 401, 401, ""},
		{"two Authorizations", asked("GET", field, "Bearer "+good, field, "Bearer "+good), "", 400, 400, ""},
		{"two Authorizations, one of another scheme", asked("GET", field, "Basic YTpi", field, "Bearer "+good), "", 400, 400, ""},
		{"two cookies", asked("GET", cookie, cookieName+"="+good+"; "+cookieName+"="+bob), "", 401, 200, "two cookies"},
		{"two cookie fields", asked("GET", cookie, cookieName+"="+good, cookie, cookieName+"="+good), "", 401, 200, "two cookies"},
		{"cookie of another name", asked("GET", cookie, "access="+good), "", 401, 200, ""},
		{"cookie in another case", asked("GET", cookie, strings.ToLower(cookieName)+"="+good), "", 401, 200, ""},
		{"empty cookie", asked("GET", cookie, cookieName+"="), "", 401, 200, "malformed cookie"},
		{"opaque cookie", asked("GET", cookie, cookieName+"=opaque"), "", 401, 200, "malformed cookie"},
		{"forged cookie", asked("GET", cookie, cookieName+"="+good+"AA"), "", 401, 200, "malformed signature"},
		{"long cookie", asked("GET", cookie, cookieName+"=a.b."+strings.Repeat("c", 9000)), "", 401, 200, "too long"},
		{"quoted cookie", asked("GET", cookie, cookieName+`="`+good+`"`), "", 401, 200, "malformed header"},

		{"POST of ours", asked("POST", cookie, cookieName+"="+good, "Sec-Fetch-Site", "same-origin"), "ada", 200, 200, ""},
		{"POST without a browser", asked("POST", cookie, cookieName+"="+good), "ada", 200, 200, ""},
		{"POST of another site", asked("POST", cookie, cookieName+"="+good, "Sec-Fetch-Site", "cross-site"), "", 403, 403, ""},
		{"POST of a sibling", asked("POST", cookie, cookieName+"="+good, "Sec-Fetch-Site", "same-site"), "", 403, 403, ""},
		{"DELETE of an old browser", asked("DELETE", cookie, cookieName+"="+good, "Origin", "https://evil.example"), "", 403, 403, ""},
		{"GET of another site", asked("GET", cookie, cookieName+"="+good, "Sec-Fetch-Site", "cross-site"), "ada", 200, 200, ""},
		{"websocket of another site", asked("GET", cookie, cookieName+"="+good, "Upgrade", "websocket", "Origin", "https://evil.example"), "", 403, 403, ""},
		{"websocket of ours", asked("GET", cookie, cookieName+"="+good, "Upgrade", "websocket", "Origin", "https://api.example.com"), "ada", 200, 200, ""},
		{"POST of another site, by header", asked("POST", field, "Bearer "+good, "Sec-Fetch-Site", "cross-site"), "ada", 200, 200, ""},
		{"POST of another site, by header beside cookie", asked("POST", field, "Bearer "+good, cookie, cookieName+"="+good, "Sec-Fetch-Site", "cross-site"), "ada", 200, 200, ""},
		{"POST of another site without cookie", asked("POST", "Sec-Fetch-Site", "cross-site"), "", 401, 200, ""},
		{"POST of another site, stale cookie", asked("POST", cookie, cookieName+"="+good+"AA", "Sec-Fetch-Site", "cross-site"), "", 401, 200, "malformed signature"},
		{"POST of another site, opaque cookie", asked("POST", cookie, cookieName+"=opaque", "Sec-Fetch-Site", "cross-site"), "", 401, 200, "malformed cookie"},

		{"query", func() *http.Request {
			r := asked("GET")
			r.URL.RawQuery = url.Values{"access_token": {good}, cookieName: {good}}.Encode()
			return r
		}(), "", 401, 200, ""},
		{"form", func() *http.Request {
			r := asked("POST", "Content-Type", "application/x-www-form-urlencoded")
			r.Form = url.Values{"access_token": {good}}
			r.PostForm = r.Form
			return r
		}(), "", 401, 200, ""},
		{"other fields", asked("GET", "X-Access-Token", good, "Proxy-Authorization", "Bearer "+good, "Sec-WebSocket-Protocol", "bearer, "+good), "", 401, 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newCookieService(t)
			if w := answer(s.Middleware, c.r); w.Code != c.status || w.Code == 200 && w.Body.String() != c.body {
				t.Errorf("Require: %s", wire(w))
			}
			if c.reasonOfNone != "" {
				events := s.events.Events(authn.EventRefused)
				if len(events) != 1 || events[0].Reason != c.reasonOfNone {
					t.Errorf("events %+v, want one for %q", events, c.reasonOfNone)
				}
			}
			if w := answer(authn.Optional(s), c.r); w.Code != c.optional || w.Code == 200 && w.Body.String() != c.body {
				t.Errorf("Optional: %s", wire(w))
			}
		})
	}
}

// J10: two tokens are ambiguous for a Verifier alone, too, as in a FirstOf.
func TestTwoTokensAreAmbiguous(t *testing.T) {
	s := newCookieService(t)
	good := "Bearer " + goodDraft(jwtauth.HS256).token()
	_, err := s.Verify(asked("GET", "Authorization", good, "Authorization", good))
	if e := authn.AsError(err); e == nil || e.Status != 400 || e.Reason != "two tokens" {
		t.Errorf("%v", err)
	}
}

// C3, J10: a dead cookie is as good as none, whatever it died of: the 401 is the
// bare one, Optional goes on, and so does FirstOf.
func TestStaleCookieIsAbsent(t *testing.T) {
	other := authntest.Verifier(authn.User("other", "session"), nil)
	for _, c := range []struct {
		name   string
		change func(s *service)
		reason string
	}{
		{"expired", func(s *service) { s.clock.advance(time.Hour) }, "expired"},
		{"revoked", func(s *service) {
			s.rev.answer = func(store.TokenRef) (string, error) { return store.TokenRevokedByID, nil }
		}, store.TokenRevokedByID},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newCookieService(t)
			c.change(s)
			r := asked("GET", "Cookie", cookieName+"="+goodDraft(jwtauth.HS256).token())
			_, err := s.Verify(r)
			if e := authn.AsError(err); !isAbsent(err) || e.Reason != c.reason || e.About == nil || e.About.Subject != "ada" {
				t.Errorf("%+v", e)
			}
			if w := answer(s.Middleware, r); w.Header().Get("WWW-Authenticate") != `Bearer realm="api"` {
				t.Errorf("%s", wire(w))
			}
			if w := answer(authn.Optional(s), r); w.Code != 200 || w.Body.Len() != 0 {
				t.Errorf("%s", wire(w))
			}
			if id, err := authn.FirstOf(s, other).Verify(r); err != nil || id.Subject != "other" {
				t.Errorf("%v, %v", id, err)
			}
		})
	}
}

// J10, J11: a store that is down makes nobody anonymous, with a cookie, too.
func TestCookieOutageIsNoAbsence(t *testing.T) {
	s := newCookieService(t)
	s.rev.answer = func(store.TokenRef) (string, error) { return "", errDown }
	r := asked("GET", "Cookie", cookieName+"="+goodDraft(jwtauth.HS256).token())
	for _, m := range []func(http.Handler) http.Handler{s.Middleware, authn.Optional(s)} {
		if w := answer(m, r); w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s", wire(w))
		}
	}
}

// J10: the host names the origins that may use the cookie.
func TestTrustedOrigin(t *testing.T) {
	p := http.NewCrossOriginProtection()
	if err := p.AddTrustedOrigin("https://app.example.com"); err != nil {
		t.Fatal(err)
	}
	s := newService(t, func(cfg *jwtauth.VerifierConfig) { cfg.Cookie, cfg.CrossOrigin = cookieName, p })
	for origin, status := range map[string]int{"https://app.example.com": 200, "https://app.example.com.evil.example": 403} {
		r := asked("POST", "Cookie", cookieName+"="+goodDraft(jwtauth.HS256).token(), "Origin", origin, "Sec-Fetch-Site", "cross-site")
		if w := answer(s.Middleware, r); w.Code != status {
			t.Errorf("%s: %s", origin, wire(w))
		}
	}
}

// C10, J10: without Cookie none is looked at, and caches hear of what is.
func TestDescribe(t *testing.T) {
	plain, cookies := newService(t, nil), newCookieService(t)
	good := goodDraft(jwtauth.HS256).token()
	if w := answer(plain.Middleware, asked("GET", "Cookie", cookieName+"="+good)); w.Code != 401 || w.Header().Get("Vary") != "Authorization" {
		t.Errorf("%s", wire(w))
	}
	w := answer(cookies.Middleware, asked("GET", "Cookie", cookieName+"="+good))
	if w.Header().Get("Vary") != "Authorization, Cookie" || w.Header().Get("Cache-Control") != "private" {
		t.Errorf("%s", wire(w))
	}
}
