package session_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
)

// S1, S2: whatever stands in Cookie, Verify does not panic, lets in exactly who
// has the token, asks the store only of what has the shape of one, and no method
// takes a token from a request.
func FuzzCookie(f *testing.F) {
	quiet := func(cfg *session.Config) { cfg.OnEvent = nil } // a Recorder would keep all that it gets
	plain := newWorld(f, quiet)
	signed := newWorld(f, func(cfg *session.Config) { quiet(cfg); withKeychain(authn.GenerateKeychain())(cfg) })
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
			case slices.Equal(sent(r), []string{good}) != (err == nil), err == nil && id.Subject != "ada":
				t.Fatalf("%q lets in %+v, %v", r.Header["Cookie"], id, err)
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
			w.clock.advance(10 * time.Minute) // so that visitors' sessions end, and leave the store
		}
	})
}

// sent are the values of all cookies of sessions that r has.
func sent(r *http.Request) (values []string) {
	for pair := range strings.SplitSeq(strings.Join(r.Header["Cookie"], ";"), ";") {
		if value, ok := strings.CutPrefix(strings.Trim(pair, " \t"), cookieName+"="); ok {
			values = append(values, value)
		}
	}
	return values
}
