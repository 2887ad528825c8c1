package session_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
)

type item struct {
	SKU   string
	Count int
}

// S5: values have types, and names keep them apart.
func TestTypedKeys(t *testing.T) {
	basket, other := session.NewKey[[]item]("basket"), session.NewKey[string]("basket")
	w := newWorld(t, nil)
	b := w.in("ada")
	want := []item{{"a<&>\u2028", 2}}
	if err := b.update(func(d *session.Data) error { return errors.Join(basket.Set(d, want), name.Set(d, "")) }); err != nil {
		t.Fatal(err)
	}
	d, err := w.Data(b.request(http.MethodGet))
	if err != nil {
		t.Fatal(err)
	}
	if got, ok, err := basket.Get(d); err != nil || !ok || len(got) != 1 || got[0] != want[0] {
		t.Errorf("got %+v, %v, %v", got, ok, err)
	}
	if got, ok, err := name.Get(d); err != nil || !ok || got != "" {
		t.Errorf("an empty value: %q, %v, %v", got, ok, err)
	}
	if got, ok, err := count.Get(d); err != nil || ok || got != 0 {
		t.Errorf("none: %d, %v, %v", got, ok, err)
	}
	if got, ok, err := other.Get(d); err == nil || ok || got != "" {
		t.Errorf("another type: %q, %v, %v", got, ok, err)
	}
	if err := b.update(func(d *session.Data) error { basket.Delete(d); return nil }); err != nil {
		t.Fatal(err)
	}
	d, _ = w.Data(b.request(http.MethodGet))
	if _, ok, _ := basket.Get(d); ok {
		t.Error("it is still there")
	}
	if err := b.update(func(d *session.Data) error { return session.Key[int]{}.Set(d, 1) }); err == nil {
		t.Error("a Key without a name")
	}
	if err := b.update(func(d *session.Data) error { return session.NewKey[chan int]("c").Set(d, nil) }); err == nil {
		t.Error("a value that is no JSON")
	}
}

// S5: the cap is 64 KiB, exactly, and what is over it changes nothing.
func TestDataIsCapped(t *testing.T) {
	w := newWorld(t, nil)
	for _, b := range []*tab{w.in("ada"), w.tab()} {
		const frame = len(`{"name":""}`)
		set := func(n int) error {
			return b.update(func(d *session.Data) error { return name.Set(d, strings.Repeat("x", n)) })
		}
		if err := set(64<<10 - frame + 1); !errors.Is(err, session.ErrTooLarge) {
			t.Errorf("65537 bytes: %v", err)
		} else {
			wantErr(t, "65537 bytes", err, http.StatusRequestEntityTooLarge, "too_large", "*")
		}
		if err := set(64<<10 - frame); err != nil {
			t.Errorf("65536 bytes: %v", err)
		}
		if err := b.update(add); !errors.Is(err, session.ErrTooLarge) || b.counted() != 0 {
			t.Errorf("one more value: %v", err)
		}
	}
}

// S5: an error of f's, or an f that changes nothing, writes nothing.
func TestUpdateWithoutChange(t *testing.T) {
	w := newWorld(t, nil)
	own := errors.New("the host's own")
	for what, b := range map[string]*tab{"signed in": w.in("ada"), "visitor": w.tab()} {
		for _, want := range []error{own, nil} {
			w.st.reset()
			rec := httptest.NewRecorder()
			err := w.Update(rec, b.request(http.MethodPost), func(d *session.Data) error {
				if want != nil {
					_ = add(d)
				}
				count.Delete(new(session.Data))
				name.Delete(d)
				return want
			})
			if !errors.Is(err, want) || w.st.called("Create", "Update") != 0 || len(rec.Header()) != 0 || b.counted() != 0 {
				t.Errorf("%s: %v, asked %s, header %v", what, err, w.st.asked(), rec.Header())
			}
		}
	}
}

// S5: two updates at once of different keys both survive.
func TestConcurrentUpdatesBothSurvive(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	runs := 0
	w.st.before = func(call string) {
		if call == "Update" && runs == 1 {
			if err := b.clone().update(func(d *session.Data) error { return name.Set(d, "other") }); err != nil {
				t.Error(err)
			}
		}
	}
	if err := b.update(func(d *session.Data) error { runs++; return add(d) }); err != nil {
		t.Fatal(err)
	}
	d, err := w.Data(b.request(http.MethodGet))
	if err != nil {
		t.Fatal(err)
	}
	if n, _, _ := name.Get(d); n != "other" || b.counted() != 1 || runs != 2 {
		t.Errorf("name %q, count %d, %d runs", n, b.counted(), runs)
	}
}

