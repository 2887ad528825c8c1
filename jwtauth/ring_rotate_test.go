package jwtauth_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
)

// J14: Rotate on all instances at once, and again and again, stages one key.
func TestRotateStagesOneKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRingService(t)
		instances := []*ringInstance{s.instance(), s.instance(), s.instance()}
		first := instances[0].signing()
		for range 3 {
			var wg sync.WaitGroup
			for _, i := range instances {
				i.st.delay.Store(int64(time.Millisecond))
				for range 3 {
					wg.Go(i.rotate)
				}
			}
			wg.Wait()
			time.Sleep(time.Minute)
		}
		recs := s.records()
		if len(recs) != 2 || recs[1].ID != first {
			t.Fatalf("%d keys, want 2", len(recs))
		}
		rotated := s.events.Events(authn.EventRotated)
		if len(rotated) != 1 || rotated[0].CredentialID != first || rotated[0].Reason != "signing key, next is "+recs[0].ID {
			t.Errorf("events %+v", rotated)
		}
		if recs[0].SignFrom.Sub(recs[0].CreatedAt) != time.Hour+time.Minute || !recs[1].SignUntil.Equal(recs[0].SignFrom) ||
			recs[1].ExpiresAt.Sub(recs[0].SignFrom) != 24*time.Hour+5*time.Minute {
			t.Errorf("records %+v", recs)
		}
		time.Sleep(time.Hour + time.Minute)
		instances[1].rotate()
		if n := len(s.records()); n != 3 {
			t.Errorf("%d keys after the staged one signs, want 3", n)
		}
	})
}

// J14: through rotations, on instances whose clocks differ, no key signs that
// JWKS of all has not shown for Publish, no copy of JWKS that is still good
// lacks a key that signs, and every token verifies everywhere while it lives.
func TestRotationIsSeamless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const publish, age, skew = 10 * time.Minute, time.Hour, 2 * time.Second
		type token struct {
			kid  string
			ends time.Time
		}
		s := newRingService(t)
		var instances []*ringInstance
		for _, off := range []time.Duration{0, skew, -skew} {
			instances = append(instances, s.instance(func(cfg *jwtauth.RingConfig) {
				cfg.Publish, cfg.MaxTokenAge = publish, age
				cfg.Now = func() time.Time { return time.Now().Add(off) }
			}))
		}
		var tokens []token
		copies := map[string]time.Time{} // when a copy of JWKS without this key was last good
		shown := map[string]bool{}
		signed := map[string]bool{}
		for minute := range 6 * 60 {
			for n, i := range instances {
				if minute%47 == 17 {
					i.rotate()
				}
				there := map[string]bool{}
				kids, maxAge := publishedFor(t, i.KeyRing)
				for _, kid := range kids {
					there[kid], shown[kid] = true, true
				}
				for _, rec := range s.records() {
					if !there[rec.ID] {
						copies[rec.ID] = time.Now().Add(maxAge)
					}
				}
				key := authn.Must(jwtauth.RingSigningKey(t.Context(), i.KeyRing))
				if until := copies[key.ID()]; time.Now().Before(until.Add(-2 * skew)) {
					t.Fatalf("minute %d: instance %d signs by a key that copies of JWKS lack for another %v", minute, n, time.Until(until))
				}
				signature := authn.Must(jwtauth.KeySign(key, "header.payload"))
				for m, other := range instances {
					found, err := other.VerificationKey(t.Context(), key.ID())
					if err != nil || !signed[key.ID()] && jwtauth.KeyVerify(found, "header.payload", signature) != nil {
						t.Fatalf("minute %d: a token of instance %d at %d: %v", minute, n, m, err)
					}
				}
				signed[key.ID()] = true
				tokens = append(tokens, token{key.ID(), time.Now().Add(age)})
				if minute%3 == n {
					time.Sleep(20 * time.Second)
				}
			}
			time.Sleep(40 * time.Second)
			for len(tokens) > 0 && !time.Now().Before(tokens[0].ends) {
				tokens = tokens[1:]
			}
			for _, tok := range tokens {
				for m, i := range instances {
					if !i.knows(tok.kid) {
						t.Fatalf("minute %d: a token that lives is refused by instance %d", minute, m)
					}
				}
			}
		}
		if len(signed) < 7 || len(s.records()) > 4 {
			t.Errorf("%d keys have signed, %d are left", len(signed), len(s.records()))
		}
	})
}

