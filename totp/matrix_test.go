package totp_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/totp"
)

// T7: whichever way they come in, who is enrolled is nobody until the code is
// proven, and who is not enrolled owes nothing. Only a device that they trust skips
// the code; a key is no person, and becomes none.
func TestNoWayInSkipsTheFactor(t *testing.T) {
	w := newWorld(t, trusting)
	w.from = time.Now()    // refreshing is by the store's clock
	p, _ := w.enrol("ada") // and bob is not
	ctx := t.Context()
	sessions := authn.Must(session.New(w.st, session.Config{Owed: w.Owed, Now: w.now}))
	ring := authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.GenerateKey(jwtauth.ES256))))
	issuer := authn.Must(jwtauth.NewIssuer(ring, w.st, w.kc, jwtauth.IssuerConfig{
		Issuer: "https://app.example", Audience: []string{"https://app.example"}, Owed: w.Owed, Now: w.now,
	}))
	keys := authn.Must(apikey.New(w.st, apikey.Config{Prefix: "acme_live", Now: w.now}))
	account := func(v authn.Verifier, r *http.Request, rules ...authn.Rule) int {
		rec := httptest.NewRecorder()
		authn.Require(v, rules...)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(rec, r)
		return rec.Code
	}
	bearer := func(token authn.Secret) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "https://app.example/", http.NoBody)
		r.Header.Set("Authorization", "Bearer "+token.Reveal())
		return r
	}
	trusted := w.trusted("ada")

	// Each is how a login ends, of who has proven these factors.
	ways := []struct {
		name    string
		factors []string
		from    *http.Request
		owes    bool // who is enrolled
	}{
		{"password", []string{"pwd"}, newRequest(nil), true},
		{"a reset link, which proves nothing", nil, newRequest(nil), true},
		{"a passkey", []string{"hwk"}, newRequest(nil), true},
		{"password on a trusted device", []string{"pwd"}, trusted, false},
		{"a reset link on a trusted device", nil, trusted, false},
		{"password and code", []string{"pwd", "otp"}, newRequest(nil), false},
	}
	for _, way := range ways {
		for _, subject := range []string{"ada", "bob"} {
			name := subject + " by " + way.name
			owes := way.owes && subject == "ada"
			want := http.StatusOK
			if owes {
				want = http.StatusUnauthorized
			}

			rec := httptest.NewRecorder()
			id, err := sessions.Login(rec, way.from, w.user(subject, way.factors...), session.LoginOptions{})
			if err != nil || fmt.Sprint(id.Pending) != fmt.Sprint(map[bool][]string{true: {"otp"}}[owes]) {
				t.Fatalf("%s: session pending %q, %v", name, id.Pending, err)
			}
			if got := account(sessions, newRequest(rec)); got != want {
				t.Errorf("%s: the session gets %d, want %d", name, got, want)
			}

			set, err := issuer.Issue(ctx, jwtauth.Grant{Identity: w.user(subject, way.factors...), Refresh: true, Request: way.from})
			if err != nil || set.Refresh.IsZero() != owes {
				t.Fatalf("%s: a refresh token: %v, %v", name, !set.Refresh.IsZero(), err)
			}
			if got := account(issuer.Verifier(), bearer(set.Access)); got != want {
				t.Errorf("%s: the token gets %d, want %d", name, got, want)
			}
			if !owes {
				next, err := issuer.Refresh(ctx, set.Refresh.Reveal(), jwtauth.Grant{})
				if err != nil || account(issuer.Verifier(), bearer(next.Access)) != http.StatusOK {
					t.Errorf("%s: refreshed: %v", name, err)
				}
				continue
			}
			if got := account(issuer.Verifier(), bearer(set.Access), authn.AllowPending("otp")); got != http.StatusOK {
				t.Errorf("%s: the route that takes the code answers %d", name, got)
			}
			if _, err := issuer.Refresh(ctx, set.Access.Reveal(), jwtauth.Grant{}); err == nil {
				t.Errorf("%s: half a login is refreshed", name)
			}

			// The code, and nothing else, completes the session.
			w.forward(step)
			code := newRequest(rec)
			if _, err := w.Verify(ctx, subject, p.wrong(w.now())); !errors.Is(err, totp.ErrWrong) {
				t.Fatal(err)
			}
			f, err := w.Verify(ctx, subject, p.code(w.now()))
			if err != nil {
				t.Fatal(err)
			}
			done := httptest.NewRecorder()
			if _, err := sessions.AddFactor(done, code, f); err != nil {
				t.Fatal(err)
			}
			if got := account(sessions, newRequest(done), authn.Within(step, "otp")); got != http.StatusOK {
				t.Errorf("%s, with the code: %d", name, got)
			}
		}
	}

	for _, subject := range []string{"ada", "bob"} {
		issued, err := keys.Create(ctx, subject, apikey.Spec{Name: "ci"})
		if err != nil {
			t.Fatal(err)
		}
		id, err := keys.Verify(bearer(issued.Secret))
		if err != nil || id.Pending != nil {
			t.Fatalf("%s's key: %+v, %v", subject, id, err)
		}
		if _, err := sessions.Login(httptest.NewRecorder(), newRequest(nil), id, session.LoginOptions{}); err == nil {
			t.Errorf("%s's key became a session", subject)
		}
		if _, err := issuer.Issue(ctx, jwtauth.Grant{Identity: id}); err == nil {
			t.Errorf("%s's key became a token", subject)
		}
	}

	w.st.fail("read")
	if _, err := sessions.Login(httptest.NewRecorder(), newRequest(nil), w.user("bob", "pwd"), session.LoginOptions{}); authn.AsError(err).Status != http.StatusServiceUnavailable {
		t.Errorf("a login while the store is down: %v", err)
	}
}

// T7: nobody but a user owes a code.
func TestWhoOwesNothing(t *testing.T) {
	w := newWorld(t, nil)
	w.enrol("ada")
	for why, id := range map[string]*authn.Identity{
		"nobody": nil, "a key": {Subject: "ada", Kind: authn.KindKey}, "a client": {Subject: "ada", Kind: authn.KindClient}, "who has proven it": w.user("ada", "otp"),
	} {
		if owed, err := w.Owed(t.Context(), nil, id); owed != nil || err != nil {
			t.Errorf("%s owes %q, %v", why, owed, err)
		}
	}
	w.wantOwed(nil, "ada", true, "who has not")
}
