package session_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
)

// S8: a factor clears that one only, and rotates; ID and data stay.
func TestAddFactorClearsThatOneOnly(t *testing.T) {
	w := newWorld(t, func(cfg *session.Config) { cfg.Owed = owes("otp", "hwk") })
	b := w.in("ada")
	if err := b.update(add); err != nil {
		t.Fatal(err)
	}
	began := b.good("half")
	for _, c := range []struct {
		factor string
		left   []string
	}{{"sms", []string{"otp", "hwk"}}, {"otp", []string{"hwk"}}, {"otp", []string{"hwk"}}, {"hwk", nil}} {
		old := b.clone()
		rec := httptest.NewRecorder()
		id, err := b.AddFactor(rec, b.request(http.MethodPost), authn.Factor{Name: c.factor, At: w.clock.Now()})
		if err != nil {
			t.Fatal(err)
		}
		if got, value := setCookie(t, rec); got != "__Host-session; Path=/; HttpOnly; Secure; SameSite=Lax" || value == old.cookies[cookieName] {
			t.Errorf("%s: %s", c.factor, got)
		}
		if cc := rec.Header().Get("Cache-Control"); cc != "no-store" {
			t.Errorf("Cache-Control %q", cc)
		}
		b.take(rec)
		old.dead("the token before "+c.factor, "unknown, expired or revoked")
		now := b.good(c.factor)
		at, ok := now.FactorAt(c.factor)
		if !slices.Equal(now.Pending, c.left) || !slices.Equal(id.Pending, c.left) || !ok || !at.Equal(w.clock.Now()) || now.CredentialID != began.CredentialID || b.counted() != 1 {
			t.Errorf("after %s: %+v, want %q left", c.factor, now, c.left)
		}
		w.clock.advance(time.Second)
	}
	if rec := answer(w.Middleware, b.request(http.MethodGet)); rec.Code != http.StatusOK {
		t.Errorf("Require: %d", rec.Code)
	}
}

// S8: half a login lives 10 min, however it is used, and its absolute deadline
// begins when the last factor is paid.
func TestHalfALoginIsShort(t *testing.T) {
	for _, remember := range []bool{false, true} {
		w := newWorld(t, func(cfg *session.Config) { cfg.Owed = owes("otp", "hwk") })
		b := w.tab()
		half := b.begin(w.user("ada"), session.LoginOptions{Remember: remember})
		if !half.ExpiresAt.Equal(w.clock.Now().Add(10 * time.Minute)) {
			t.Errorf("ends %v", half.ExpiresAt)
		}
		unused := b.clone()
		w.clock.advance(9 * time.Minute)
		id, err := b.factor("otp")
		if err != nil || !id.ExpiresAt.Equal(half.ExpiresAt) {
			t.Fatalf("one of two: %v, %v", id, err)
		}
		late := b.clone()
		w.clock.advance(time.Minute - 1)
		b.good("just before")
		w.clock.advance(1)
		late.dead("ten minutes", "unknown, expired or revoked")
		unused.dead("ten minutes", "unknown, expired or revoked")
		if _, err := late.factor("hwk"); !errors.Is(err, authn.ErrNoCredential) {
			t.Errorf("a factor after the end: %v", err)
		}

		b = w.tab()
		b.begin(w.user("ada"), session.LoginOptions{Remember: remember})
		w.clock.advance(5 * time.Minute)
		_, err1 := b.factor("otp")
		w.clock.advance(4 * time.Minute)
		id, err = b.factor("hwk")
		want := 24 * time.Hour
		if remember {
			want = 30 * 24 * time.Hour
		}
		if err1 != nil || err != nil || !id.ExpiresAt.Equal(w.clock.Now().Add(want)) {
			t.Errorf("paid: %v, %v, %v", id, err1, err)
		}
	}
}

// S3, S8: half a login does not live longer than a whole one would.
func TestHalfALoginEndsAtAbsolute(t *testing.T) {
	w := newWorld(t, func(cfg *session.Config) {
		cfg.Owed, cfg.Idle, cfg.Absolute = owes("otp"), time.Minute, 5*time.Minute
	})
	if id := w.in("ada").good("half"); id.ExpiresAt.After(w.clock.Now().Add(5 * time.Minute)) {
		t.Errorf("ends %v after the login", id.ExpiresAt.Sub(w.clock.Now()))
	}
}

