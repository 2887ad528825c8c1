package redisstore

import (
	"context"
	"fmt"

	"github.com/gatehouse-go/authn/store"
)

// ReserveAttempts is one script, and in a cluster one for each Key. Replayed by
// the client it may count twice, or be refused by the lock that it began.
func (s *Store) ReserveAttempts(ctx context.Context, takes []store.AttemptTake) (state store.AttemptState, err error) {
	if err := checkAttempts(takes); err != nil {
		return store.AttemptState{}, err
	}
	slots := s.slotsOf(len(takes), func(i int) string { return takes[i].Key })
	at := make([]int64, len(slots)) // when it was counted in each
	refused := false
	err = inTurn(ctx, slots, func(ctx context.Context, i int, look bool) (passes bool, err error) {
		var here store.AttemptState
		if here, at[i], err = s.reserveAttempts(ctx, slots[i], takes, look); err != nil {
			return false, err
		}
		passes = here.RetryIn == 0 && !here.Disabled
		refused = refused || !passes
		state = store.AttemptState{
			RetryIn: max(state.RetryIn, here.RetryIn), Disabled: state.Disabled || here.Disabled,
			First: (state.First || here.First) && !refused,
		}
		return passes, nil
	}, func(ctx context.Context, i int) error {
		return s.settleAttempts(ctx, slots[i], takes, at[i])
	})
	if err != nil {
		return store.AttemptState{}, failed("reserve attempts", err)
	}
	return state, nil
}

func (s *Store) reserveAttempts(ctx context.Context, slot []int, takes []store.AttemptTake, look bool) (state store.AttemptState, at int64, err error) {
	keys, args := s.attempts(slot, takes, nil, []any{!look, s.clockOffset().Microseconds()})
	answer, err := reserveAttemptsScript.Run(ctx, s.client, keys, args...).Int64Slice()
	if err == nil && len(answer) != 4 {
		err = fmt.Errorf("a script answered %d values", len(answer))
	}
	if err != nil {
		return store.AttemptState{}, 0, err
	}
	return store.AttemptState{RetryIn: ofMicros(answer[0]), Disabled: answer[1] == 1, First: answer[2] == 1}, answer[3], nil
}

// attempts adds the hashes of a slot to keys, and what scripts/attempts.lua
// reads of each to args.
func (s *Store) attempts(slot []int, takes []store.AttemptTake, keys []string, args []any) ([]string, []any) {
	for _, n := range slot {
		a := &takes[n]
		keys = append(keys, s.counterKey("attempts", a.Policy, a.Key))
		args = append(args, string(appendDigest(nil, a.Sub)), a.Account, a.DisableAfter, len(a.Tiers))
		for _, tier := range a.Tiers {
			args = append(args, tier.N, microsUp(tier.Period), len(tier.Locks))
			for _, lock := range tier.Locks {
				args = append(args, microsUp(lock))
			}
		}
	}
	return keys, args
}

// SettleAttempts is one script, and in a cluster one for each Key.
func (s *Store) SettleAttempts(ctx context.Context, takes []store.AttemptTake, succeeded bool) error {
	if err := checkAttempts(takes); err != nil {
		return err
	}
	became := attemptSucceeded
	if !succeeded {
		became = attemptCancelled
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for _, slot := range s.slotsOf(len(takes), func(i int) string { return takes[i].Key }) {
		if err := s.settleAttempts(ctx, slot, takes, became); err != nil {
			return failed("settle attempts", err)
		}
	}
	return nil
}

// What settleAttempts is told beside the time of an attempt that was counted
// then, and that another slot has refused.
const (
	attemptSucceeded int64 = 0
	attemptCancelled int64 = -1
)

func (s *Store) settleAttempts(ctx context.Context, slot []int, takes []store.AttemptTake, became int64) error {
	keys, args := s.attempts(slot, takes, []string{s.callKey(takes[slot[0]].Key)},
		[]any{callMemory.Milliseconds(), s.clockOffset().Microseconds(), became})
	return settleAttemptsScript.Run(ctx, s.client, keys, args...).Err()
}

func (s *Store) UnlockAttempts(ctx context.Context, policy, key string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	keys := []string{s.callKey(key), s.counterKey("attempts", policy, key)}
	return failed("unlock attempts", unlockAttemptsScript.Run(ctx, s.client, keys, callMemory.Milliseconds()).Err())
}
