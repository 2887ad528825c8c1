package oauth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/oauth"
)

// signedIn is a verifier whose answer can be changed.
type signedIn struct {
	id  *authn.Identity
	err error
}

func (s *signedIn) Verify(*http.Request) (*authn.Identity, error) {
	if s.id == nil && s.err == nil {
		return nil, authn.ErrNoCredential
	}
	return s.id, s.err
}

func session(subject, id string) *authn.Identity {
	return &authn.Identity{Subject: subject, Kind: authn.KindUser, Method: "session", CredentialID: id, VerifiedAt: time.Now()}
}

// links posts to Link, from site.
func (b *browser) links(site string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "https://app.example/link?return_to=/account", http.NoBody)
	r.Header.Set("Sec-Fetch-Site", site)
	for _, c := range b.jar {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.h.login.Link("op").ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		b.jar[c.Name] = c
	}
	return w
}

// O5: an account is linked by who is signed in, from a page of this host, and only
// while the same session lasts.
func TestLinkWantsTheSameSession(t *testing.T) {
	p := authntest.NewProvider(t)
	for _, c := range []struct {
		name   string
		then   signedIn // at the callback
		status int
		code   string
	}{
		{"the same", signedIn{id: session("u1", "s1")}, 303, ""},
		{"signed out", signedIn{}, 401, "login_expired"},
		{"another session of the same user", signedIn{id: session("u1", "s2")}, 401, "login_expired"},
		{"another user", signedIn{id: session("u2", "s1")}, 401, "login_expired"},
		{"half a login", signedIn{id: &authn.Identity{Subject: "u1", Kind: authn.KindUser, CredentialID: "s1", Pending: []string{"otp"}, VerifiedAt: time.Now()}}, 401, "login_expired"},
		{"the store is down", signedIn{err: errDown}, 503, "unavailable"},
		{"the host is misconfigured", signedIn{err: &authn.Error{Status: 500, Code: "internal"}}, 500, "internal"},
	} {
		who := &signedIn{id: session("u1", "s1")}
		h := newHost(t, p, func(cfg *oauth.Config) { cfg.SignedIn = who })
		b := h.browser()
		w := b.links("same-origin")
		to, err := w.Result().Location()
		if err != nil {
			t.Fatalf("%s: Link answers %d: %s", c.name, w.Code, w.Body)
		}
		wantQuiet(t, w)
		back := b.provides(to)
		*who = c.then
		n := h.requests("")
		w = b.comes(back)
		if c.code != "" {
			h.wantRefused(t, w, c.status, c.code, "")
			if got := h.requests(""); got != n {
				t.Errorf("%s: %d requests", c.name, got-n)
			}
			continue
		}
		if got := h.wantIn(t, w, 1); got.LinkTo != "u1" || got.ReturnTo != "/account" {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// O5: an instance that cannot say who is signed in takes no link that another began.
func TestLinkWithoutSignedIn(t *testing.T) {
	h := newHost(t, authntest.NewProvider(t), func(cfg *oauth.Config) { cfg.SignedIn = &signedIn{id: session("u1", "s1")} })
	b := h.browser()
	back := b.provides(authn.Must(b.links("same-origin").Result().Location()))
	h.login = h.instance(func(cfg *oauth.Config) { cfg.SignedIn = nil })
	h.wantRefused(t, b.comes(back), 401, "login_expired", "no SignedIn")
}

// O5: neither another site nor somebody who is not signed in starts a link, and no
// GET does.
func TestLinkStartsFromThisHostOnly(t *testing.T) {
	p := authntest.NewProvider(t)
	who := &signedIn{id: session("u1", "s1")}
	h := newHost(t, p, func(cfg *oauth.Config) { cfg.SignedIn = who })
	for _, site := range []string{"cross-site", "same-site"} {
		h.wantRefused(t, h.browser().links(site), 403, "forbidden", "cross-origin")
	}
	for name, id := range map[string]*authn.Identity{
		"nobody": nil, "a key": {Subject: "u1", Kind: authn.KindKey, VerifiedAt: time.Now()}, "half a login": {Subject: "u1", Kind: authn.KindUser, Pending: []string{"otp"}, VerifiedAt: time.Now()},
	} {
		who.id = id
		if w := h.browser().links("same-origin"); w.Code != 401 && w.Code != 403 || len(w.Result().Cookies()) > 0 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	w := httptest.NewRecorder()
	h.login.Link("op").ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://app.example/link", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d", w.Code)
	}
	if n := h.requests(""); n != 0 {
		t.Errorf("the provider was asked %d times", n)
	}
}

// O5: a login that somebody else has started never becomes a link, whoever is signed
// in where it ends.
func TestLoginIsNoLink(t *testing.T) {
	h := newHost(t, authntest.NewProvider(t), func(cfg *oauth.Config) { cfg.SignedIn = &signedIn{id: session("u1", "s1")} })
	if got := h.wantIn(t, h.browser().logsIn(), 1); got.LinkTo != "" {
		t.Errorf("%+v", got)
	}
}

// O5: a route that could never work cannot be built.
func TestLinkPanics(t *testing.T) {
	p := authntest.NewProvider(t)
	for name, build := range map[string]func(){
		"no SignedIn": func() { newHost(t, p).login.Link("op") },
		"no provider": func() {
			newHost(t, p, func(cfg *oauth.Config) { cfg.SignedIn = &signedIn{} }).login.Link("nobody")
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			build()
		}()
	}
}

// O8: OnError gets the way back and not the code, so that a page can neither show
// nor log it, and authn.Pages leads back to where the user wanted to go.
func TestOnErrorSeesNoCode(t *testing.T) {
	var saw *http.Request
	p := authntest.NewProvider(t)
	h := newHost(t, p, func(cfg *oauth.Config) {
		cfg.OnError = func(w http.ResponseWriter, r *http.Request, err *authn.Error) {
			saw = r
			authn.Pages{Login: "/login?wrong=1"}.OnError(w, r, err)
		}
	})
	b := h.browser()
	back := b.provides(b.starts("op", "?return_to="+url.QueryEscape("/orders?page=2")))
	r := httptest.NewRequest(http.MethodGet, strings.Replace(back.url, "iss=http", "iss=https", 1), nil)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	w := b.send(r, http.SameSiteLaxMode)
	if saw == nil || saw.RequestURI != "/orders?page=2" || strings.Contains(saw.URL.String(), "code=") {
		t.Errorf("OnError sees %v", saw)
	}
	if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != "/login?wrong=1&return_to="+url.QueryEscape("/orders?page=2") {
		t.Errorf("%d to %q", w.Code, got)
	}
}
