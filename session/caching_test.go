package session_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
)

// S14, C10: what depends on the cookie is private and says so in Vary, whether
// it came or not; refusals are not stored.
func TestAnswersAreNotShared(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	own := func(cc string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if cc != "" {
				w.Header().Set("Cache-Control", cc)
			}
		})
	}
	for _, c := range []struct {
		name string
		h    http.Handler
		b    *tab
		want string
	}{
		{"Require", authn.Require(w)(own("")), b, "private"},
		{"Require, the handler's own", authn.Require(w)(own("private, max-age=60")), b, "private, max-age=60"},
		{"Require, refused", authn.Require(w)(own("public")), w.tab(), "no-store"},
		{"Optional", authn.Optional(w)(own("")), b, "private"},
		{"Optional, nobody", authn.Optional(w)(own("")), w.tab(), "private"},
	} {
		rec := httptest.NewRecorder()
		rec.Header().Set("Vary", "Accept-Encoding")
		c.h.ServeHTTP(rec, c.b.request(http.MethodGet))
		vary := rec.Header()["Vary"]
		if cc := rec.Header()["Cache-Control"]; len(cc) != 1 || cc[0] != c.want || len(vary) != 2 || vary[1] != "Cookie" {
			t.Errorf("%s: Cache-Control %q, Vary %q", c.name, cc, vary)
		}
	}
}

// S14: whatever sets the cookie, or takes it away, is not stored, and that
// replaces what was there, Require's too.
func TestSettingTheCookieIsNotStored(t *testing.T) {
	for what, call := range map[string]func(m *world, w http.ResponseWriter, r *http.Request) error{
		"Login": func(m *world, w http.ResponseWriter, r *http.Request) error {
			_, err := m.Login(w, r, m.user("ada"), session.LoginOptions{})
			return err
		},
		"AddFactor": func(m *world, w http.ResponseWriter, r *http.Request) error {
			_, err := m.AddFactor(w, r, authn.Factor{Name: "otp", At: m.clock.Now()})
			return err
		},
		"Logout": func(m *world, w http.ResponseWriter, r *http.Request) error { return m.Logout(w, r) },
	} {
		m := newWorld(t, nil)
		b := m.in("ada")
		h := authn.Optional(m)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Cache-Control"] = []string{"public", "max-age=60"}
			if err := call(m, w, r); err != nil {
				t.Error(err)
			}
		}))
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, b.request(http.MethodPost))
		if cc := rec.Header()["Cache-Control"]; len(cc) != 1 || cc[0] != "no-store" {
			t.Errorf("%s: Cache-Control %q", what, cc)
		}
	}
}

// S14, C10: a cookie that was set before Require stays no-store behind it.
func TestNoStoreStaysBehindRequire(t *testing.T) {
	w := newWorld(t, nil)
	h := w.Adopt(func(http.ResponseWriter, *http.Request) (*authn.Identity, error) { return w.user("ada"), nil })(
		authn.Require(w)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, w.tab().request(http.MethodGet))
	if cc := rec.Header()["Cache-Control"]; rec.Code != http.StatusOK || len(cc) != 1 || cc[0] != "no-store" || len(rec.Header()["Set-Cookie"]) != 1 {
		t.Errorf("%d, header %v", rec.Code, rec.Header())
	}
}

// C4, S13: a session that is none is challenged by Cookie, with a fixed answer.
func TestChallenge(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	stale := b.clone()
	_ = b.logout()
	malformed := w.tab()
	malformed.cookies[cookieName] = "x"
	var first string
	for _, b := range []*tab{w.tab(), stale, malformed} {
		rec := answer(authn.Require(w), b.request(http.MethodGet))
		if got := rec.Header().Get("WWW-Authenticate"); rec.Code != http.StatusUnauthorized || got != `Cookie realm="api"` {
			t.Errorf("%d %s", rec.Code, got)
		}
		if first == "" {
			first = rec.Body.String()
		}
		if rec.Body.String() != first {
			t.Errorf("%s, want %s", rec.Body, first)
		}
	}
}