// S8: a step-up renews the factor's time for Within; the absolute deadline and
// the ID stay.
func TestStepUp(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	began := b.good("at first")
	for range 5 {
		w.clock.advance(30 * time.Minute)
		b.good("in use")
	}
	within := func() int {
		return answer(authn.Require(w, authn.Within(5*time.Minute, "pwd")), b.request(http.MethodGet)).Code
	}
	if got := within(); got != http.StatusUnauthorized {
		t.Errorf("a password of before: %d", got)
	}
	w.clock.advance(5 * time.Minute) // too little for a touch
	id, err := b.factor("pwd")
	if err != nil || id.CredentialID != began.CredentialID || !id.ExpiresAt.Equal(began.ExpiresAt) || len(id.Factors) != 1 {
		t.Errorf("%+v, %v", id, err)
	}
	if got := within(); got != http.StatusOK {
		t.Errorf("a fresh password: %d", got)
	}
	list, _, err := w.List(t.Context(), "ada", store.Page{})
	if err != nil || len(list) != 1 || !list[0].SeenAt.Equal(w.clock.Now()) || !list[0].ExpiresAt.Equal(w.clock.Now().Add(time.Hour)) {
		t.Errorf("%+v, %v", list, err)
	}
}

// S8, S13: what AddFactor refuses changes nothing.
func TestAddFactorRefuses(t *testing.T) {
	w := newWorld(t, nil)
	b, nobody, basket := w.in("ada"), w.tab(), w.tab()
	if err := basket.update(add); err != nil {
		t.Fatal(err)
	}
	gone := w.in("bob")
	if err := w.RevokeSubject(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
	now := w.clock.Now()
	good := authn.Factor{Name: "otp", At: now}
	for _, c := range []struct {
		name   string
		b      *tab
		f      authn.Factor
		header []string
		fails  string
		status int
		code   string
	}{
		{"without name", b, authn.Factor{At: now}, nil, "none", 500, "internal"},
		{"without time", b, authn.Factor{Name: "otp"}, nil, "none", 500, "internal"},
		{"nobody", nobody, good, nil, "none", 401, ""},
		{"anonymous", basket, good, nil, "none", 401, ""},
		{"revoked", gone, good, nil, "none", 401, ""},
		{"another site", b, good, []string{"Sec-Fetch-Site", "cross-site"}, "none", 403, "forbidden"},
		{"does not read", b, good, nil, "Read", 503, "unavailable"},
		{"does not write", b, good, nil, "Rotate", 503, "unavailable"},
	} {
		w.st.fail(c.fails, errDown)
		rec := httptest.NewRecorder()
		id, err := w.AddFactor(rec, c.b.request(http.MethodPost, c.header...), c.f)
		wantErr(t, c.name, err, c.status, c.code, "*")
		if id != nil || len(rec.Header()) != 0 || errors.Is(err, authn.ErrNoCredential) != (c.status == 401) {
			t.Errorf("%s: %v, %v, header %v", c.name, id, err, rec.Header())
		}
		w.st.reset()
		if id := b.good(c.name); len(id.Factors) != 1 {
			t.Errorf("%s: %+v", c.name, id)
		}
	}
}

// S6, S8: a session that ends, or rotates, while its factor is proven stays
// ended: the loser has no token.
func TestAddFactorInFlight(t *testing.T) {
	w := newWorld(t, nil)
	for what, meanwhile := range map[string]func(b *tab) error{
		"revoked":   func(*tab) error { return w.RevokeSubject(t.Context(), "ada") },
		"logout":    func(b *tab) error { return b.logout() },
		"AddFactor": func(b *tab) error { _, err := b.factor("hwk"); return err },
		"Login":     func(b *tab) error { b.begin(w.user("ada"), session.LoginOptions{}); return nil },
	} {
		b := w.in("ada")
		other := b.clone()
		w.st.before = func(call string) {
			if call == "Rotate" {
				if err := meanwhile(other); err != nil {
					t.Error(err)
				}
			}
		}
		rec := httptest.NewRecorder()
		_, err := b.AddFactor(rec, b.request(http.MethodPost), authn.Factor{Name: "otp", At: w.clock.Now()})
		w.st.reset()
		wantErr(t, what, err, http.StatusUnauthorized, "", "revoked or rotated meanwhile")
		if len(rec.Header()) != 0 {
			t.Errorf("%s: header %v", what, rec.Header())
		}
		b.dead(what, "unknown, expired or revoked")
		w.clock.advance(time.Second) // the revocation is over
	}
}

// S8: a factor may be added by the response of the login, also where the request
// came in as somebody else.
func TestFactorOfTheSameResponse(t *testing.T) {
	w := newWorld(t, func(cfg *session.Config) { cfg.Owed = owes("otp") })
	b := w.in("eve")
	rec, r := httptest.NewRecorder(), b.signedIn(http.MethodPost)
	if _, err := w.Login(rec, r, w.user("ada"), session.LoginOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.AddFactor(rec, r, authn.Factor{Name: "otp", At: w.clock.Now()}); err != nil {
		t.Fatal(err)
	}
	b.take(rec)
	if id := b.good("both"); id.Subject != "ada" || len(id.Pending) != 0 || len(rec.Header()["Set-Cookie"]) != 1 {
		t.Errorf("%+v, %q", id, rec.Header()["Set-Cookie"])
	}
}
