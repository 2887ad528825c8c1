package jwtauth_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
)

// J14: a leaked key is refused at once where it was retired, and within 10 s
// elsewhere, also after silence and for what was verified before. Another signs
// at once.
func TestRetireTheSigningKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRingService(t)
		a, b, idle := s.instance(), s.instance(), s.instance()
		leaked := a.signing()
		time.Sleep(3 * time.Second)
		b.knows(leaked)
		idle.knows(leaked)
		verified := jwtauth.RingGeneration(b.KeyRing)
		a.retire(leaked)
		retired := time.Now()
		next := a.signing()
		if a.knows(leaked) || next == leaked || !a.knows(next) {
			t.Error("it lives on where it was retired")
		}
		equalKids(t, "published", published(t, a.KeyRing), next)
		for time.Since(retired) < 10*time.Second {
			time.Sleep(100 * time.Millisecond)
			if b.knows(leaked) && jwtauth.RingGeneration(b.KeyRing) != verified {
				t.Error("the generation changed first")
			}
		}
		if jwtauth.RingGeneration(b.KeyRing) == verified || b.knows(leaked) || idle.knows(leaked) || b.signing() != next || idle.signing() != next {
			t.Error("it lives on elsewhere")
		}
		a.retire(leaked) // again
		revoked := s.events.Events(authn.EventRevoked)
		if len(revoked) != 2 || revoked[0].CredentialID != leaked || revoked[0].Reason != "signing key, next is "+next || len(s.records()) != 1 {
			t.Errorf("events %+v", revoked)
		}
		if rec := s.records()[0]; !rec.CreatedAt.Equal(retired) || !rec.SignFrom.Equal(retired) {
			t.Errorf("its successor is of %v and signs from %v, want %v", rec.CreatedAt, rec.SignFrom, retired)
		}
		if err := a.Retire(t.Context(), "nobody"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an unknown kid: %v", err)
		}
	})
}

// J14: whichever key leaks, there is one that signs afterwards, and others
// keep their tokens.
func TestRetireAnyKey(t *testing.T) {
	type ring struct {
		*ringService
		i                       *ringInstance
		first, second, third    string // retiring, signing, staged
		signsNow, signsNextHour string
	}
	tests := []struct {
		name string
		kid  func(r *ring) string
		want func(t *testing.T, r *ring, fresh string) // fresh is a new key's kid
	}{
		{"retiring", func(r *ring) string { return r.first }, func(t *testing.T, r *ring, fresh string) {
			if r.signsNow != r.second || r.signsNextHour != r.third || fresh != "" || !r.i.knows(r.second) {
				t.Error("more has changed than that key")
			}
		}},
		{"signing", func(r *ring) string { return r.second }, func(t *testing.T, r *ring, fresh string) {
			if r.signsNow != r.third || r.signsNextHour != r.third || fresh != "" || !r.i.knows(r.first) {
				t.Error("the staged one has not stepped in")
			}
		}},
		{"staged", func(r *ring) string { return r.third }, func(t *testing.T, r *ring, fresh string) {
			if r.signsNow != r.second || r.signsNextHour != fresh || fresh == "" || !r.i.knows(r.second) || !r.i.knows(r.first) {
				t.Error("no new key has taken its place")
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &ring{ringService: newRingService(t)}
				r.i = r.instance()
				r.first = r.i.signing()
				r.i.rotate()
				time.Sleep(time.Hour + time.Minute)
				r.second = r.i.signing()
				r.i.rotate()
				r.third = r.records()[0].ID
				time.Sleep(30 * time.Minute)
				r.i.retire(test.kid(r))
				r.signsNow = r.i.signing()
				if r.i.knows(test.kid(r)) {
					t.Error("it verifies")
				}
				other := r.instance()
				if got := other.signing(); got != r.signsNow || other.knows(test.kid(r)) {
					t.Errorf("another instance signs with %q, want %q", got, r.signsNow)
				}
				var fresh string
				if kid := r.records()[0].ID; kid != r.third {
					fresh = kid
				}
				time.Sleep(31*time.Minute - time.Microsecond)
				if got := r.i.signing(); got != r.signsNow {
					t.Errorf("just before: %q, want %q", got, r.signsNow)
				}
				time.Sleep(time.Microsecond)
				r.signsNextHour = r.i.signing()
				test.want(t, r, fresh)
			})
		})
	}
}

