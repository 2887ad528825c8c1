package integration_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// D10: the check finds what it is for. Each of these stores breaks one promise
// in a way that its callers one by one do not see.
func TestTortureFindsBrokenStores(t *testing.T) {
	for found, broken := range map[string]func(s store.Store) store.Store{
		"ClaimOnce":         func(s store.Store) store.Store { return &getThenSet{Store: s} },
		"UpdateSessionData": func(s store.Store) store.Store { return lostUpdates{s} },
		"AdvanceFamily":     func(s store.Store) store.Store { return doubleAdvances{s} },
		"RevokeTokensOf":    func(s store.Store) store.Store { return doubleRevocations{s} },
		"RevokeSessionsOf":  func(s store.Store) store.Store { return lateRevocations{s} },
		"RotateAPIKey":      func(s store.Store) store.Store { return forgottenRevocations{s} },
		"TakeLimits":        func(s store.Store) store.Store { return lookThenTake{s} },
	} {
		t.Run(found, func(t *testing.T) {
			illegal, wrong := 0, 0
			for round := 0; illegal == 0 || wrong == 0; round++ {
				if round == 100 { // a race that needs luck
					t.Fatalf("after %d rounds %d histories are illegal, and %d changes are lost or doubled", round, illegal, wrong)
				}
				s := broken(memstore.New(memstore.Config{}))
				v := tortured(t, tortureBackend{direct: s, callers: []tortureCaller{tortureHere{s}, tortureHere{s}}}, 300*time.Millisecond)
				illegal, wrong = illegal+v.illegal[found], wrong+v.lost+v.doubled
				for name := range v.illegal {
					if name != found {
						t.Fatalf("histories of %s are said to be illegal: %v", name, v.illegal)
					}
				}
				if found == "RevokeSessionsOf" { // nothing is lost: it comes in the end
					wrong++
				}
			}
		})
	}
}

// D10: calls without an answer, of which every subset may have taken effect, are
// judged at once; and what a client sent again may be denied that took effect.
func TestTortureJudgesCallsWithoutAnswers(t *testing.T) {
	number := slices.IndexFunc(tortureCases, func(c *tortureCase) bool { return c.name == "AcceptTOTP" })
	for name, h := range map[string]struct {
		takes time.Duration // each call
		last  int64         // that is read
		want  porcupine.CheckResult
	}{
		"none took effect":             {100 * time.Millisecond, 2, porcupine.Ok},
		"the denied one did":           {100 * time.Millisecond, 3, porcupine.Ok},
		"one without an answer did":    {100 * time.Millisecond, 4, porcupine.Ok},
		"one that nobody made did":     {100 * time.Millisecond, 5, porcupine.Illegal},
		"the first is lost":            {100 * time.Millisecond, 1, porcupine.Illegal},
		"the denied one was sent once": {time.Millisecond, 3, porcupine.Illegal},
	} {
		t.Run(name, func(t *testing.T) {
			var k tortureKey
			call := func(in tortureIn, out tortureOut) {
				at := time.Duration(len(k.ops)) * h.takes / 2 // two at a time
				in.ID = fmt.Sprint(len(k.ops))
				k.ops = append(k.ops, tortureOp{in, out, at, at + h.takes})
			}
			accept := func(n int64, out tortureOut) { call(tortureIn{Do: "accept", N: n}, out) }
			accept(2, tortureOut{Answer: tortureOK, N: 2})
			if h.last == 3 {
				accept(3, tortureOut{Answer: tortureConflict})
			}
			for range 12 {
				accept(4, tortureOut{Answer: tortureUnknown})
			}
			call(tortureRead, tortureOut{Answer: tortureOK, N: h.last})
			if got := k.linearizable(tortureCases[number], true); got != h.want {
				t.Errorf("%s, want %s: %v", got, h.want, &k)
			}
		})
	}
}

// getThenSet claims what nobody had claimed a moment ago.
type getThenSet struct {
	store.Store
	claimed sync.Map
}

func (s *getThenSet) ClaimOnce(_ context.Context, _ string, d store.Digest, _, _ time.Time) error {
	if _, ok := s.claimed.Load(d); ok {
		return store.ErrExists
	}
	runtime.Gosched()
	s.claimed.Store(d, true)
	return nil
}

// lostUpdates tries again by what is there when somebody else was first.
type lostUpdates struct{ store.Store }

func (s lostUpdates) UpdateSessionData(ctx context.Context, ref store.SessionRef, revision int64, data []byte, now time.Time) error {
	err := s.Store.UpdateSessionData(ctx, ref, revision, data, now)
	if errors.Is(err, store.ErrConflict) {
		return nil // as if it had been overwritten at once
	}
	return err
}

// doubleAdvances takes a use for two.
type doubleAdvances struct{ store.Store }

func (s doubleAdvances) AdvanceFamily(ctx context.Context, ref store.FamilyRef, a store.FamilyAdvance) (store.RefreshFamily, error) {
	f, err := s.Store.AdvanceFamily(ctx, ref, a)
	if err == nil && f.Generation == a.Generation+1 && a.Generation%4 == 0 {
		a.Generation++
		_, err = s.Store.AdvanceFamily(ctx, ref, a)
	}
	return f, err
}

// doubleRevocations makes them as a client does that got no answer.
type doubleRevocations struct{ store.Store }

func (s doubleRevocations) RevokeTokensOf(ctx context.Context, subject string) error {
	return errors.Join(s.Store.RevokeTokensOf(ctx, subject), s.Store.RevokeTokensOf(ctx, subject))
}

// lateRevocations acknowledges what is still to come.
type lateRevocations struct{ store.Store }

func (s lateRevocations) RevokeSessionsOf(ctx context.Context, subject, except string) error {
	time.AfterFunc(time.Millisecond, func() { _ = s.Store.RevokeSessionsOf(context.WithoutCancel(ctx), subject, except) })
	return nil
}

// forgottenRevocations does not keep all that it acknowledges.
type forgottenRevocations struct{ store.Store }

func (s forgottenRevocations) RevokeAPIKey(ctx context.Context, owner, id string, now time.Time) error {
	if n, _ := strconv.ParseUint(id[:2], 16, 8); n%2 == 0 {
		return nil
	}
	return s.Store.RevokeAPIKey(ctx, owner, id, now)
}

// lookThenTake lets through who saw room a moment ago.
type lookThenTake struct{ store.Store }

func (s lookThenTake) TakeLimits(ctx context.Context, takes []store.LimitTake, states []store.LimitState) error {
	look := append([]store.LimitTake(nil), takes...)
	look[0].Cost = 0
	if err := s.Store.TakeLimits(ctx, look, states); err != nil || takes[0].Cost == 0 || states[0].Remaining == 0 {
		if err == nil && takes[0].Cost > 0 {
			states[0].RetryIn = time.Second
		}
		return err
	}
	states[0].Remaining--
	passed := states[0]
	runtime.Gosched()
	err := s.Store.TakeLimits(ctx, takes, states)
	states[0] = passed
	return err
}
