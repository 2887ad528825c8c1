package session_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
)

// logoutOf is the answer to a logout that must succeed.
func logoutOf(b *tab) *httptest.ResponseRecorder {
	b.t.Helper()
	rec := httptest.NewRecorder()
	if err := b.Logout(rec, b.request(http.MethodPost)); err != nil {
		b.t.Fatal(err)
	}
	b.take(rec)
	return rec
}

// S4: what each call costs of the store's.
func TestStoreTraffic(t *testing.T) {
	w := newWorld(t, nil)
	b, nobody := w.in("ada"), w.tab()
	wants := func(what, want string, f func()) {
		t.Helper()
		w.st.reset()
		f()
		if got := w.st.asked(); got != want {
			t.Errorf("%s asks %q, want %q", what, got, want)
		}
	}
	wants("Verify without cookie", "", func() { _, _ = nobody.verify() })
	wants("Logout of nobody", "", func() { logoutOf(nobody) })
	wants("Data of nobody", "", func() { nobody.counted() })
	wants("Update of nobody that changes nothing", "", func() { _ = nobody.update(func(*session.Data) error { return nil }) })
	wants("CSRFToken", "", func() { w.CSRFToken(httptest.NewRecorder(), b.request(http.MethodGet)) })
	wants("Login of nobody", "Create", func() { w.tab().begin(w.user("eve"), session.LoginOptions{}) })
	wants("Verify", "Read", func() { b.good("at once") })
	wants("Middleware", "Read", func() { answer(w.Middleware, b.request(http.MethodGet)) })
	r := b.signedIn(http.MethodPost)
	wants("Data of the session in the context", "", func() { _, _ = w.Data(r) })
	wants("Update", "Read Update", func() { _ = w.Update(httptest.NewRecorder(), r, add) })
	wants("Check", "Read", func() { _ = w.Check(r.Context()) })
	wants("Login again", "Read Create Revoke", func() { b.begin(w.user("ada"), session.LoginOptions{}) })
	wants("AddFactor", "Read Rotate", func() { _, _ = b.factor("otp") })
	wants("RevokeSubject", "RevokeOf", func() { _ = w.RevokeSubject(context.Background(), "ada") })
	wants("AddFactor of nobody", "", func() { _, _ = nobody.factor("otp") })
}

// S3, S4, S12: a use is written once in a tenth of the idle time, and each one
// extends the session, without Set-Cookie, until the absolute deadline.
func TestSlidingIsWrittenOnceATenth(t *testing.T) {
	for _, c := range []struct {
		remember       bool
		idle, absolute time.Duration
	}{
		{false, time.Hour, 24 * time.Hour},
		{true, 14 * 24 * time.Hour, 30 * 24 * time.Hour},
	} {
		w := newWorld(t, nil)
		b := w.tab()
		b.begin(w.user("ada"), session.LoginOptions{Remember: c.remember})
		began := w.clock.Now()
		w.st.reset()
		step := c.idle / 100
		for w.clock.Now().Sub(began) < c.absolute-step {
			w.clock.advance(step)
			b.good("in use")
		}
		if got, most := w.st.called("Touch"), int(c.absolute/(c.idle/10)); got > most || got < most-1 {
			t.Errorf("%d writes, want %d", got, most)
		}
		w.clock.advance(began.Add(c.absolute).Sub(w.clock.Now()) - 1)
		b.good("a nanosecond before the deadline")
		w.clock.advance(1)
		b.dead("at the deadline", "unknown, expired or revoked")
	}
}

// S12: idle counts from the last touch: exactly there, never later.
func TestIdleIsExact(t *testing.T) {
	var w *world
	fresh := func() *tab { w = newWorld(t, nil); return w.in("ada") }
	b := fresh()
	w.clock.advance(time.Hour - 1)
	b.good("just before")
	b = fresh()
	w.clock.advance(time.Hour)
	b.dead("at the end", "unknown, expired or revoked")

	b = fresh()
	w.clock.advance(6*time.Minute - 1)
	b.good("not written yet")
	w.clock.advance(54*time.Minute + 1)
	b.dead("an hour after the login: the use was not written", "unknown, expired or revoked")

	b = fresh()
	w.clock.advance(6 * time.Minute)
	b.good("written")
	w.clock.advance(time.Hour - 1)
	b.good("an hour after the touch, almost")
}

