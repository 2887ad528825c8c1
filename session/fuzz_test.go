package session_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
)

// S1, S2: whatever stands in Cookie, Verify does not panic, lets in exactly who
// has the token, asks the store only of what has the shape of one, and no method
// takes a token from a request.
func FuzzCookie(f *testing.F) {
	plain := newWorld(f, nil)
	signed := newWorld(f, withKeychain(authn.GenerateKeychain()))
	f.Fuzz(func(t *testing.T, line, second string) {
		for _, of := range []*world{plain, signed} {
			w := *of
			w.t = t
			ada := w.in("ada")
			good := ada.cookies[cookieName]
			value := strings.ReplaceAll(line, "GOOD", good) // for seeds: it is another one at each run
			r := httptest.NewRequest(http.MethodGet, site, nil)
			r.Header["Cookie"] = []string{value}
			if second != "" {
				r.Header["Cookie"] = append(r.Header["Cookie"], strings.ReplaceAll(second, "GOOD", good))
			}
			w.st.reset()
			id, err := w.Verify(r)
			switch {
			case err == nil && (id.Subject != "ada" || !strings.Contains(strings.Join(r.Header["Cookie"], ";"), cookieName+"="+good)):
				t.Fatalf("%q lets in %+v", r.Header["Cookie"], id)
			case err != nil && !errors.Is(err, authn.ErrNoCredential):
				t.Fatalf("%q: %v", r.Header["Cookie"], err)
			case w.st.called() > 1:
				t.Fatalf("%q: asked %s", r.Header["Cookie"], w.st.asked())
			case of == signed && err != nil && w.st.called() != 0:
				t.Fatalf("%q: a cookie that nobody signed is looked up", r.Header["Cookie"])
			}
			rec := httptest.NewRecorder()
			if err := w.Update(rec, r, add); err != nil {
				t.Fatalf("%q: Update: %v", r.Header["Cookie"], err)
			}
			if _, err := w.Login(rec, r, w.user("eve"), session.LoginOptions{KeepData: true}); err != nil {
				t.Fatalf("%q: Login: %v", r.Header["Cookie"], err)
			}
			b := w.tab()
			b.take(rec)
			if token := b.cookies[cookieName]; token == "" || strings.Contains(value+second, token) || b.good("").Subject != "eve" {
				t.Fatalf("%q: the new token is %q", r.Header["Cookie"], token)
			}
			if err := w.RevokeSubject(t.Context(), "eve"); err != nil {
				t.Fatal(err)
			}
			_ = ada.logout()
			w.clock.advance(1e9)
		}
	})
}