// S5: of a hundred at once, each that was answered without an error is there,
// and nothing else is: retries are bounded, so some may lose by ErrConflict.
func TestHundredUpdates(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	var wg sync.WaitGroup
	var wrote [100]bool
	for i := range wrote {
		wg.Go(func() {
			key := session.NewKey[int](fmt.Sprint("key", i))
			err := b.clone().update(func(d *session.Data) error { return errors.Join(key.Set(d, i), add(d)) })
			if err != nil && !errors.Is(err, store.ErrConflict) {
				t.Error(err)
			}
			wrote[i] = err == nil
		})
	}
	wg.Wait()
	d, err := w.Data(b.request(http.MethodGet))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i, ok := range wrote {
		if got, there, _ := session.NewKey[int](fmt.Sprint("key", i)).Get(d); there != ok || ok && got != i {
			t.Errorf("key %d: answered %v, there %v", i, ok, there)
		}
		if ok {
			n++
		}
	}
	if got := b.counted(); got != n || n == 0 {
		t.Errorf("count %d of %d", got, n)
	}
}

// S5: who loses 19 times in a row wins the 20th; then it is ErrConflict, and
// nothing is written.
func TestRetriesAreBounded(t *testing.T) {
	for _, losses := range []int{19, 20} {
		w := newWorld(t, nil)
		b := w.in("ada")
		lost := 0
		w.st.before = func(call string) {
			if call == "Update" && lost < losses {
				lost++
				if err := b.clone().update(func(d *session.Data) error { return name.Set(d, "other") }); err != nil {
					t.Error(err)
				}
			}
		}
		err := b.update(add)
		w.st.reset()
		if losses == 19 && (err != nil || b.counted() != 1) || losses == 20 && (!errors.Is(err, store.ErrConflict) || b.counted() != 0) {
			t.Errorf("%d losses: %v, count %d", losses, err, b.counted())
		}
	}
}

// S6: a session that ends while its request runs stays ended, and the one that
// writes is told; no session comes in its place.
func TestUpdateOfADeadSession(t *testing.T) {
	w := newWorld(t, nil)
	ends := map[string]func(b *tab){
		"logout":  func(b *tab) { _ = b.logout() },
		"revoked": func(*tab) { _ = w.RevokeSubject(t.Context(), "ada") },
		"rotated": func(b *tab) { _, _ = b.factor("otp") },
		"expired": func(*tab) { w.clock.advance(time.Hour) },
	}
	for what, end := range ends {
		for _, when := range []string{"before Update", "Read", "Update"} {
			b := w.in("ada")
			other := b.clone()
			r := b.signedIn(http.MethodPost)
			once := sync.OnceFunc(func() { end(other) })
			if when == "before Update" {
				once()
			}
			w.st.before = func(call string) {
				if call == when {
					once()
				}
			}
			rec := httptest.NewRecorder()
			err := w.Update(rec, r, add)
			w.st.reset()
			if what == "expired" && when != "before Update" { // time stands still in a call
				continue
			}
			if !errors.Is(err, authn.ErrNoCredential) || len(rec.Header()) != 0 {
				t.Errorf("%s, %s: %v, header %v", what, when, err, rec.Header())
			}
			b.dead(what, "unknown, expired or revoked")
			w.clock.advance(time.Second)
		}
	}
}

// S13: an Update whose read or write fails is an outage, and begins no session in
// the place of one that nobody could read.
func TestUpdateOfAStoreThatIsDown(t *testing.T) {
	w := newWorld(t, nil)
	for call, b := range map[string]*tab{"Read": w.in("ada"), "Update": w.in("ada"), "Create": w.tab()} {
		w.st.reset()
		w.st.fail(call, errDown)
		rec := httptest.NewRecorder()
		err := w.Update(rec, b.request(http.MethodPost), add)
		wantErr(t, call, err, http.StatusServiceUnavailable, "unavailable", "store")
		if len(rec.Header()) != 0 || call != "Create" && w.st.called("Create") != 0 {
			t.Errorf("%s: asked %s, header %v", call, w.st.asked(), rec.Header())
		}
	}
}