// S12: a store that does not clean, or answers what is over, extends nothing.
func TestDeadRecordsAreDead(t *testing.T) {
	w := newWorld(t, nil)
	for what, change := range map[string]func(s *store.Session){
		"idle":     func(s *store.Session) { s.IdleUntil = w.clock.Now() },
		"absolute": func(s *store.Session) { s.ExpiresAt = w.clock.Now() },
		"tag":      func(s *store.Session) { s.Ref.Tag = "AAAAAAAA" },
		"token":    func(s *store.Session) { s.Ref.Token[0]++ },
	} {
		b := w.in("ada")
		w.st.answer = func(s store.Session) (store.Session, error) { change(&s); return s, nil }
		b.dead(what, "unknown, expired or revoked")
		if b.counted() != 0 {
			t.Errorf("%s: has data", what)
		}
		w.st.reset()
	}
}

// S4: touching never goes back, whatever the clocks of two instances say, and
// never past the absolute deadline.
func TestTouchNeverGoesBack(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	infos := func() session.Info {
		t.Helper()
		list, _, err := w.List(t.Context(), "ada", store.Page{})
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		return list[0]
	}
	w.clock.advance(30 * time.Minute)
	b.good("touch")
	seen := infos()
	w.clock.advance(-20 * time.Minute)
	w.st.reset()
	b.good("an instance whose clock is behind")
	if w.st.called("Touch") != 0 || !reflect.DeepEqual(infos(), seen) {
		t.Errorf("%+v, want %+v", infos(), seen)
	}
	w.clock.advance(20 * time.Minute)
	for range 46 {
		w.clock.advance(30 * time.Minute)
		b.good("in use")
	}
	if last := infos(); !last.ExpiresAt.Equal(last.CreatedAt.Add(24 * time.Hour)) {
		t.Errorf("ends %v after the login", last.ExpiresAt.Sub(last.CreatedAt))
	}
}

// S4: a touch carries no data: it cannot undo an Update of the same moment.
func TestTouchWritesNoData(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	w.clock.advance(10 * time.Minute)
	w.st.before = func(call string) {
		if call == "Touch" {
			if err := b.clone().update(add); err != nil {
				t.Error(err)
			}
		}
	}
	b.good("with a touch")
	w.st.reset()
	if n := b.counted(); n != 1 {
		t.Errorf("count %d", n)
	}
}

