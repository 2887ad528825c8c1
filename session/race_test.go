package session_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
)

// racer does one thing to b's session, as one request, and answers the tab that
// the request's browser is then, and whether it did.
type racer struct {
	name string
	do   func(b *tab) (after *tab, done bool, err error)
	ends bool // the token that it came with is dead afterwards
}

func racers() []racer {
	write := func(f func(b *tab, rec *httptest.ResponseRecorder) error) func(b *tab) (*tab, bool, error) {
		return func(b *tab) (*tab, bool, error) {
			c, rec := b.clone(), httptest.NewRecorder()
			err := f(c, rec)
			c.take(rec)
			return c, err == nil, err
		}
	}
	return []racer{
		{"Verify", write(func(b *tab, _ *httptest.ResponseRecorder) error { _, err := b.verify(); return err }), false},
		{"Update", write(func(b *tab, rec *httptest.ResponseRecorder) error {
			id, err := b.verify() // as behind Require
			if err != nil {
				return err
			}
			r := b.request(http.MethodPost)
			return b.Update(rec, r.WithContext(authn.NewContext(r.Context(), id)), add)
		}), false},
		{"Login", write(func(b *tab, rec *httptest.ResponseRecorder) error {
			_, err := b.Login(rec, b.request(http.MethodPost), b.user("ada"), session.LoginOptions{})
			return err
		}), true},
		{"AddFactor", write(func(b *tab, rec *httptest.ResponseRecorder) error {
			_, err := b.AddFactor(rec, b.request(http.MethodPost), authn.Factor{Name: "otp", At: b.clock.Now()})
			return err
		}), true},
		{"Logout", write(func(b *tab, rec *httptest.ResponseRecorder) error { return b.Logout(rec, b.request(http.MethodPost)) }), true},
		{"RevokeSubject", write(func(b *tab, _ *httptest.ResponseRecorder) error {
			return b.RevokeSubject(context.Background(), "ada")
		}), true},
	}
}

// S5, S6, S7, S8, S9: of every two things that happen to a session at once
// neither undoes the other: what was written is there, a token that was
// ended stays dead, and nobody else gets one.
func TestEveryPairRaces(t *testing.T) {
	const rounds = 25
	all := racers()
	for i, x := range all {
		for _, y := range all[i:] {
			t.Run(x.name+" and "+y.name, func(t *testing.T) {
				for round := range 2 * rounds {
					w := newWorld(t, nil)
					b := w.in("ada")
					w.clock.advance(time.Minute)
					if round%2 == 1 { // a touch is due: each Verify is a write, too
						w.clock.advance(9 * time.Minute)
					}
					var wg sync.WaitGroup
					var after [2]*tab
					var done [2]bool
					start := make(chan struct{})
					for k, r := range []racer{x, y} {
						wg.Go(func() {
							<-start
							var err error
							after[k], done[k], err = r.do(b)
							if err != nil && !errors.Is(err, authn.ErrNoCredential) && !errors.Is(err, store.ErrConflict) {
								t.Errorf("%s: %v", r.name, err)
							}
						})
					}
					close(start)
					wg.Wait()
					settled(t, w, b, [2]racer{x, y}, after, done)
				}
			})
		}
	}
}

// settled judges what is there when both are done.
func settled(t *testing.T, w *world, b *tab, r [2]racer, after [2]*tab, done [2]bool) {
	t.Helper()
	ended, revoked, writes := false, false, 0
	for k := range r {
		ended = ended || r[k].ends && done[k]
		revoked = revoked || r[k].name == "RevokeSubject"
		if r[k].name == "Update" && done[k] {
			writes++
		}
	}
	if _, err := b.verify(); (err != nil) != ended {
		t.Errorf("the token of before: %v, ended %v (done %v)", err, ended, done)
	}
	if !ended && b.counted() != writes {
		t.Errorf("%d writes are there, %d were answered", b.counted(), writes)
	}
	list := w.live("ada")
	if most := 2; len(list) > most {
		t.Errorf("%d sessions", len(list))
	}
	for k := range r {
		moves := r[k].name == "Login" || r[k].name == "AddFactor"
		if !moves || !done[k] {
			continue
		}
		id, err := after[k].verify()
		if err != nil && !revoked && r[1-k].name != "Logout" && r[1-k].name != "Login" && r[1-k].name != "AddFactor" {
			t.Errorf("%s gave a dead token: %v", r[k].name, err)
		}
		if err == nil && id.Subject != "ada" {
			t.Errorf("%s gave %+v", r[k].name, id)
		}
	}
	// Both may be answered well where both end it, but AddFactor after an end.
	if r[0].name == "AddFactor" && r[1].name == "AddFactor" && done[0] == done[1] {
		t.Errorf("of two AddFactors %v succeeded", done)
	}
	// Nothing of what was proven before is left, however it raced.
	if revoked {
		if err := w.RevokeSubject(t.Context(), "ada"); err != nil {
			t.Error(err)
		}
		if list := w.live("ada"); len(list) != 0 {
			t.Errorf("%d sessions after a revocation", len(list))
		}
	}
}

// S6, S9: a proof of before the revocation gives no session, however the two
// race: nothing is left when both are done.
func TestRevocationWinsOverOlderProofs(t *testing.T) {
	for range 200 {
		w := newWorld(t, nil)
		id := w.user("ada")
		w.clock.advance(time.Second)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				_, err := w.Login(httptest.NewRecorder(), w.tab().request(http.MethodPost), id, session.LoginOptions{})
				if err != nil && authn.AsError(err).Status != http.StatusUnauthorized {
					t.Error(err)
				}
			})
		}
		wg.Go(func() {
			if err := w.RevokeSubject(context.Background(), "ada"); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if n := len(w.live("ada")); n != 0 {
			t.Fatalf("%d sessions are left", n)
		}
	}
}
