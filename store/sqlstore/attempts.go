package sqlstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// attemptID is of a counter: those of one key are next to each other.
func attemptID(a *store.AttemptTake) []byte {
	key, sub := digestOf(a.Policy, a.Key), sha256.Sum256([]byte(a.Sub))
	return append(key[:], sub[:]...)
}

// ReserveAttempts costs what TakeLimits does, and so does SettleAttempts.
func (l *limits) ReserveAttempts(ctx context.Context, takes []store.AttemptTake) (state store.AttemptState, err error) {
	err = l.count(ctx, "reserve attempts", takes, func(found []attemptState, at []int64) {
		state = store.AttemptState{}
		for i := range takes {
			retry, disabled := found[i].refusal(&takes[i], at[i])
			state.RetryIn, state.Disabled = max(state.RetryIn, retry), state.Disabled || disabled
		}
		if state.RetryIn > 0 || state.Disabled {
			return
		}
		for i := range takes {
			state.First = found[i].take(&takes[i], at[i]) || state.First
		}
	})
	if err != nil {
		return store.AttemptState{}, err
	}
	return state, nil
}

func (l *limits) SettleAttempts(ctx context.Context, takes []store.AttemptTake, succeeded bool) error {
	return l.count(ctx, "settle attempts", takes, func(found []attemptState, at []int64) {
		for i := range takes {
			if succeeded && takes[i].Account {
				found[i] = attemptState{}
			} else {
				found[i].giveBack(at[i])
			}
		}
	})
}

// count lets decide change the counters of takes, in their order. at is the time
// to count with, of each.
func (l *limits) count(ctx context.Context, op string, takes []store.AttemptTake, decide func(found []attemptState, at []int64)) error {
	ids := make([][]byte, len(takes))
	for i := range takes {
		if err := checkAttempt(&takes[i]); err != nil {
			return l.db.explain(op, fmt.Errorf("AttemptTake of %q: %w", takes[i].Policy, err))
		}
		ids[i] = attemptID(&takes[i])
	}
	cs, of := countersOf(ids)
	if len(cs) < len(ids) {
		return l.db.explain(op, errors.New("two AttemptTakes of one counter"))
	}
	if len(cs) == 0 {
		return nil
	}
	return l.attempts.update(ctx, op, cs, func(now time.Time, cs []counter) error {
		found, at := make([]attemptState, len(takes)), make([]int64, len(takes))
		for i := range takes {
			s, err := decodeAttempt(cs[of[i]].state)
			if err != nil {
				return err
			}
			at[i] = s.settle(&takes[i], now.UnixMicro())
			found[i] = s
		}
		decide(found, at)
		for i := range takes {
			end := found[i].end(&takes[i])
			if end.Before(now) {
				end = now // of what was cleared: there will be others
			}
			cs[of[i]].become(found[i].encode(&takes[i]), end)
		}
		return nil
	})
}

// UnlockAttempts is one statement.
func (l *limits) UnlockAttempts(ctx context.Context, policy, key string) error {
	return l.db.write(ctx, "unlock attempts", func(c conn) error {
		first := digestOf(policy, key)
		from, to := make([]byte, 2*sha256.Size), bytes.Repeat([]byte{0xff}, 2*sha256.Size)
		copy(from, first[:])
		copy(to, first[:])
		_, err := c.exec(ctx, l.attempts.deleted, from, to)
		return err
	})
}

func checkAttempt(a *store.AttemptTake) error {
	if a.DisableAfter < 0 {
		return fmt.Errorf("DisableAfter is %d", a.DisableAfter)
	}
	if len(a.Tiers) > store.MaxTiers {
		return fmt.Errorf("%d tiers, over %d", len(a.Tiers), store.MaxTiers)
	}
	for _, t := range a.Tiers {
		switch {
		case t.N < 1 || t.N > store.MaxWindow:
			return fmt.Errorf("a tier has N %d, not 1 to %d", t.N, store.MaxWindow)
		case t.Period < time.Millisecond:
			return fmt.Errorf("a tier has a Period of %v, under a millisecond", t.Period)
		case len(t.Locks) == 0:
			return errors.New("a tier has no Locks")
		}
		for _, lock := range t.Locks {
			if lock < time.Millisecond {
				return fmt.Errorf("a lock lasts %v, under a millisecond", lock)
			}
		}
	}
	return nil
}