// S4, C11: that a touch fails is an event and nobody's refusal; of a client that
// has gone it is none.
func TestFailedTouchIsAnEvent(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	w.clock.advance(10 * time.Minute)
	w.st.fail("Touch", errDown)
	b.good("the store does not write")
	got := w.events.Events(authn.EventWarning)
	if len(got) != 1 || got[0].Subject != "ada" || got[0].CredentialID == "" || !got[0].Addr.IsValid() || !errors.Is(got[0].Err, errDown) || !got[0].At.Equal(w.clock.Now()) {
		t.Errorf("events %+v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Verify(b.request(http.MethodGet).WithContext(ctx)); err != nil {
		t.Error(err)
	}
	if n := len(w.events.Events(authn.EventWarning)); n != 1 {
		t.Errorf("%d events", n)
	}
}

// S13: a store that is down is 503 everywhere, and never nobody.
func TestStoreDownIs503(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	ctx := b.ctx()
	for _, cause := range []error{errDown, context.DeadlineExceeded, store.ErrFull, authn.Refused("a store must not say so", nil), authn.NoCredential("nor so")} {
		w.st.fail("", cause)
		rec := httptest.NewRecorder()
		f := authn.Factor{Name: "otp", At: w.clock.Now()}
		for what, call := range map[string]func() error{
			"Verify":      func() error { _, err := b.verify(); return err },
			"Data":        func() error { _, err := w.Data(b.request(http.MethodGet)); return err },
			"Update":      func() error { return w.Update(rec, b.request(http.MethodPost), add) },
			"Update, new": func() error { return w.Update(rec, w.tab().request(http.MethodPost), add) },
			"Login": func() error {
				_, err := w.Login(rec, b.request(http.MethodPost), w.user("ada"), session.LoginOptions{})
				return err
			},
			"Login, new": func() error {
				_, err := w.Login(rec, w.tab().request(http.MethodPost), w.user("ada"), session.LoginOptions{})
				return err
			},
			"AddFactor":     func() error { _, err := w.AddFactor(rec, b.request(http.MethodPost), f); return err },
			"Logout":        func() error { return w.Logout(rec, b.request(http.MethodPost)) },
			"Check":         func() error { return w.Check(ctx) },
			"List":          func() error { _, _, err := w.List(ctx, "ada", store.Page{}); return err },
			"Revoke":        func() error { return w.Revoke(ctx, "ada", "id") },
			"RevokeOthers":  func() error { return w.RevokeOthers(ctx) },
			"RevokeSubject": func() error { return w.RevokeSubject(ctx, "ada") },
		} {
			err := call()
			if e := authn.AsError(err); e == nil || e.Status != http.StatusServiceUnavailable {
				t.Errorf("%s, %v: got %v, want 503", what, cause, err)
			}
		}
		if len(rec.Header()) != 0 {
			t.Errorf("header %v", rec.Header())
		}
		for what, m := range map[string]func(http.Handler) http.Handler{
			"Require": authn.Require(w), "Optional": authn.Optional(w), "FirstOf": authn.Optional(authn.FirstOf(w, w)),
		} {
			if rec := answer(m, b.request(http.MethodGet)); rec.Code != http.StatusServiceUnavailable {
				t.Errorf("%s, %v: %d", what, cause, rec.Code)
			}
		}
		w.st.reset()
		b.good("the store is back")
	}
}

// S13, C3: a damaged record is no session, and an event with the cause. The next
// login gets a new one.
func TestDamagedRecordIsNoSession(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	w.st.fail("Read", errors.Join(errors.New("unexpected end"), store.ErrDamaged))
	b.dead("damaged", "damaged record")
	got := w.events.Events(authn.EventRefused)
	if len(got) != 1 || !errors.Is(got[0].Err, store.ErrDamaged) {
		t.Errorf("events %+v", got)
	}
	if rec := answer(authn.Optional(w), b.request(http.MethodGet)); rec.Code != http.StatusOK || rec.Body.String() != "" {
		t.Errorf("Optional: %d %s", rec.Code, rec.Body)
	}
	if rec := answer(authn.Require(w), b.request(http.MethodGet)); rec.Code != http.StatusUnauthorized {
		t.Errorf("Require: %d", rec.Code)
	}
	b.begin(w.user("ada"), session.LoginOptions{})
	w.st.reset()
	b.good("a new login")
}

// S13: a handler that panics leaves the session as it was: nothing is written
// at the end of a request.
func TestPanickingHandlerChangesNothing(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	panics := func(f func()) {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		f()
	}
	panics(func() {
		w.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("handler") })).ServeHTTP(httptest.NewRecorder(), b.request(http.MethodGet))
	})
	panics(func() { _ = b.update(func(d *session.Data) error { _ = add(d); panic("f") }) })
	if n := b.counted(); n != 0 {
		t.Errorf("count %d", n)
	}
	if err := b.update(add); err != nil || b.counted() != 1 {
		t.Errorf("afterwards: %v, %d", err, b.counted())
	}
}

// C11: a hook that panics lets nobody through.
func TestPanickingHookLetsNobodyThrough(t *testing.T) {
	w := newWorld(t, func(cfg *session.Config) {
		cfg.OnEvent = func(_ context.Context, e authn.Event) {
			if e.Kind == authn.EventRefused {
				panic("hook")
			}
		}
	})
	b := w.tab()
	b.cookies[cookieName] = "x"
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	answer(authn.Optional(w), b.request(http.MethodGet))
}

// S4: the Identity is the login's, as of this request.
func TestIdentityOfASession(t *testing.T) {
	w := newWorld(t, nil)
	began := w.clock.Now()
	b := w.tab()
	given := w.user("ada")
	at := b.begin(given, session.LoginOptions{})
	w.clock.advance(time.Minute)
	id := b.good("later")
	want := w.user("ada")
	want.Method, want.Factors[0].At, want.CredentialID, want.ExpiresAt = "session", began, at.CredentialID, began.Add(24*time.Hour)
	want.Credential = id.Credential
	if !reflect.DeepEqual(id, want) {
		t.Errorf("got  %+v\nwant %+v", id, want)
	}
	if at.CredentialID == "" || !at.VerifiedAt.Equal(began) || at.Method != "session" || !at.ExpiresAt.Equal(want.ExpiresAt) {
		t.Errorf("Login answers %+v", at)
	}
	// What the host has done with its own is its own.
	given.Roles[0], given.Attributes["team"] = "admin", "south"
	if id := b.good("after a change"); id.Roles[0] != "editor" || id.Attributes["team"] != "north" {
		t.Errorf("the session is %+v", id)
	}
}

// S4: of many requests at once each is verified; together they write little.
func TestConcurrentVerify(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	w.clock.advance(30 * time.Minute)
	b.good("the touch")
	w.st.reset()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := b.verify(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := w.st.called("Touch"); n != 0 {
		t.Errorf("%d writes", n)
	}
}
