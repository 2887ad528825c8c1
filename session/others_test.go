package session_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/session"
)

// S8, C5: half a login is not paid by somebody else's proof: a request that a
// token let in, beside the cookie of the login.
func TestAddFactorByAnother(t *testing.T) {
	w := newWorld(t, func(cfg *session.Config) { cfg.Owed = owes("otp") })
	b := w.tab()
	b.begin(w.user("ada"), session.LoginOptions{})
	mallory := w.user("mallory")
	r := authntest.Request(b.request(http.MethodPost), mallory)
	rec := httptest.NewRecorder()
	_, err := w.AddFactor(rec, r, authn.Factor{Name: "otp", At: w.clock.Now()})
	wantErr(t, "AddFactor", err, http.StatusForbidden, "forbidden", "another's proof")
	if len(rec.Header()["Set-Cookie"]) != 0 {
		t.Errorf("header %v", rec.Header())
	}
	// As ada herself, whom the verifier knows by the cookie, it goes.
	id, err := w.Verify(b.request(http.MethodPost))
	if err != nil {
		t.Fatal(err)
	}
	r = authntest.Request(b.request(http.MethodPost), id)
	if id, err = w.AddFactor(httptest.NewRecorder(), r, authn.Factor{Name: "otp", At: w.clock.Now()}); err != nil || len(id.Pending) > 0 {
		t.Errorf("%+v, %v", id, err)
	}
}

// S6: a logout that Verify let in ends the session, also when another request
// has given it a new token in between.
func TestLogoutAfterARotation(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	id, err := w.Verify(b.request(http.MethodPost))
	if err != nil {
		t.Fatal(err)
	}
	r := authntest.Request(b.request(http.MethodPost), id)
	if _, err := b.factor("otp"); err != nil { // the other request
		t.Fatal(err)
	}
	if err := w.Logout(httptest.NewRecorder(), r); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Verify(b.request(http.MethodGet)); !errors.Is(err, authn.ErrNoCredential) {
		t.Errorf("the session lives: %v", err)
	}
}

// S18: another site cannot end the older session: it is not even asked for.
func TestAdoptIsNotForOtherSites(t *testing.T) {
	w := newWorld(t, nil)
	h := w.Adopt(func(http.ResponseWriter, *http.Request) (*authn.Identity, error) {
		t.Error("asked")
		return nil, authn.ErrNoCredential
	})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	h.ServeHTTP(httptest.NewRecorder(), w.tab().request(http.MethodPost, "Sec-Fetch-Site", "cross-site"))
}

// S14, S16: a page with a token is not cached, at its first rendering and at
// the next.
func TestPagesWithATokenAreNotCached(t *testing.T) {
	w := newWorld(t, func(cfg *session.Config) { cfg.Keychain = authn.GenerateKeychain() })
	for _, b := range []*tab{w.tab(), w.in("ada")} {
		rec := httptest.NewRecorder()
		w.CSRFToken(rec, b.request(http.MethodGet))
		if got := rec.Header().Get("Cache-Control"); got != "no-store" {
			t.Errorf("Cache-Control %q", got)
		}
	}
}