// J14: an instance that cannot reach the store goes on with the old key for
// 5 min; its last token lives as long as any other.
func TestTokensOfACutOffInstanceLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const publish, age = time.Minute, 10 * time.Minute
		s := newRingService(t)
		config := func(cfg *jwtauth.RingConfig) { cfg.Publish, cfg.MaxTokenAge = publish, age }
		a, b := s.instance(config), s.instance(config)
		first := a.signing()
		time.Sleep(time.Minute)
		b.signing()
		b.st.down.Store(true)
		a.rotate()
		cut := time.Now()
		for time.Since(cut) < 5*time.Minute-time.Second {
			time.Sleep(time.Second)
			if got := b.signing(); got != first {
				t.Fatalf("%q signs", got)
			}
		}
		time.Sleep(age - time.Microsecond)
		if !a.knows(first) {
			t.Error("the last token is refused")
		}
	})
}

// J14: where the key that signs does not open, Rotate makes one that signs at
// once, and Run none.
func TestRotateMendsARingThatCannotSign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRingService(t)
		old := s.instance().signing()
		stranger := s.instanceWith(authn.GenerateKeychain(), func(cfg *jwtauth.RingConfig) { cfg.RotateEvery = 2 * time.Hour })
		if _, err := jwtauth.RingSigningKey(t.Context(), stranger.KeyRing); !isOutage(err) {
			t.Errorf("signing: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Hour)
		defer cancel()
		if err := stranger.Run(ctx); err != nil || len(s.records()) != 1 {
			t.Errorf("Run: %v, %d keys", err, len(s.records()))
		}
		if n := len(s.events.Events(authn.EventOutage)); n == 0 {
			t.Error("Run sends no event")
		}
		s.instance().rotate() // what that stages does not help a stranger
		stranger.rotate()
		if got := stranger.signing(); got == old || !stranger.knows(old) {
			t.Errorf("%q signs", got)
		}
	})
}

// J14: a change that cannot be made says so.
func TestFailingChanges(t *testing.T) {
	conflict, full := store.ErrConflict, store.ErrFull
	tests := []struct {
		name string
		fail func(st *ringStore)
		ctx  func(ctx context.Context) context.Context
		want error
	}{
		{"another is always first", func(st *ringStore) { st.addError.Store(&conflict) }, nil, store.ErrConflict},
		{"no room", func(st *ringStore) { st.addError.Store(&full) }, nil, store.ErrFull},
		{"the store is down", func(st *ringStore) { st.down.Store(true) }, nil, errRingDown},
		{"ctx has ended", nil, func(ctx context.Context) context.Context {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx
		}, context.Canceled},
		{"in a transaction", nil, store.MarkTx, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newRingService(t)
				ring := s.instance()
				kid := ring.signing()
				ctx := t.Context()
				if test.fail != nil {
					test.fail(ring.st)
				}
				if test.ctx != nil {
					ctx = test.ctx(ctx)
				}
				ring.st.delay.Store(int64(time.Millisecond))
				for name, err := range map[string]error{"Rotate": ring.Rotate(ctx), "Retire": ring.Retire(ctx, kid)} {
					if err == nil || test.want != nil && !errors.Is(err, test.want) {
						t.Errorf("%s: %v, want %v", name, err, test.want)
					}
				}
				if n := ring.st.adds.Load(); n > 11 {
					t.Errorf("%d tries", n)
				}
				if got := ring.signing(); got != kid || len(s.records()) != 1 {
					t.Error("something has changed")
				}
				time.Sleep(time.Minute) // for what is still being read
			})
		})
	}
}