// S6: outside Require, too, a session that was there and ends between two tries
// is not replaced by one of nobody's.
func TestRetryOfADeadSession(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	other := b.clone()
	runs := 0
	w.st.before = func(call string) {
		switch {
		case call == "Update":
			_ = other.update(add) // so that it is ErrConflict
		case call == "Read" && runs == 1:
			_ = other.logout()
		}
	}
	rec := httptest.NewRecorder()
	err := w.Update(rec, b.request(http.MethodPost), func(d *session.Data) error { runs++; return add(d) })
	w.st.reset()
	if !errors.Is(err, authn.ErrNoCredential) || len(rec.Header()) != 0 {
		t.Errorf("%v, header %v", err, rec.Header())
	}
}

// S6: what logged out in this response gets no session of nobody's instead.
func TestUpdateAfterLogoutInOneResponse(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	r, rec := b.signedIn(http.MethodPost), httptest.NewRecorder()
	if err := w.Logout(rec, r); err != nil {
		t.Fatal(err)
	}
	if err := w.Update(rec, r, add); !errors.Is(err, authn.ErrNoCredential) {
		t.Errorf("%v", err)
	}
}

// S5, S7: Update after Login in one response is of the new session.
func TestUpdateAfterLoginInOneResponse(t *testing.T) {
	w := newWorld(t, nil)
	b := w.tab()
	r, rec := b.request(http.MethodPost), httptest.NewRecorder()
	if _, err := w.Login(rec, r, w.user("ada"), session.LoginOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := w.Update(rec, r, add); err != nil {
		t.Fatal(err)
	}
	b.take(rec)
	if b.good("after").Subject != "ada" || b.counted() != 1 {
		t.Errorf("count %d", b.counted())
	}
}

// S10, S14: sessions of nobody exist only if written to, are no Identity, in no
// list, and end like others.
func TestAnonymousSessions(t *testing.T) {
	w := newWorld(t, nil)
	b := w.tab()
	if b.counted() != 0 || w.st.called() != 0 {
		t.Error("reading asks the store")
	}
	rec := httptest.NewRecorder()
	rec.Header().Set("Cache-Control", "public")
	if err := w.Update(rec, b.request(http.MethodPost), add); err != nil {
		t.Fatal(err)
	}
	if got, _ := setCookie(t, rec); got != "__Host-session; Path=/; HttpOnly; Secure; SameSite=Lax" || rec.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%s, Cache-Control %s", got, rec.Header().Get("Cache-Control"))
	}
	b.take(rec)
	token := b.cookies[cookieName]
	if err := b.update(add); err != nil || b.counted() != 2 || b.cookies[cookieName] != token {
		t.Errorf("the second: %v, %d", err, b.counted())
	}
	if id, err := b.verify(); id != nil || !errors.Is(err, authn.ErrNoCredential) {
		t.Errorf("Verify: %v, %v", id, err)
	}
	if rec := answer(w.Middleware, b.request(http.MethodGet)); rec.Code != http.StatusUnauthorized {
		t.Errorf("Require: %d", rec.Code)
	}
	if err := w.RevokeSubject(t.Context(), ""); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("RevokeSubject of nobody: %v", err)
	}
	if n := len(w.live("")); n != 0 || b.counted() != 2 {
		t.Errorf("%d in a list", n)
	}
	if len(w.events.Events()) != 0 {
		t.Errorf("events %+v", w.events.Events())
	}
	end := b.clone()
	if err := b.logout(); err != nil || end.counted() != 0 {
		t.Errorf("Logout: %v, %d", err, end.counted())
	}
}

// S5, S6: a data record of another program's is an error, not empty data that
// the next Update would write.
func TestUnreadableDataIsAnError(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	for _, text := range []string{"[", "[]", `"x"`, "{}{}"} {
		w.st.answer = func(s store.Session) (store.Session, error) { s.Data = []byte(text); return s, nil }
		if d, err := w.Data(b.request(http.MethodGet)); err == nil || d != nil {
			t.Errorf("%s: Data answers %v", text, d)
		}
		if err := b.update(add); err == nil {
			t.Errorf("%s: Update", text)
		}
	}
}

// S5: f sees its Manager's data, and two sessions share none.
func TestDataIsOfOneSession(t *testing.T) {
	w := newWorld(t, nil)
	var total atomic.Int64
	a, b := w.in("ada"), w.in("ada")
	for range 3 {
		if err := a.update(func(d *session.Data) error { total.Add(1); return add(d) }); err != nil {
			t.Fatal(err)
		}
	}
	if a.counted() != 3 || b.counted() != 0 || total.Load() != 3 {
		t.Errorf("%d, %d, %d", a.counted(), b.counted(), total.Load())
	}
}
