package redisstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/gatehouse-go/authn/store"
)

// TakeLimits is of [store.Limits], as are the methods below. It is one script,
// and in a cluster one for each Key. Replayed by the client it may take twice.
func (s *Store) TakeLimits(ctx context.Context, takes []store.LimitTake, states []store.LimitState) error {
	if err := checkTakes(takes, states); err != nil {
		return err
	}
	slots := s.slotsOf(len(takes), func(i int) string { return takes[i].Key })
	at := make([]int64, len(slots)) // when it was taken from each
	err := inTurn(ctx, slots, func(ctx context.Context, i int, look bool) (passes bool, err error) {
		at[i], passes, err = s.takeLimits(ctx, slots[i], takes, states, look)
		return passes, err
	}, func(ctx context.Context, i int) error {
		if err := s.giveBackLimits(ctx, slots[i], takes, states, at[i]); err != nil {
			return err
		}
		none := slices.Clone(takes)
		for _, n := range slots[i] {
			none[n].Cost = 0
		}
		_, _, err := s.takeLimits(ctx, slots[i], none, states, true)
		return err
	})
	return failed("take from limits", err)
}

// takeLimits takes from all counters of a slot or from none, or only looks what
// would become of it. at is the slot's clock.
func (s *Store) takeLimits(ctx context.Context, slot []int, takes []store.LimitTake, states []store.LimitState, look bool) (at int64, passes bool, err error) {
	keys := make([]string, len(slot))
	args := make([]any, 0, 2+5*len(slot))
	args = append(args, !look, s.clockOffset().Microseconds())
	for i, n := range slot {
		l := &takes[n]
		keys[i] = s.counterKey("limit", l.Policy, l.Key)
		args = append(args, l.Limit, l.Burst, l.Cost, microsUp(l.Period), interval(l))
	}
	answer, err := takeLimitsScript.Run(ctx, s.client, keys, args...).Int64Slice()
	if err == nil && len(answer) != 2+4*len(slot) {
		err = fmt.Errorf("a script answered %d values", len(answer))
	}
	if err != nil {
		return 0, false, err
	}
	for i, n := range slot {
		a := answer[2+4*i:]
		states[n] = store.LimitState{Remaining: int(a[0]), ResetIn: ofMicros(a[1]), RetryIn: ofMicros(a[2]), First: a[3] == 1}
	}
	return answer[1], answer[0] == 1, nil
}

// giveBackLimits gives back what was taken from a slot at that time, when states
// were as they are.
func (s *Store) giveBackLimits(ctx context.Context, slot []int, takes []store.LimitTake, states []store.LimitState, at int64) error {
	keys := []string{s.callKey(takes[slot[0]].Key)}
	args := []any{callMemory.Milliseconds(), s.clockOffset().Microseconds(), at}
	for _, n := range slot {
		if l := &takes[n]; l.Cost > 0 {
			keys = append(keys, s.counterKey("limit", l.Policy, l.Key))
			args = append(args, l.Burst, l.Cost, interval(l), states[n].ResetIn.Microseconds())
		}
	}
	return giveBackLimitsScript.Run(ctx, s.client, keys, args...).Err()
}
