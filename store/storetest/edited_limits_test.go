package storetest_test

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/gatehouse-go/authn/store"
)

// otherLimits has some calls of its own; the others are sound.
type otherLimits struct {
	*plainLimits
	locks   sync.Map // of *sync.Mutex, by what is locked
	take    func(takes []store.LimitTake, states []store.LimitState) error
	reserve func(takes []store.AttemptTake) (store.AttemptState, error)
	settle  func(takes []store.AttemptTake, succeeded bool) error
	unlock  func(policy, key string) error
}

// limitsWith are limits with what change sets. It may call the sound ones as
// o.plainLimits's.
func limitsWith(change func(o *otherLimits)) func(*edited) any {
	return func(s *edited) any {
		p := newPlainLimits(s.offset)
		ctx := context.Background()
		o := &otherLimits{
			plainLimits: p,
			take: func(takes []store.LimitTake, states []store.LimitState) error {
				return p.TakeLimits(ctx, takes, states)
			},
			reserve: func(takes []store.AttemptTake) (store.AttemptState, error) { return p.ReserveAttempts(ctx, takes) },
			settle: func(takes []store.AttemptTake, succeeded bool) error {
				return p.SettleAttempts(ctx, takes, succeeded)
			},
			unlock: func(policy, key string) error { return p.UnlockAttempts(ctx, policy, key) },
		}
		change(o)
		return o
	}
}

// mistaken are limits with a mistake inside.
func mistaken(change func(m *mistakes)) func(*edited) any {
	return limitsWith(func(o *otherLimits) { change(&o.mistakes) })
}

// takenAs are limits that change each take.
func takenAs(change func(o *otherLimits, l *store.LimitTake)) func(*edited) any {
	return limitsWith(func(o *otherLimits) {
		sound := o.take
		o.take = func(takes []store.LimitTake, states []store.LimitState) error {
			takes = slices.Clone(takes)
			for i := range takes {
				change(o, &takes[i])
			}
			return sound(takes, states)
		}
	})
}

// answeredAs are limits that change each state.
func answeredAs(change func(l store.LimitTake, s *store.LimitState)) func(*edited) any {
	return limitsWith(func(o *otherLimits) {
		sound := o.take
		o.take = func(takes []store.LimitTake, states []store.LimitState) error {
			err := sound(takes, states)
			for i := range takes[:min(len(takes), len(states))] {
				change(takes[i], &states[i])
			}
			return err
		}
	})
}

// attemptedAs are limits that change each attempt, also where it succeeds.
func attemptedAs(change func(a *store.AttemptTake)) func(*edited) any {
	return limitsWith(func(o *otherLimits) {
		reserve, settle := o.reserve, o.settle
		changed := func(takes []store.AttemptTake) []store.AttemptTake {
			takes = slices.Clone(takes)
			for i := range takes {
				change(&takes[i])
			}
			return takes
		}
		o.reserve = func(takes []store.AttemptTake) (store.AttemptState, error) { return reserve(changed(takes)) }
		o.settle = func(takes []store.AttemptTake, succeeded bool) error { return settle(changed(takes), succeeded) }
	})
}

// lockInOrder locks each of names as it comes, and errs where that takes too
// long, as a database that has found a deadlock.
func (o *otherLimits) lockInOrder(names []string) (unlock func(), err error) {
	var held []*sync.Mutex
	unlock = func() {
		for _, mu := range held {
			mu.Unlock()
		}
	}
	for _, name := range names {
		v, _ := o.locks.LoadOrStore(name, new(sync.Mutex))
		mu := v.(*sync.Mutex)
		locked := false
		yieldUntil(func() bool {
			locked = mu.TryLock()
			return locked
		})
		if !locked {
			unlock()
			return nil, fmt.Errorf("deadlock at %q", name)
		}
		held = append(held, mu)
		o.wait()
	}
	return unlock, nil
}

func (o *otherLimits) TakeLimits(_ context.Context, takes []store.LimitTake, states []store.LimitState) error {
	return o.take(takes, states)
}

func (o *otherLimits) ReserveAttempts(_ context.Context, takes []store.AttemptTake) (store.AttemptState, error) {
	return o.reserve(takes)
}

func (o *otherLimits) SettleAttempts(_ context.Context, takes []store.AttemptTake, succeeded bool) error {
	return o.settle(takes, succeeded)
}

func (o *otherLimits) UnlockAttempts(_ context.Context, policy, key string) error {
	return o.unlock(policy, key)
}