// J14: what leaked is refused here even when the store dies after the write,
// and by a reading that was on its way before it.
func TestRetireIsAtOnceHereWhateverTheStoreDoes(t *testing.T) {
	t.Run("dies", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newRingService(t)
			ring := s.instance()
			kept := ring.signing()
			ring.rotate()
			time.Sleep(time.Hour + time.Minute)
			leaked := ring.signing()
			generation := jwtauth.RingGeneration(ring.KeyRing)
			die := func() { ring.st.down.Store(true) }
			ring.st.afterWrite.Store(&die)
			ring.retire(leaked)
			if _, err := ring.VerificationKey(t.Context(), leaked); err == nil {
				t.Error("it verifies")
			}
			if jwtauth.RingGeneration(ring.KeyRing) == generation || !ring.knows(kept) {
				t.Error("the same generation, or more has gone than that key")
			}
		})
	})
	t.Run("dies, and it was the only one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ring := newRingService(t).instance()
			leaked := ring.signing()
			die := func() { ring.st.down.Store(true) }
			ring.st.afterWrite.Store(&die)
			ring.retire(leaked)
			if _, err := ring.VerificationKey(t.Context(), leaked); err == nil {
				t.Error("it verifies")
			}
			if _, err := jwtauth.RingSigningKey(t.Context(), ring.KeyRing); !isOutage(err) || !strings.Contains(authn.AsError(err).Err.Error(), "no key that signs") {
				t.Errorf("signing: %v", err)
			}
		})
	})
	t.Run("is slow", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newRingService(t)
			ring := s.instance()
			leaked := ring.signing()
			read := func() {
				ring.st.delay.Store(int64(time.Second))
				go func() { _, _ = ring.VerificationKey(t.Context(), "unknown") }() // reads what the store has while the write is on its way
				synctest.Wait()
				ring.st.delay.Store(0)
			}
			slow := &slowWrites{SigningKeys: ring.st.SigningKeys, before: read}
			ring.st.SigningKeys = slow
			ctx, cancel := context.WithCancel(t.Context())
			hangUp := func() { cancel() } // the caller does not wait for that reading
			ring.st.afterWrite.Store(&hangUp)
			if err := ring.Retire(ctx, leaked); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if ring.knows(leaked) {
					t.Error("it verifies")
				}
				time.Sleep(700 * time.Millisecond)
			}
		})
	})
	t.Run("ends with ctx", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newRingService(t)
			ring := s.instance()
			leaked := ring.signing()
			ctx, cancel := context.WithCancel(t.Context())
			hangUp := func() { cancel() }
			ring.st.afterWrite.Store(&hangUp)
			if err := ring.Retire(ctx, leaked); err != nil || ring.knows(leaked) || ring.signing() == leaked {
				t.Errorf("it lives on, or %v", err)
			}
		})
	})
}

type slowWrites struct {
	store.SigningKeys
	before func()
}

func (s *slowWrites) AddSigningKey(ctx context.Context, k store.SigningKey, newest string, expires time.Time) error {
	s.before()
	return s.SigningKeys.AddSigningKey(ctx, k, newest, expires)
}

// J14: events of changes say who made them.
func TestKeyEventsNameTheActor(t *testing.T) {
	s := newRingService(t)
	ring := s.instance()
	kid := ring.signing()
	ctx := authn.NewContext(t.Context(), authn.User("ada", "session"))
	ctx = authn.WithClient(ctx, authn.NewClient(netip.MustParseAddr("192.0.2.1")))
	if err := errors.Join(ring.Rotate(ctx), ring.Retire(ctx, kid)); err != nil {
		t.Fatal(err)
	}
	for _, e := range s.events.Events(authn.EventRotated, authn.EventRevoked) {
		if e.Actor != "ada" || e.Addr.String() != "192.0.2.1" || e.Method != "jwt" || e.CredentialID != kid || e.At.IsZero() {
			t.Errorf("event %+v", e)
		}
	}
	silent := s.instance(func(cfg *jwtauth.RingConfig) { cfg.OnEvent = nil })
	if err := silent.Rotate(ctx); err != nil {
		t.Error(err)
	}
}
