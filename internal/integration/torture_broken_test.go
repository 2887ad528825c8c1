package integration_test

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

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
			s := broken(memstore.New(memstore.Config{}))
			v := tortured(t, tortureBackend{direct: s, callers: []tortureCaller{tortureHere{s}, tortureHere{s}}}, 300*time.Millisecond)
			if v.illegal[found] == 0 {
				t.Errorf("all %d histories are linearizable", v.keys[found])
			}
			for name := range v.illegal {
				if name != found {
					t.Errorf("histories of %s are said to be illegal: %v", name, v.illegal)
				}
			}
			if v.lost+v.doubled == 0 && found != "RevokeSessionsOf" { // it comes in the end
				t.Error("nothing is lost or doubled")
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
