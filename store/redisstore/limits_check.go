package redisstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/authn/store"
)

const (
	leastPeriod   = time.Millisecond
	leastInterval = 100 * time.Microsecond
)

// checkTakes refuses what the contract rules out, before any is taken.
func checkTakes(takes []store.LimitTake, states []store.LimitState) error {
	if len(takes) != len(states) {
		return fmt.Errorf("authn/redisstore: %d LimitTakes need as many states, not %d", len(takes), len(states))
	}
	for i := range takes {
		l := &takes[i]
		if err := checkTake(l); err != nil {
			return fmt.Errorf("authn/redisstore: a LimitTake of policy %q: %w", l.Policy, err)
		}
		for _, other := range takes[:i] {
			if l.Policy == other.Policy && l.Key == other.Key {
				return fmt.Errorf("authn/redisstore: two LimitTakes of policy %q have one Key", l.Policy)
			}
		}
	}
	return nil
}

func checkTake(l *store.LimitTake) error {
	switch {
	case l.Limit < 0 || l.Cost < 0:
		return errors.New("its Limit or Cost is negative")
	case l.Period < leastPeriod:
		return fmt.Errorf("its Period is under %v", leastPeriod)
	case !l.GCRA && l.Limit > store.MaxWindow:
		return fmt.Errorf("its Limit is over %d", store.MaxWindow)
	case !l.GCRA && l.Burst != 0:
		return errors.New("its Burst is for GCRA only")
	case l.GCRA && l.Burst < 1:
		return errors.New("its Burst is under 1")
	case l.GCRA && int64(l.Limit) > int64(l.Period/leastInterval):
		return fmt.Errorf("its Period/Limit is under %v", leastInterval)
	case l.GCRA && int64(l.Burst) > maxKeep.Microseconds()/interval(l):
		return fmt.Errorf("its Burst is restored in over %v", maxKeep)
	}
	return nil
}

// checkAttempts is checkTakes of attempts.
func checkAttempts(takes []store.AttemptTake) error {
	for i := range takes {
		a := &takes[i]
		if err := checkAttempt(a); err != nil {
			return fmt.Errorf("authn/redisstore: an AttemptTake of policy %q: %w", a.Policy, err)
		}
		for _, other := range takes[:i] {
			if a.Policy == other.Policy && a.Key == other.Key && a.Sub == other.Sub {
				return fmt.Errorf("authn/redisstore: two AttemptTakes of policy %q have one Key and Sub", a.Policy)
			}
		}
	}
	return nil
}

func checkAttempt(a *store.AttemptTake) error {
	if len(a.Tiers) > store.MaxTiers {
		return fmt.Errorf("it has over %d Tiers", store.MaxTiers)
	}
	if a.DisableAfter < 0 {
		return errors.New("its DisableAfter is negative")
	}
	for _, tier := range a.Tiers {
		if tier.N < 1 || tier.N > store.MaxWindow {
			return fmt.Errorf("a Tier's N is not 1 to %d", store.MaxWindow)
		}
		if tier.Period < leastPeriod {
			return fmt.Errorf("a Tier's Period is under %v", leastPeriod)
		}
		if len(tier.Locks) == 0 {
			return errors.New("a Tier has no Locks")
		}
		for _, lock := range tier.Locks {
			if lock <= 0 {
				return errors.New("a Tier has a lock that does not last")
			}
		}
	}
	return nil
}
